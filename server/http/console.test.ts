import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeSetupLink } from '../features/auth/set-up.ts'
import type { Person } from '../test/actors.ts'
import { startTestApp, type TestApp } from '../test/app.ts'
import { visitConsole, type ConsoleVisitor } from '../test/console-visitor.ts'
import { createTestDatabase } from '../test/database.ts'
import { cuttable } from '../test/cuttable.ts'
import { ask } from '../test/raw-http.ts'
import { offerTitle } from '../test/titles.ts'
import { makeTorrent } from '../test/torrents.ts'

let app: TestApp
let moderator: Person
let visitor: ConsoleVisitor
beforeAll(async () => {
  app = await startTestApp({ settings: { RATE_LIMIT_FACTOR: '100' } })
  moderator = await app.as.moderator()
  visitor = visitConsole(app.baseUrl)
  await visitor.signIn(moderator)
})
afterAll(() => app[Symbol.asyncDispose]())

async function offer(title = 'A title'): Promise<string> {
  const { infoHash, base64 } = makeTorrent({ files: [{ path: `${title.slice(0, 40).replaceAll('/', '')}.mp4`, sizeBytes: 1_234_567 }, { path: 'notes.txt', sizeBytes: 10 }] })
  return offerTitle(app, { infoHash, torrentFile: Buffer.from(base64, 'base64') }, title)
}
const stateOf = async (id: string) => (await app.deps.sql`select state, decision_reason, decision_note from torrents where id = ${id}`)[0]
const everything = async () => [await app.deps.sql`select * from torrents order by id`, await app.deps.sql`select * from audit_log order by id`, await app.deps.sql`select * from playback_links`]

describe('a form that was not sent from here changes nothing (control B4)', () => {
  const cases: [string, Record<string, string>, Record<string, string>][] = [
    ['without a token', { csrf: '' }, {}],
    ['with a wrong token', { csrf: 'A'.repeat(43) }, {}],
    ['from another site', {}, { 'sec-fetch-site': 'cross-site' }],
    ['from a sibling site', {}, { 'sec-fetch-site': 'same-site' }],
    ['with a foreign Origin', {}, { origin: 'https://evil.example' }],
    ['with Origin null and nobody to vouch for it', {}, { origin: 'null', 'sec-fetch-site': '' }],
  ]
  test.each(cases)('%s', async (_how, fields, headers) => {
    const torrentId = await offer()
    await visitor.get('/')
    const before = await everything()
    const answer = await visitor.post('/?index', { intent: 'approve', torrentId, ...fields }, headers)
    expect(answer.status).toBe(403)
    expect(answer.text).toContain('csrf_failed')
    expect(await everything()).toEqual(before)
    // the same form as it should be does change something
    await visitor.get('/')
    expect((await visitor.post('/?index', { intent: 'approve', torrentId })).status).toBe(302)
    expect(await stateOf(torrentId)).toMatchObject({ state: 'approved' })
  })

  test("with another moderator's token", async () => {
    const torrentId = await offer()
    const other = visitConsole(app.baseUrl)
    await other.signIn(await app.as.moderator())
    expect((await visitor.post('/?index', { intent: 'approve', torrentId, csrf: other.token() })).status).toBe(403)
    expect(await stateOf(torrentId)).toMatchObject({ state: 'pending' })
    await visitor.get('/')
  })

  test('sign-in is such a form too', async () => {
    const stranger = visitConsole(app.baseUrl)
    await stranger.get('/sign-in')
    const { email, password } = moderator
    for (const [fields, headers] of [[{ csrf: 'x' }, {}], [{}, { 'sec-fetch-site': 'cross-site' }]] as const) {
      expect((await stranger.post('/sign-in', { email, password, ...fields }, headers)).status).toBe(403)
    }
    expect([...stranger.cookies.keys()].some((name) => name.startsWith('console-'))).toBe(false)
  })
})

describe('who is not signed in', () => {
  test.each(['/', '/titles', '/titles?state=pending', '/_root.data', '/titles.data'])('reads nothing of %s', async (path) => {
    await offer('Known to staff only')
    const answer = await visitConsole(app.baseUrl).get(path)
    expect([302, 202]).toContain(answer.status)
    expect(answer.text).not.toContain('Known to staff only')
    expect(`${answer.headers.location ?? ''}${answer.text}`).toContain('/sign-in')
  })

  test('decides nothing', async () => {
    const torrentId = await offer()
    const before = await everything()
    const stranger = visitConsole(app.baseUrl)
    await stranger.get('/sign-in')
    for (const path of ['/?index', `/titles/${torrentId}`]) {
      for (const intent of ['approve', 'reject', 'takedown', 'preview']) {
        const answer = await stranger.post(path, { intent, torrentId, reason: 'spam', confirm: 'yes', fileIndex: '0' })
        expect([answer.status, answer.headers.location]).toEqual([302, '/sign-in'])
      }
    }
    expect(await everything()).toEqual(before)
  })
})

describe('decisions', () => {
  test('approve: the title is named on the page that follows', async () => {
    const torrentId = await offer('To be approved')
    await visitor.get('/')
    const answer = await visitor.post('/?index', { intent: 'approve', torrentId })
    expect(answer.headers.location).toBe(`/?done=approve&title=${torrentId}`)
    expect((await visitor.get(answer.headers.location ?? '')).text).toMatch(/Approved<!-- --> <a [^>]*>“<bdi[^>]*>To be approved/)
  })

  test('reject with a reason and a note of several lines', async () => {
    const torrentId = await offer()
    await visitor.get('/')
    await visitor.post('/?index', { intent: 'reject', torrentId, reason: 'wrong_content', note: 'It is a trailer.\r\nNot the film.' })
    expect(await stateOf(torrentId)).toEqual({ state: 'rejected', decision_reason: 'wrong_content', decision_note: 'It is a trailer.\nNot the film.' })
  })

  test.each(['', 'nonsense', '__proto__', 'toString'])('refusing with the reason "%s" is asked about again, with what was typed', async (reason) => {
    const torrentId = await offer()
    await visitor.get('/')
    const answer = await visitor.post('/?index', { intent: 'reject', torrentId, reason, note: 'typed already' })
    expect(answer.status).toBe(422)
    expect(answer.text).toContain('Choose why.')
    expect(answer.text).toMatch(/<details[^>]* open=""/)
    expect(answer.text).toContain('>typed already</textarea>')
    expect(await stateOf(torrentId)).toMatchObject({ state: 'pending' })
  })

  test('a takedown has to be confirmed', async () => {
    const torrentId = await offer('Soon gone')
    await visitor.get('/')
    await visitor.post('/?index', { intent: 'approve', torrentId })
    const page = await visitor.get(`/titles/${torrentId}`)
    expect(page.text).toMatch(/Yes, take down <!-- -->“<bdi[^>]*>Soon gone/)
    const unconfirmed = await visitor.post(`/titles/${torrentId}`, { intent: 'takedown', torrentId, reason: 'rights' })
    expect(unconfirmed.status).toBe(422)
    expect(await stateOf(torrentId)).toMatchObject({ state: 'approved' })
    expect((await visitor.post(`/titles/${torrentId}`, { intent: 'takedown', torrentId, reason: 'rights', confirm: 'yes' })).status).toBe(302)
    expect(await stateOf(torrentId)).toMatchObject({ state: 'taken_down', decision_reason: 'rights' })
  })

  test('of two moderators the second is told, and keeps what they wrote', async () => {
    const torrentId = await offer('Wanted by two')
    const other = visitConsole(app.baseUrl)
    await other.signIn(await app.as.moderator())
    await visitor.get('/')
    await visitor.post('/?index', { intent: 'approve', torrentId })
    const late = await other.post('/?index', { intent: 'reject', torrentId, reason: 'spam', note: 'I looked at it for an hour.' })
    expect(late.status).toBe(409)
    expect(late.text).toContain('This title is approved already.')
    expect(late.text).toContain('Wanted by two')
    expect(late.text).toContain('I looked at it for an hour.')
    expect(await stateOf(torrentId)).toEqual({ state: 'approved', decision_reason: null, decision_note: null })
  })

  test('about a title that is not there', async () => {
    await visitor.get('/')
    const answer = await visitor.post('/?index', { intent: 'approve', torrentId: '00000000-0000-4000-8000-000000000000' })
    expect(answer.status).toBe(404)
    expect(answer.text).toContain('There is no such title.')
  })
})

describe('pages', () => {
  const hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(2)></title>`

  test('what people wrote is text, wherever it is shown (control B3)', async () => {
    const torrentId = await offer(hostile)
    const pages = ['/', '/titles?state=pending', `/titles/${torrentId}`, `/?done=approve&title=${torrentId}`]
    for (const path of pages) {
      const { text, status } = await visitor.get(path)
      expect(status).toBe(200)
      expect(text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
      expect(text).not.toContain('<script>alert')
      expect(text).not.toContain('<img src=x')
    }
    const echoed = await visitor.post('/?index', { intent: 'reject', torrentId, reason: '', note: '</textarea><script>alert(3)</script>' })
    expect(echoed.text).toContain('&lt;/textarea&gt;&lt;script&gt;')
    expect(echoed.text).not.toContain('<script>alert')
    const refused = await visitConsole(app.baseUrl).signIn({ email: '"><script>alert(4)</script>', password: 'x' })
    expect(refused.text).not.toContain('<script>alert')
  })

  test('each has a policy with a nonce of its own, nothing inline without it, and no style but the sheet (control B6)', async () => {
    const seen = new Set<string>()
    for (const path of ['/', '/titles', '/sign-in', '/nowhere', '/set-up/x']) {
      const { headers, text } = await (path === '/sign-in' ? visitConsole(app.baseUrl) : visitor).get(path)
      const nonce = /script-src 'nonce-([^']+)'/.exec(String(headers['content-security-policy']))?.[1] ?? ''
      expect(nonce.length).toBeGreaterThan(20)
      seen.add(nonce)
      expect(headers['content-security-policy']).not.toMatch(/unsafe|https?:|\*/)
      expect(headers['cache-control']).toBe('no-store')
      const scripts = text.match(/<script[^>]*>/g) ?? []
      for (const tag of scripts) expect(tag).toContain(`nonce="${nonce}"`)
      const tags = text.replaceAll(/<script[^>]*>[^]*?<\/script>/g, '').replaceAll(/"[^"]*"/g, '""')
      expect(tags).not.toMatch(/<style|<[a-z][^<>]*\s(style|on\w+)=/)
      expect(text.match(/(?:src|href)="https?:[^"]*"/g)).toBeNull()
    }
    expect(seen.size).toBe(5)
  })

  test('their assets have integrity, immutable caching, and are what it says', async () => {
    const { text } = await visitor.get('/')
    const { integrity } = JSON.parse(/<script type="importmap"[^>]*>(.*?)<\/script>/.exec(text)?.[1] ?? '{}') as { integrity: Record<string, string> }
    const linked = [...text.matchAll(/<link [^>]*href="(\/assets\/[^"]+)"[^>]*>/g)]
    expect(linked.length).toBeGreaterThan(4)
    for (const [tag, path = ''] of linked) {
      if (!path.endsWith('.svg')) expect(tag).toContain(`integrity="${integrity[path] ?? 'none'}"`)
      const answer = await fetch(app.baseUrl + path)
      const digest = createHash('sha384').update(new Uint8Array(await answer.arrayBuffer())).digest('base64')
      expect([path, integrity[path]]).toEqual([path, `sha384-${digest}`])
      expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
      expect(answer.headers.get('content-type')).toMatch(/javascript|css|svg/)
    }
  })

  test.each(['/assets/nothing.js', '/assets/..%2f..%2fserver%2findex.js', '/assets/%2e%2e/package.json', '/assets/', '/assets/a/b', '/api/v1/nothing', '/api', '/.well-known/nothing'])('%s is no page', async (path) => {
    const { status, headers, body } = await ask(app.baseUrl, path)
    expect([status, headers['content-type']]).toEqual([404, expect.stringContaining('application/problem+json')])
    expect(body.code).toBe('not_found')
  })

  test('a page that is not there says so, with the id of the request', async () => {
    for (const path of ['/nowhere', '/titles/00000000-0000-4000-8000-000000000000', '//evil.example']) {
      const { status, headers, text } = await visitor.get(path)
      expect([path, status]).toEqual([path, 404])
      expect(text).toContain('There is nothing here')
      expect(text).toContain(String(headers['x-request-id']))
    }
  })

  test('a title whose id is none is refused as such', async () => {
    const { status, text } = await visitor.get('/titles/1%20or%201=1')
    expect(status).toBe(422)
    expect(text).toContain('validation_failed')
  })

  test('only forms are read, and not too large ones', async () => {
    await visitor.get('/')
    expect((await visitor.post('/sign-out', {}, { 'content-type': 'application/json' })).status).toBe(415)
    expect((await visitor.post('/sign-out', { note: 'x'.repeat(70_000) })).status).toBe(413)
    expect((await ask(app.baseUrl, '/', { method: 'PUT' })).status).toBe(404)
    expect((await visitor.get('/')).status).toBe(200)
  })

  test('HEAD answers as GET does, without a body', async () => {
    const { status, text } = await ask(app.baseUrl, '/sign-in', { method: 'HEAD' })
    expect([status, text]).toEqual([200, ''])
  })

  test('without the database nobody is let in, and the page tells nothing of why (control B13)', async () => {
    await using database = await createTestDatabase()
    await using relay = await cuttable(database.urls.app)
    await using cut = await startTestApp({ database, settings: { DATABASE_URL: relay.url, RATE_LIMIT_FACTOR: '100' } })
    const guest = visitConsole(cut.baseUrl)
    await guest.signIn(await cut.as.moderator())
    relay.cut()
    const { status, text, headers } = await guest.get('/')
    expect(status).toBeGreaterThanOrEqual(500)
    expect(text).toContain(String(headers['x-request-id']))
    expect(text).not.toMatch(/ECONN|postgres|select|127\.0\.0\.1:\d+|at .*\.ts/i)
    relay.restore()
  })
})

describe('the first admin', () => {
  test('is made by the link, once, and signed in to add a second factor', async () => {
    await using fresh = await startTestApp({ settings: { RATE_LIMIT_FACTOR: '100' } })
    const path = new URL((await makeSetupLink(fresh.deps)).url).pathname
    const first = visitConsole(fresh.baseUrl)
    const account = { email: 'first@example.org', name: 'First', password: 'violet harbour 93 lantern' }
    await first.get(path)
    const weak = await first.post(path, { ...account, password: 'password1234' })
    expect(weak.status).toBe(422)
    expect(weak.text).toContain('Password is too easy to guess')
    expect(await fresh.deps.sql`select * from users`).toHaveLength(0)
    expect((await first.post(path, account)).headers.location).toBe('/')
    // signed in, and asked for a second factor before anything else (control A9)
    for (const page of ['/', '/account', '/account/password', '/account/data']) {
      const { status, headers } = await first.get(page)
      expect([page, status, headers.location?.split('?')[0]]).toEqual([page, 302, '/account/security'])
    }
    expect((await first.get('/account/security')).text).toContain('Protect your account first')

    const second = visitConsole(fresh.baseUrl)
    await second.get(path)
    const late = await second.post(path, { ...account, email: 'second@example.org' })
    expect(late.status).toBe(403)
    expect(late.text).toContain('This set-up link was used or is too old.')
    expect(await fresh.deps.sql`select role from users`).toEqual([{ role: 'admin' }])
  })
})

describe('/trpc with the cookie of the console', () => {
  const cookieOf = ({ cookies }: ConsoleVisitor) => [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  const call = (procedure: string, { headers = {}, body }: { headers?: Record<string, string>; body?: unknown } = {}) =>
    ask(app.baseUrl, `/trpc/${procedure}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { cookie: cookieOf(visitor), ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(JSON.stringify(body).length) }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })

  test('reads with the cookie alone, but not for another site', async () => {
    expect((await call('users.me')).body.result.data.email).toBe(moderator.email)
    expect((await call('users.me', { headers: { 'sec-fetch-site': 'cross-site' } })).status).toBe(401)
  })

  test('changes something only with the token as well', async () => {
    const torrentId = await offer()
    await visitor.get('/')
    const fromHere = { 'sec-fetch-site': 'same-origin', origin: app.baseUrl }
    const before = await everything()
    const refused: Record<string, string>[] = [
      fromHere,
      { ...fromHere, 'x-csrf-token': 'x' },
      { 'x-csrf-token': visitor.token(), 'sec-fetch-site': 'cross-site', origin: app.baseUrl },
      { 'x-csrf-token': visitor.token(), 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' },
    ]
    for (const headers of refused) expect((await call('moderation.approve', { headers, body: { torrentId } })).status).toBe(403)
    expect(await everything()).toEqual(before)
    expect((await call('moderation.approve', { headers: { ...fromHere, 'x-csrf-token': visitor.token() }, body: { torrentId } })).status).toBe(200)
    expect(await stateOf(torrentId)).toMatchObject({ state: 'approved' })
  })

  test('a bearer token counts instead of the cookie', async () => {
    const { token, email } = await app.as.user()
    expect((await call('users.me', { headers: { authorization: `Bearer ${token}` } })).body.result.data.email).toBe(email)
    expect((await call('users.me', { headers: { authorization: 'Bearer nonsense' } })).status).toBe(401)
  })

  test('REST does not look at cookies', async () => {
    expect((await ask(app.baseUrl, '/api/v1/users/me', { headers: { cookie: cookieOf(visitor) } })).status).toBe(401)
  })
})
