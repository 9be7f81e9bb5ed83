import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../test/app.ts'
import type { Person } from '../test/actors.ts'
import { standingClock } from '../test/clock.ts'
import { visitConsole } from '../test/console-visitor.ts'

let app: TestApp
let moderator: Person
const { now, later, set } = standingClock()
beforeAll(async () => {
  app = await startTestApp({ settings: { RATE_LIMIT_FACTOR: '100' }, overrides: { now } })
  moderator = await app.as.moderator()
})
afterAll(() => app[Symbol.asyncDispose]())
beforeEach(() => set(new Date()))
const consoleSessions = () => app.deps.sql`select id, expires_at, ended_at from sessions where kind = 'console' order by created_at`
const isSessionCookie = (name: string) => /^(__Host-)?console-[0-9a-f]{8}$/.test(name)

describe('cookies (control B4)', () => {
  test('on loopback they have plain names, are not secure, and scripts cannot read them', async () => {
    const visitor = visitConsole(app.baseUrl)
    await visitor.signIn(moderator)
    expect(visitor.setCookies).toEqual([
      expect.stringMatching(/^visitor-[0-9a-f]{8}=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/),
      expect.stringMatching(/^console-[0-9a-f]{8}=[a-z2-7]{40}; Path=\/; HttpOnly; SameSite=Lax$/),
      expect.stringMatching(/^visitor-[0-9a-f]{8}=; Path=\/; HttpOnly; SameSite=Lax; Max-Age=0$/),
      expect.stringMatching(/^device-[0-9a-f]{8}=tsd_[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=34560000$/),
    ])
  })

  test('behind HTTPS they are __Host- and Secure', async () => {
    const home = await mkdtemp(join(tmpdir(), 'console-'))
    await writeFile(join(home, 'operator.key'), randomBytes(32).toString('hex'), { mode: 0o600 })
    {
      await using online = await startTestApp({ dataDir: home, settings: { KEYS_DIR: home, PUBLIC_URL: 'https://tv.example.org', TRUSTED_PROXIES: '127.0.0.1', RATE_LIMIT_FACTOR: '100' } })
      const password = 'a long enough passphrase 41'
      await online.deps.db.transaction(async (tx) => {
        const { insertUser } = await import('../features/users/users.ts')
        await insertUser(online.deps, tx, { email: 'm@example.org', name: null, locale: 'en', role: 'moderator', passwordHash: await online.deps.passwords.hash(password) })
      })
      const visitor = visitConsole(online.baseUrl, { host: 'tv.example.org', 'x-forwarded-proto': 'https' })
      expect((await visitor.signIn({ email: 'm@example.org', password })).status).toBe(302)
      expect(visitor.setCookies).toHaveLength(4)
      for (const line of visitor.setCookies) expect(line).toMatch(/^__Host-(visitor|console|device)-[0-9a-f]{8}=[\w-]*; Path=\/; HttpOnly; SameSite=Lax; Secure(; Max-Age=(0|34560000))?$/)
    }
    await rm(home, { recursive: true, force: true })
  })

  test('another instance on this host has names of its own', async () => {
    await using other = await startTestApp()
    const [here, there] = [visitConsole(app.baseUrl), visitConsole(other.baseUrl)]
    await here.get('/sign-in')
    await there.get('/sign-in')
    expect([...here.cookies.keys()]).not.toEqual([...there.cookies.keys()])
  })

  test('a session is never fixed by a cookie planted before, and the visit before it is over', async () => {
    const visitor = visitConsole(app.baseUrl)
    await visitor.signIn(moderator)
    const [name = ''] = [...visitor.cookies.keys()].filter(isSessionCookie)
    const planted = 'a'.repeat(40)
    const victim = visitConsole(app.baseUrl)
    victim.cookies.set(name, planted)
    await victim.get('/sign-in')
    const tokenBefore = victim.token()
    await victim.signIn(moderator)
    expect(victim.cookies.get(name)).not.toBe(planted)
    expect(victim.token()).not.toBe(tokenBefore)
    expect((await victim.post('/sign-out', { csrf: tokenBefore })).status).toBe(403)
    expect((await victim.get('/')).status).toBe(200)
  })

  test('signing in again makes a new session and ends the old one', async () => {
    const visitor = visitConsole(app.baseUrl)
    await visitor.signIn(moderator)
    const first = new Map(visitor.cookies)
    const again = await visitor.proveFactor(await visitor.post('/sign-in', { email: moderator.email, password: moderator.password }), moderator)
    expect(again.status).toBe(302)
    expect(visitor.cookies).not.toEqual(first)
    const stale = visitConsole(app.baseUrl)
    for (const [name, value] of first) stale.cookies.set(name, value)
    expect((await stale.get('/')).status).toBe(302)
  })
})

describe('a session (control A4)', () => {
  test('ends after half an hour without use, and use extends it', async () => {
    const visitor = visitConsole(app.baseUrl)
    await visitor.signIn(moderator)
    later({ minutes: 25 })
    expect((await visitor.get('/')).status).toBe(200)
    later({ minutes: 25 })
    expect((await visitor.get('/')).status).toBe(200)
    later({ minutes: 31 })
    expect((await visitor.get('/')).headers.location).toBe('/sign-in')
  })

  test('ends after twelve hours whatever its use', async () => {
    const visitor = visitConsole(app.baseUrl)
    await visitor.signIn(moderator)
    for (let minutes = 20; minutes < 720; minutes += 20) {
      later({ minutes: 20 })
      expect((await visitor.get('/')).status).toBe(200)
    }
    later({ minutes: 21 })
    expect((await visitor.get('/')).status).toBe(302)
  })

  test('keeps its cookie when use extends it: what Lucia calls its id is a hash', async () => {
    const visitor = visitConsole(app.baseUrl)
    await visitor.signIn(moderator)
    const before = visitor.setCookies.length
    later({ minutes: 20 })
    await visitor.get('/')
    expect(visitor.setCookies).toHaveLength(before)
    const stored = (await consoleSessions()).map(({ id }) => String(id))
    for (const value of visitor.cookies.values()) expect(stored).not.toContain(value)
  })

  test('ends on the server at sign-out, not only in the browser', async () => {
    const visitor = visitConsole(app.baseUrl)
    await visitor.signIn(moderator)
    const kept = visitConsole(app.baseUrl)
    for (const [name, value] of visitor.cookies) kept.cookies.set(name, value)
    const answer = await visitor.post('/sign-out', {})
    expect([answer.status, answer.headers.location]).toEqual([302, '/sign-in?signed-out'])
    expect([...visitor.cookies.keys()].filter(isSessionCookie)).toEqual([])
    expect((await kept.get('/')).status).toBe(302)
  })

  test('ends with a ban', async () => {
    const banned = await app.as.moderator()
    const visitor = visitConsole(app.baseUrl)
    await visitor.signIn(banned)
    const { token } = await app.as.admin()
    expect((await app.call('POST', `/admin/users/${banned.userId}/ban`, { token, body: { reason: 'test' } })).status).toBe(204)
    expect((await visitor.get('/')).status).toBe(302)
  })

  test('is not signed out by a link', async () => {
    const visitor = visitConsole(app.baseUrl)
    await visitor.signIn(moderator)
    expect((await visitor.get('/sign-out')).headers.location).toBe('/')
    expect((await visitor.get('/')).status).toBe(200)
  })
})

describe('signing in', () => {
  test.each([
    ['a wrong password', () => ({ email: moderator.email, password: 'wrong' }), 401, 'The e-mail address or the password is wrong.'],
    ['an unknown address', () => ({ email: 'nobody@example.org', password: moderator.password }), 401, 'The e-mail address or the password is wrong.'],
    ['what is no address', () => ({ email: 'x', password: 'y' }), 422, 'Look at the marked fields.'],
    ['nothing', () => ({ email: '', password: '' }), 422, 'Look at the marked fields.'],
  ])('is refused for %s, and the address stays in its field', async (_what, given, status, says) => {
    const before = await consoleSessions()
    const visitor = visitConsole(app.baseUrl)
    const answer = await visitor.signIn(given())
    expect(answer.status).toBe(status)
    expect(answer.text).toContain(says)
    if (given().email) expect(answer.text).toContain(`value="${given().email}"`)
    expect(answer.text).not.toContain(moderator.password)
    expect(await consoleSessions()).toEqual(before)
  })

  test('is refused for a viewer, whose account has no access', async () => {
    const before = await consoleSessions()
    const visitor = visitConsole(app.baseUrl)
    const answer = await visitor.signIn(await app.as.user())
    expect(answer.status).toBe(403)
    expect(answer.text).toContain('This account has no access to the console.')
    expect([...visitor.cookies.keys()].filter(isSessionCookie)).toEqual([])
    expect(await consoleSessions()).toEqual(before)
  })

  test.each([
    ['/titles?state=approved', '/titles?state=approved'],
    ['//evil.example', '/'],
    ['https://evil.example/', '/'],
    ['/\\evil.example', '/'],
    ['/sign-out', '/'],
  ])('with next=%s leads to %s (control B5)', async (next, location) => {
    const visitor = visitConsole(app.baseUrl)
    await visitor.get(`/sign-in?next=${encodeURIComponent(next)}`)
    const { email, password } = moderator
    const answer = await visitor.proveFactor(await visitor.post('/sign-in', { email, password, next }), moderator)
    expect([answer.status, answer.headers.location]).toEqual([302, location])
    expect((await visitor.get(`/sign-in?next=${encodeURIComponent(next)}`)).headers.location).toBe(location)
  })

  test('is asked for by pages, which then are come back to', async () => {
    const visitor = visitConsole(app.baseUrl)
    expect((await visitor.get('/')).headers.location).toBe('/sign-in')
    const { location = '' } = (await visitor.get('/titles?state=rejected')).headers
    expect(location).toBe('/sign-in?next=%2Ftitles%3Fstate%3Drejected')
    expect((await visitor.get(location)).text).toContain('name="next" value="/titles?state=rejected"')
  })

  test('tries are limited by address', async () => {
    await using strict = await startTestApp()
    const visitor = visitConsole(strict.baseUrl)
    await visitor.get('/sign-in')
    let last = 0
    for (let tries = 0; tries < 40 && last !== 429; tries += 1) last = (await visitor.post('/sign-in', { email: 'a@example.org', password: 'x' })).status
    expect(last).toBe(429)
  })
})
