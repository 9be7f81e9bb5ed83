import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Person } from '../test/actors.ts'
import { startTestApp, type TestApp } from '../test/app.ts'
import { ask, type RawAnswer } from '../test/raw-http.ts'

let app: TestApp
let user: Person
let moderator: Person
beforeAll(async () => {
  app = await startTestApp({ settings: { RATE_LIMIT_FACTOR: '100' } })
  user = await app.as.user()
  moderator = await app.as.moderator()
})
afterAll(() => app[Symbol.asyncDispose]())

const json = { 'content-type': 'application/json' }
const mutate = (path: string, input: unknown, headers: Record<string, string> = {}): Promise<RawAnswer> => ask(app.baseUrl, `/trpc/${path}`, { method: 'POST', headers: { ...json, ...headers }, body: JSON.stringify(input) })
const query = (path: string, headers: Record<string, string> = {}): Promise<RawAnswer> => ask(app.baseUrl, `/trpc/${path}`, { headers })
const bearer = ({ token }: Person) => ({ authorization: `Bearer ${token}` })

describe('the same router as REST', () => {
  test('a query and a mutation', async () => {
    expect(await query('users.me', bearer(user))).toMatchObject({ status: 200, body: { result: { data: { id: user.userId, email: user.email } } } })
    expect(await mutate('auth.signIn', { email: user.email, password: user.password })).toMatchObject({ status: 200, body: { result: { data: { status: 'signed_in' } } } })
  })

  test('what REST does not expose is here, with its permission', async () => {
    expect(await mutate('auth.completeSetUp', { token: 'x', email: 'a@example.org', password: 'a long and odd passphrase 9' })).toMatchObject({ status: 403, body: { error: { data: { code: 'setup_link_ended' } } } })
  })

  test('a mutation cannot be called by GET, where a link could do it', async () => {
    const before = await app.deps.sql`select 1 from sessions where ended_at is not null`
    const answer = await query('auth.signOut', bearer(user))
    expect([answer.status, answer.body.error.data.code]).toEqual([405, 'method_not_allowed'])
    expect(await app.deps.sql`select 1 from sessions where ended_at is not null`).toHaveLength(before.length)
  })
})

describe('errors', () => {
  const problemIn = ({ body }: RawAnswer) => body.error.data
  test.each<[string, () => Promise<RawAnswer>, number, string]>([
    ['no such procedure', () => query('no.such'), 404, 'not_found'],
    ['not signed in', () => query('users.me'), 401, 'access_token_missing'],
    ['a bad token', () => query('users.me', { authorization: 'Bearer x' }), 401, 'access_token_invalid'],
    ['no permission', () => query('moderation.list', bearer(user)), 403, 'permission_denied'],
    ['not there', () => query(`catalogue.details?input=${encodeURIComponent(JSON.stringify({ torrentId: randomUUID() }))}`, bearer(user)), 404, 'not_found'],
    ['a wrong field', () => mutate('auth.signIn', { email: 5, password: 'x' }), 422, 'validation_failed'],
    ['an unknown field', () => mutate('auth.signIn', { email: 'a@example.org', password: 'x', extra: 1 }), 422, 'unknown_field'],
    ['no JSON', () => ask(app.baseUrl, '/trpc/auth.signIn', { method: 'POST', headers: json, body: '{' }), 400, 'malformed'],
    ['no JSON in the query', () => query('catalogue.latest?input={', bearer(user)), 400, 'malformed'],
    ['a wrong password', () => mutate('auth.signIn', { email: user.email, password: 'wrong' }), 401, 'invalid_credentials'],
  ])('%s: the problem document of REST, and its status', async (_what, call, status, code) => {
    const answer = await call()
    expect(answer.status, answer.text).toBe(status)
    expect(problemIn(answer)).toMatchObject({ status, code, type: 'about:blank', httpStatus: status })
    expect(answer.text).not.toMatch(/"stack"|node_modules|\.ts:|zod|TRPC/i)
    expect(problemIn(answer).instance).toBe(answer.headers['x-request-id'])
  })

  test('what nobody foresaw tells nothing, over both transports', async () => {
    const mark = 'MARK-internal'
    const broken = await startTestApp({
      database: app.database,
      dataDir: app.dataDir,
      overrides: { passwords: { hash: () => Promise.reject(new Error(`select 1 from ${mark}`)), matches: () => Promise.reject(new Error(`select 1 from ${mark}`)), outdated: () => false } },
    })
    try {
      const body = JSON.stringify({ email: user.email, password: user.password })
      for (const path of ['/trpc/auth.signIn', '/api/v1/auth/sign-in', '/trpc/auth.signIn,auth.signIn?batch=1']) {
        const answer = await ask(broken.baseUrl, path, { method: 'POST', headers: json, body: path.includes('batch') ? `{"0":${body},"1":${body}}` : body })
        expect(answer.text).toContain('"code":"internal"')
        expect(answer.text).not.toMatch(/MARK|select|stack|node_modules/)
        expect(answer.status).toBe(500)
      }
      // whoever runs it is told
      expect(broken.logLines.filter(({ severity }) => severity === 'error').map((line) => JSON.stringify(line))).toEqual(Array.from({ length: 4 }, () => expect.stringContaining(mark)))
    } finally {
      await broken[Symbol.asyncDispose]()
    }
  })
})

describe('batches', () => {
  test('each call is authorised by itself', async () => {
    const { status, body } = await query('server.info,users.me,moderation.list?batch=1&input={}', bearer(user))
    expect(status).toBe(207)
    expect(body.map((one: { result?: unknown; error?: { data: { code: string } } }) => one.error?.data.code ?? 'ok')).toEqual(['ok', 'ok', 'permission_denied'])
  })

  test('twenty are taken, one more is refused and none of them done', async () => {
    const names = (count: number) => Array.from({ length: count }, () => 'server.info').join(',')
    const { status, body } = await query(`${names(20)}?batch=1&input={}`)
    expect([status, body.length]).toEqual([200, 20])
    for (const path of [names(21), names(21).replaceAll(',', '%2C'), `${names(20)},`]) {
      expect(await query(`${path}?batch=1&input={}`)).toMatchObject({ status: 400, body: { code: 'malformed' } })
    }
    const before = await app.deps.sql`select 1 from audit_log`
    const many = Object.fromEntries(Array.from({ length: 21 }, (_, i) => [i, { email: user.email, password: 'guess' }]))
    expect((await ask(app.baseUrl, `/trpc/${Array.from({ length: 21 }, () => 'auth.signIn').join(',')}?batch=1`, { method: 'POST', headers: json, body: JSON.stringify(many) })).status).toBe(400)
    expect(await app.deps.sql`select 1 from audit_log`).toHaveLength(before.length)
  })

  test('a ban in a batch is the moderator’s alone', async () => {
    const victim = await app.as.user()
    const body = JSON.stringify({ 0: { userId: victim.userId, reason: 'x' }, 1: { email: 'nobody@example.org', password: 'x' } })
    const banned = async () => (await app.deps.sql`select 1 from users where banned_at is not null`).length
    const call = (person: Person) => ask(app.baseUrl, '/trpc/users.ban,auth.signIn?batch=1', { method: 'POST', headers: { ...json, ...bearer(person) }, body })
    expect((await call(user)).body[0].error.data.code).toBe('permission_denied')
    expect(await banned()).toBe(0)
    expect((await call(moderator)).body).toMatchObject([{ result: {} }, { error: { data: { code: 'invalid_credentials' } } }])
    expect(await banned()).toBe(1)
  })
})

describe('values are not coerced', () => {
  test.each([{ limit: '5' }, { limit: true }, { limit: null }, { timeframe: 1 }])('%j', async (input) => {
    const answer = await query(`catalogue.latest?input=${encodeURIComponent(JSON.stringify(input))}`, bearer(user))
    expect([answer.status, answer.body.error.data.code]).toEqual([422, 'validation_failed'])
  })
})
