import type { Person } from './actors.ts'
import { ask, type RawAnswer } from './raw-http.ts'

type Headers = Record<string, string>

/** A browser without scripts, as far as the console needs one: it keeps cookies, reads forms and sends them. */
export type ConsoleVisitor = {
  cookies: Map<string, string>
  /** Every Set-Cookie line so far. */
  setCookies: string[]
  get(path: string, headers?: Headers): Promise<RawAnswer>
  /** Sends a form with the token of the page that was read last, as a page of this console would; `headers` go over its own. */
  post(path: string, fields: Headers, headers?: Headers): Promise<RawAnswer>
  /** With the second factor of who has one. */
  signIn(person: Pick<Person, 'email' | 'password'> & Partial<Pick<Person, 'secondFactor'>>): Promise<RawAnswer>
  /** Where the answer to a sign-in asks for a second factor: the answer to that. */
  proveFactor(answer: RawAnswer, person: { secondFactor?: Person['secondFactor'] | undefined }): Promise<RawAnswer>
  /** The token in the forms of the page that was read last. */
  token(): string
}

/** @param always headers of every request, such as a proxy's. */
export function visitConsole(baseUrl: string, always: Headers = {}): ConsoleVisitor {
  const cookies = new Map<string, string>()
  const setCookies: string[] = []
  let csrf = ''

  const remember = (answer: RawAnswer): RawAnswer => {
    for (const line of answer.headers['set-cookie'] ?? []) {
      setCookies.push(line)
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (/max-age=0/i.test(line)) cookies.delete(name)
      else cookies.set(name, value)
    }
    csrf = /name="csrf" value="([^"]*)"/.exec(answer.text)?.[1] ?? csrf
    return answer
  }
  const cookie = (): Headers => (cookies.size === 0 ? {} : { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') })

  const get: ConsoleVisitor['get'] = async (path, headers = {}) => remember(await ask(baseUrl, path, { headers: { ...always, ...cookie(), ...headers } }))
  const post: ConsoleVisitor['post'] = async (path, fields, headers = {}) => {
    const body = new URLSearchParams({ csrf, ...fields }).toString()
    const own = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(Buffer.byteLength(body)), origin: 'null', 'sec-fetch-site': 'same-origin' }
    return remember(await ask(baseUrl, path, { method: 'POST', headers: { ...always, ...cookie(), ...own, ...headers }, body }))
  }
  const proveFactor: ConsoleVisitor['proveFactor'] = async (answer, { secondFactor }) => {
    const hidden = (name: string) => new RegExp(`name="${name}" value="([^"]*)"`).exec(answer.text)?.[1]
    const challengeId = hidden('challengeId')
    if (!challengeId || !secondFactor) return answer
    return post('/sign-in/second-factor', { challengeId, methods: hidden('methods') ?? '', next: hidden('next') ?? '', ...(await secondFactor()) })
  }
  return {
    cookies,
    setCookies,
    get,
    post,
    proveFactor,
    async signIn({ email, password, secondFactor }) {
      await get('/sign-in')
      const answer = await proveFactor(await post('/sign-in', { email, password }), { secondFactor })
      // a page, for the token of its forms; who has to enrol first is led to another
      const page = answer.status === 302 ? await get('/') : null
      if (typeof page?.headers.location === 'string') await get(page.headers.location)
      return answer
    },
    token: () => csrf,
  }
}
