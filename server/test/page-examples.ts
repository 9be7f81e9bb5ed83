import { STATUS_CODES } from 'node:http'

// Examples of HTTP in a page of documentation, which run against a real server in the order of the page, so that they cannot
// rot. A block fenced as `http` is a request (`POST /path`) or the answer to the one before it (`HTTP/1.1 200 OK`): headers, an
// empty line, JSON; other text where its Content-Type says so. What changes from run to run stands in double braces, within any text of it:
//   {{new flowId}}  in an answer: any text, remembered by that name        {{an id}} {{a time}} {{a number}} {{some text}}
//   {{flowId}}      the text remembered, in requests and answers           in an answer: any of that kind
// In a request the braces may also hold a phrase of the test's own. A line `*16 minutes later*` moves the clock.

type Message = { line: number; headers: Record<string, string>; body: unknown }
export type Example = Message & {
  /** Milliseconds that pass before it. */
  later: number
  method: string
  path: string
  answer: Message & { status: number }
}

const units: Record<string, number> = { second: 1_000, minute: 60_000, hour: 3_600_000, day: 86_400_000 }
const passing = /^\*(\d+) (second|minute|hour|day)s? later\b.*\*$/
const request = /^([A-Z]+) (\/\S*)$/
const response = /^HTTP\/1\.1 (\d{3}) (.+)$/

/** @throws Error naming the line of what cannot be read */
export function examplesIn(page: string): Example[] {
  const examples: Example[] = []
  let later = 0
  let asked: Omit<Example, 'answer'> | null = null
  for (const { line, text } of partsOf(page)) {
    const refuse = (why: string) => new Error(`line ${line}: ${why}`)
    const [start = ''] = text.split('\n')
    const [, amount, unit = ''] = passing.exec(start) ?? []
    const [, method = '', path = ''] = request.exec(start) ?? []
    const [, status = '', reason] = response.exec(start) ?? []
    if (amount) later += Number(amount) * (units[unit] ?? 0)
    else if (method) {
      if (asked) throw refuse('the request before it has no answer')
      asked = { ...messageOf(text, line), later, method, path }
      later = 0
    } else if (status) {
      if (!asked) throw refuse('no request is before it')
      if (STATUS_CODES[status] !== reason) throw refuse(`${status} is "${STATUS_CODES[status]}"`)
      examples.push({ ...asked, answer: { ...messageOf(text, line), status: Number(status) } })
      asked = null
    } else throw refuse('neither a request nor an answer')
  }
  if (asked) throw new Error(`line ${asked.line}: it has no answer`)
  return examples
}

/** The blocks of HTTP and the lines that move the clock. */
function* partsOf(page: string): Generator<{ line: number; text: string }> {
  let block: { line: number; fence: string; lines: string[] } | null = null
  for (const [index, text] of page.split('\n').entries()) {
    if (block && text === '```') {
      if (block.fence === 'http') yield { line: block.line + 1, text: block.lines.join('\n') }
      block = null
    } else if (block) block.lines.push(text)
    else if (text.startsWith('```')) block = { line: index + 1, fence: text.slice(3), lines: [] }
    else if (passing.test(text)) yield { line: index + 1, text }
  }
  if (block) throw new Error(`line ${block.line}: the block has no end`)
}

function messageOf(text: string, line: number): Message {
  const [head = '', ...rest] = text.split('\n\n')
  const headers = head.split('\n').slice(1).map((header) => {
    const [, name = '', value = ''] = /^([\w-]+): (.+)$/.exec(header) ?? []
    if (!name) throw new Error(`line ${line}: "${header}" is no header`)
    return [name.toLowerCase(), value] as const
  })
  const body = rest.join('\n\n')
  const fields = Object.fromEntries(headers)
  const isText = isOtherText(fields['content-type'])
  return { line, headers: fields, body: body === '' ? undefined : isText ? body : readJson(body, line) }
}

/** Is a body of this type text that is no JSON? */
export const isOtherText = (contentType = ''): boolean => contentType !== '' && !/[/+]json\b/.test(contentType)

function readJson(text: string, line: number): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`line ${line}: the body is no JSON`, { cause: error })
  }
}

export type Sent = Pick<Example, 'method' | 'path' | 'headers' | 'body'>
export type Got = { status: number; headers: Headers; body: unknown }
type Surroundings = {
  send(request: Sent): Promise<Got>
  /** Lets time pass. */
  pass(milliseconds: number): void
  /** What a phrase in a request stands for, or null where it is none. */
  phrase(words: string, remembered: ReadonlyMap<string, string>): Promise<string | null>
}

/** Runs examples one after the other. @returns what differs from the page, each with its line: nothing where it is as written */
export function createReader({ send, pass, phrase }: Surroundings): (example: Example) => Promise<string[]> {
  const remembered = new Map<string, string>()
  const fill = async (text: string): Promise<string> => {
    const parts = await Promise.all(text.split(braces).map(async (part, index) => (index % 2 === 0 ? part : (remembered.get(part) ?? (await phrase(part, remembered)) ?? unknown(part)))))
    return parts.join('')
  }
  return async ({ line, later, method, path, headers, body, answer }) => {
    if (later > 0) pass(later)
    const at = (message: string) => `line ${line}: ${message}`
    try {
      const sent = { method, path: await fill(path), headers: (await mapTexts(headers, fill)) as Sent['headers'], body: await mapTexts(body, fill) }
      const got = await send(sent)
      if (got.status !== answer.status) return [at(`${method} ${path} answers ${got.status}, not ${answer.status}: ${JSON.stringify(got.body)}`)]
      const found = [
        ...Object.entries(answer.headers).flatMap(([name, value]) => differences(value, got.headers.get(name) ?? undefined, `the header ${name}`, remembered)),
        ...differences(answer.body, got.body, 'the body', remembered),
      ]
      return found.map((difference) => `line ${answer.line}: ${difference}`)
    } catch (error) {
      return [at((error as Error).message)]
    }
  }
}

const braces = /\{\{(.+?)\}\}/
/** For text that is to be found as it stands. */
const literally = (text: string): string => text.replaceAll(/[^\w\s]/g, String.raw`\$&`)
const unknown = (words: string): never => {
  throw new Error(`nothing is known by the name "${words}"`)
}

async function mapTexts(value: unknown, change: (text: string) => Promise<string>): Promise<unknown> {
  if (typeof value === 'string') return change(value)
  if (Array.isArray(value)) return Promise.all(value.map((one) => mapTexts(one, change)))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(await Promise.all(Object.entries(value).map(async ([key, one]) => [key, await mapTexts(one, change)] as const)))
}

const kinds: Record<string, string> = {
  'an id': String.raw`[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}`,
  'a time': String.raw`\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z`,
  'a number': String.raw`\d+`,
  'some text': String.raw`[^]+`,
}

/** Strict: a field too many is a difference as much as one that is missing. Remembers what the page gives a new name. */
function differences(expected: unknown, actual: unknown, where: string, remembered: Map<string, string>): string[] {
  if (typeof expected === 'string') return typeof actual === 'string' && matches(expected, actual, remembered) ? [] : [`${where} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`]
  if (typeof expected !== 'object' || expected === null) return Object.is(expected, actual) ? [] : [`${where} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`]
  if (typeof actual !== 'object' || actual === null || Array.isArray(expected) !== Array.isArray(actual)) return [`${where} is ${JSON.stringify(actual)}`]
  const [wanted, given] = [new Map(Object.entries(expected)), new Map(Object.entries(actual))]
  return [
    ...[...given.keys()].filter((key) => !wanted.has(key)).map((key) => `${where} has ${key}, of which the page says nothing`),
    ...[...wanted].flatMap(([key, value]) => (given.has(key) ? differences(value, given.get(key), `${where}.${key}`, remembered) : [`${where} has no ${key}`])),
  ]
}

function matches(expected: string, actual: string, remembered: Map<string, string>): boolean {
  const names: string[] = []
  const pattern = expected.split(braces).map((part, index) => {
    if (index % 2 === 0) return literally(part)
    if (!part.startsWith('new ')) return kinds[part] ?? literally(remembered.get(part) ?? unknown(part))
    names.push(part.slice('new '.length))
    return '([^]+)'
  })
  const found = new RegExp(`^${pattern.join('')}$`).exec(actual)
  for (const [index, name] of names.entries()) remembered.set(name, found?.[index + 1] ?? '')
  return found !== null
}
