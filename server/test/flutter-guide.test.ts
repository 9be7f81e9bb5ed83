import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { ReadableStream as WebStream } from 'node:stream/web'
import { fileURLToPath } from 'node:url'
import { base32 } from 'oslo/encoding'
import PostalMime from 'postal-mime'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { apiBase, restProcedures } from '../http/rest.ts'
import { startTestApp, type TestApp } from './app.ts'
import { authenticatorApp } from './authenticator-app.ts'
import { createAuthenticator, type Authenticator } from './authenticator.ts'
import { createReader, examplesIn, isOtherText, type Got, type Sent } from './page-examples.ts'
import { startSwarm, type Swarm } from './swarm.ts'
import { approveTitle, offerTitle } from './titles.ts'

// docs/flutter.md is for people whose apps we do not build: what it says is run, and what it lists is compared with the source.

const here = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const page = readFileSync(here('docs/flutter.md'), 'utf8')
const examples = examplesIn(page)

const settings = {
  RATE_LIMIT_FACTOR: '100',
  ANDROID_APPS: 'org.example.tv=14:6D:E9:83:C5:73:06:50:D8:EE:B9:95:2F:34:FC:64:16:A0:83:42:E6:1D:BE:A8:8A:04:96:B2:3F:CF:44:E5',
  IOS_APPS: 'ABCDE12345.org.example.tv',
  MIN_APP_VERSIONS: 'android=1.4.0',
  PRIVACY_URL: 'https://tv.example.org/privacy',
}
let app: TestApp
let now = new Date()
let phone: Authenticator
let folder: string
let swarm: Swarm
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'guide-'))
  const subtitles = join(folder, 'film.en.srt')
  await writeFile(subtitles, '1\n00:00:01,000 --> 00:00:02,500\nGood evening.\n')
  swarm = await startSwarm({ name: 'A film', files: [{ path: 'film.mp4', from: here('server/test/clips/index-at-start.mp4') }, { path: 'film.en.srt', from: subtitles }] })
  app = await startTestApp({ engine: true, jobs: true, settings, overrides: { now: () => now } })
  phone = createAuthenticator(app.baseUrl)
  await approveTitle(app, await offerTitle(app, swarm, 'A film'), (await app.as.moderator()).token)
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await swarm[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

async function send({ method, path, headers, body }: Sent): Promise<Got> {
  const given = body === undefined ? { headers } : { headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) }
  const response = await fetch(app.baseUrl + path, { method, redirect: 'manual', ...given })
  const type = response.headers.get('content-type') ?? ''
  const text = type.startsWith('text/event-stream') ? await firstEvent(response) : (await response.text()).trimEnd()
  await inTheBackground()
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : isOtherText(type) ? text : JSON.parse(text) }
}

/** Of events that never end, those up to the first empty line. */
async function firstEvent(response: Response): Promise<string> {
  let text = ''
  for await (const chunk of Readable.fromWeb(response.body as WebStream) as AsyncIterable<Buffer>) {
    text += chunk.toString()
    const end = text.indexOf('\n\n')
    if (end >= 0) return text.slice(0, end)
  }
  return text
}

const read = new Set<string>()
/** The newest code that went to each address. */
const codes = new Map<string, string>()

/** Mails are sent and exports made before the next request, as if a person had waited; codes are read as they come. */
async function inTheBackground(): Promise<void> {
  await vi.waitFor(async () => expect(await app.deps.sql`select 1 from graphile_worker.jobs where task_identifier in ('mail.send', 'account.make_export')`).toHaveLength(0), { timeout: 20_000, interval: 25 })
  const outbox = join(app.dataDir, 'outbox')
  for (const name of await readdir(outbox).catch(() => [])) {
    if (read.has(name)) continue
    read.add(name)
    const { to, text } = await PostalMime.parse(await readFile(join(outbox, name)))
    const [, code] = /^ {4}(\d{8})$/m.exec(text ?? '') ?? []
    if (code) codes.set(to?.[0]?.address ?? '', code)
  }
}

let authenticator: ReturnType<typeof authenticatorApp> | null = null
async function totpOf(secret: string): Promise<string> {
  authenticator ??= authenticatorApp(base32.decode(secret, { strict: false }), () => now, () => expect.fail('every code of the moment is used: let time pass'))
  return (await authenticator()).code
}

const run = createReader({
  send,
  pass: (milliseconds) => {
    now = new Date(now.getTime() + milliseconds)
  },
  async phrase(words, remembered) {
    const value = (name: string) => remembered.get(name) ?? expect.fail(`no ${name} yet`)
    const [, address] = /^the code mailed to (\S+)$/.exec(words) ?? []
    if (address) return codes.get(address) ?? expect.fail(`no code was mailed to ${address}`)
    const [, made] = /^what the phone makes of (\w+)$/.exec(words) ?? []
    if (made) return phone.create(value(made))
    const [, answered] = /^what the phone answers to (\w+)$/.exec(words) ?? []
    if (answered) return phone.get(value(answered))
    if (words === 'the code of the authenticator app') return totpOf(value('secret'))
    return words === 'the access token of a new moderator' ? (await app.as.unenrolledModerator()).token : null
  },
})

describe('docs/flutter.md is answered as it says, in its order', () => {
  test.each(examples.map((example) => [`${example.method} ${example.path}`, example.answer.status, example] as const))('%s: %i', async (_request, _status, example) => {
    expect(await run(example)).toEqual([])
  })
})

describe('its table of routes', () => {
  const tables = page.slice(page.indexOf('\n## Routes\n'))
  const listed = [...tables.matchAll(/\b(GET|POST|PUT|PATCH|DELETE) (\/[\w/{}-]+)/g)].map(([route]) => route).sort()
  const ours = restProcedures().map(({ rest: { method, path } }) => `${method} ${path}`).filter((route) => / \/(auth|users\/me)(\/|$)/.test(route)).sort()

  test('has every one of /auth and /users/me, once, and no other', () => {
    expect(ours.length).toBeGreaterThan(30)
    expect(listed).toEqual(ours)
  })

  test('names chapters that there are', () => {
    const chapters = [...page.matchAll(/^## (.+)$/gm)].map(([, title]) => title)
    for (const [, chapter] of tables.matchAll(/^\| [A-Z].* \| ([^:|]+).*\|$/gm)) expect(chapters).toContain(chapter?.trim())
  })

  test('leaves few to the table alone: the others have an example', () => {
    const shown = (route: string) => examples.some(({ method, path }) => new RegExp(`^${route.replace(' ', ` ${apiBase}`).replaceAll(/\{\w+\}/g, '[^/]+')}(\\?|$)`).test(`${method} ${path}`))
    expect(ours.filter((route) => !shown(route))).toEqual([
      'DELETE /users/me/favorites/{torrentId}', 'DELETE /users/me/mfa/totp', 'DELETE /users/me/passkeys/{passkeyId}', 'DELETE /users/me/watch-history',
      'DELETE /users/me/watch-history/{torrentId}/files/{fileIndex}', 'GET /users/me/favorites', 'GET /users/me/passkeys', 'GET /users/me/preferences', 'POST /auth/sign-out-everywhere', 'POST /users/me/mfa/recovery-codes',
    ])
  })
})

describe('its table of codes', () => {
  const listed = new Map([...page.matchAll(/^\| `(\w+)` \| ([\d, ]+) \| .+ \|$/gm)].map(([, code = '', statuses = '']) => [code, statuses.split(', ').map(Number)]))
  const said = codesOf(sources('server'))
  /** The features an app signs in and plays by, and what stands before all of them. */
  const reached = codesOf(sources('server').filter(({ file }) => /^server\/(kit|http|features\/(auth|factors|users|invites|playback))\//.test(file)))

  test('has every code that /auth, /users/me and playback can answer', () => {
    expect([...reached.keys()].filter((code) => !listed.has(code))).toEqual([])
  })

  test('has every code of a 401 or 403, wherever it is said', () => {
    expect([...said].filter(([code, statuses]) => (statuses.has(401) || statuses.has(403)) && !listed.has(code))).toEqual([])
  })

  test('has no code that nothing says, and each with its statuses', () => {
    for (const [code, statuses] of listed) expect([code, [...(said.get(code) ?? [])].sort()]).toEqual([code, statuses])
  })

  test('has every reason for which a password is weak, beside it', () => {
    const rules = [...source('server/features/auth/password-rules.ts').matchAll(/\['(\w+)', /g), ...source('server/features/auth/contract.ts').matchAll(/params: \{ code: '(\w+)' \}/g)].map(([, code]) => code)
    const [, told = ''] = /show the reasons that come[^:]*?They are([^.]+)\./s.exec(page) ?? []
    expect([...told.matchAll(/`(\w+)`/g)].map(([, code]) => code).sort()).toEqual([...new Set(rules)].sort())
  })
})

describe('codes are found in source', () => {
  const find = (text: string) => Object.fromEntries([...codesOf([{ file: 'x.ts', text }])].map(([code, statuses]) => [code, [...statuses]]))

  test('by each of the ways in which the house throws', () => {
    expect(find("new AppError(418, 'tea', 'x')")).toEqual({ tea: [418] })
    expect(find("new AppError(status, 'tea', 'x')")).toEqual({ tea: [401, 403] })
    expect(find("new PermissionDenied('a_b', 'x')")).toEqual({ a_b: [403] })
    expect(find("new Unauthenticated('a_b', 'x')")).toEqual({ a_b: [401] })
    expect(find("new Conflict('Words: 1, 2.', 'a_b')")).toEqual({ a_b: [409] })
    expect(find("type Refusal = 'a_b' | 'c_d'\nthrow new Unauthenticated(outcome, refusals[outcome])")).toEqual({ a_b: [401], c_d: [401] })
    expect(find("  constructor(message: string, code = 'conflict') {\n    super(409, code, message)")).toEqual({ conflict: [409] })
    expect(find("    super(404, 'not_found', `There is no such ${what}.`)")).toEqual({ not_found: [404] })
    expect(find("new Invalid(unknown, 'unknown_field')")).toEqual({ unknown_field: [422] })
  })

  test('or it is told that one is thrown in another way', () => {
    expect(() => find('new AppError(418, tea, x)')).toThrow('x.ts')
    expect(() => find('new Unauthenticated(code, x)')).toThrow('x.ts')
  })
})

type Source = { file: string; text: string }
function source(file: string): string {
  return readFileSync(here(file), 'utf8')
}

function sources(folder: string): Source[] {
  const names = readdirSync(here(folder), { recursive: true, encoding: 'utf8' })
  return names.filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && !name.startsWith('test/')).map((name) => ({ file: join(folder, name), text: source(join(folder, name)) }))
}

/** Every stable code that the sources can answer, with its statuses. @throws Error for a code that is not written where it is thrown */
function codesOf(files: Source[]): Map<string, Set<number>> {
  const found = new Map<string, Set<number>>()
  const add = (code: string, ...statuses: number[]) => found.set(code, new Set([...(found.get(code) ?? []), ...statuses]))
  for (const { file, text } of files) {
    for (const [at, name, rest = ''] of text.matchAll(/\bnew (AppError|PermissionDenied|Unauthenticated)\(([^)\n]*)/g)) {
      const status = name === 'AppError' ? rest.split(',')[0] : name === 'PermissionDenied' ? '403' : '401'
      const [, code] = (name === 'AppError' ? /^\w+, '(\w+)'/ : /^'(\w+)'/).exec(rest) ?? []
      // `status`: whichever of the two it is for; `statusCode`: Fastify's own, 400 where no other code is made of it
      const statuses = status === 'status' ? [401, 403] : [status === 'statusCode' ? 400 : Number(status)]
      if (code) add(code, ...statuses)
      else if (rest === '' && name === 'PermissionDenied') add('permission_denied', 403)
      else {
        const [, union] = /^type \w*Refusal = ((?:'\w+'(?: \| )?)+)$/m.exec(text) ?? []
        if (name !== 'Unauthenticated' || !union) throw new Error(`${file}: what is the code of "${at}"?`)
        for (const [, one = ''] of union.matchAll(/'(\w+)'/g)) add(one, ...statuses)
      }
    }
    for (const [, code = ''] of text.matchAll(/\bnew Conflict\(.*, '(\w+)'\)/g)) add(code, 409)
    for (const [, code = ''] of text.matchAll(/\bnew Invalid\(.*?, '(\w+)'\)/g)) add(code, 422)
    // the classes themselves: a code of their own, or one that stands where none is given
    for (const [, byDefault, status, own] of text.matchAll(/constructor\((?:.*\bcode = '(\w+)')?.*\) \{\s+super\((\d+), (?:'(\w+)'|code)/g)) if (own ?? byDefault) add(own ?? byDefault ?? '', Number(status))
    for (const [, status, code = ''] of text.matchAll(/^ +super\((\d+), '(\w+)'/gm)) add(code, Number(status))
  }
  return found
}
