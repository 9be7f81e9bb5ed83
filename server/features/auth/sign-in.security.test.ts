import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createPasswords, type Passwords } from '../../kit/passwords.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import type { Person } from '../../test/actors.ts'
import { visitConsole } from '../../test/console-visitor.ts'
import { rowIdOf } from './lucia.ts'

let app: TestApp
let person: Person
let now = new Date('2026-05-01T12:00:00Z')
beforeAll(async () => {
  app = await startTestApp({ settings: { RATE_LIMIT_FACTOR: '100' }, overrides: { now: () => now } })
  person = await app.as.user()
})
afterAll(() => app[Symbol.asyncDispose]())

const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>
const signIn = (more: object = {}, headers: Record<string, string> = {}) => app.call('POST', '/auth/sign-in', { headers, body: { email: person.email, password: person.password, ...more } })
const rows = () => app.deps.sql`select * from sessions order by created_at, id`
const failures = async () => (await app.deps.sql<{ n: number }[]>`select coalesce(sum(failures), 0)::int as n from guess_throttles`)[0]?.n ?? 0
const ownerSql = async <T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T> => {
  const sql = postgres(app.database.urls.owner, { max: 1 })
  return work(sql).finally(() => sql.end())
}
const sessions = async () => (await app.deps.sql<{ id: string; public_id: string }[]>`select id, public_id from sessions`)

describe('a session has an id that nobody chose before', () => {
  test.each([
    ['a session id', { sessionId: '11111111-1111-4111-8111-111111111111' }, 'sessionId'],
    ['a public id', { publicId: '11111111-1111-4111-8111-111111111111' }, 'publicId'],
    ['a refresh token', { refreshToken: 'tsr_mine' }, 'refreshToken'],
    ['a device id', { device: { name: 'x', platform: 'ios', id: '11111111-1111-4111-8111-111111111111' } }, 'device.id'],
    ['a role', { role: 'admin' }, 'role'],
    ['a verified address', { emailVerified: true }, 'emailVerified'],
    ['an authentication time', { authenticatedAt: '2026-05-01T12:00:00Z' }, 'authenticatedAt'],
  ])('sign-in takes no %s', async (_what, more, field) => {
    const before = await rows()
    const { status, body } = await signIn(more)
    expect([status, body.code, body.errors[0].path]).toEqual([422, 'unknown_field', field])
    expect(await rows()).toEqual(before)
  })

  test.each(['cookie', 'x-session-id', 'authorization'])('nor one in %s: the new one is new, and the old stays its own', async (header) => {
    const old = claimsOf(person.token)['sid'] as string
    const planted = header === 'authorization' ? `Bearer ${person.token}` : header === 'cookie' ? `session=${old}; console=${'a'.repeat(40)}` : old
    const { status, body } = await signIn({}, { [header]: planted })
    expect(status).toBe(200)
    const { sid, sub } = claimsOf(body.tokens.accessToken)
    expect(sub).toBe(person.userId)
    expect(sid).not.toBe(old)
    expect((await sessions()).filter(({ public_id: id }) => id === sid || id === old)).toHaveLength(2)
    expect((await sessions()).map(({ id }) => id)).not.toContain(rowIdOf('a'.repeat(40)))
    expect(body.tokens.refreshToken).not.toBe(person.refreshToken)
  })

  test('two sign-ins of one person at once have nothing in common', async () => {
    const [one, other] = await Promise.all([signIn(), signIn()])
    const factsOf = ({ body }: typeof one): Record<string, unknown> => ({ ...claimsOf(body.tokens.accessToken), refreshToken: body.tokens.refreshToken, deviceToken: body.deviceToken })
    const [a, b] = [factsOf(one), factsOf(other)]
    for (const field of ['sid', 'jti', 'refreshToken', 'deviceToken']) expect(a[field], field).not.toBe(b[field])
  })
})

describe('what happens while a password is looked at', () => {
  test.each([
    ['a change of the password', (id: string) => app.deps.sql`update users set password_hash = password_hash || 'x' where id = ${id}`],
    ['a ban', (id: string) => app.deps.sql`update users set banned_at = now() where id = ${id}`],
  ])('%s wins: no session begins by what was right before it', async (_what, change) => {
    const victim = await app.as.user()
    const real = createPasswords()
    const passwords: Passwords = {
      ...real,
      matches: async (hash, password) => {
        const right = await real.matches(hash, password)
        await change(victim.userId)
        return right
      },
    }
    await using racing = await startTestApp({ database: app.database, dataDir: app.dataDir, settings: { RATE_LIMIT_FACTOR: '100' }, overrides: { now: () => now, passwords } })
    const before = [await rows(), await failures()]
    const { status, body } = await racing.call('POST', '/auth/sign-in', { body: { email: victim.email, password: victim.password } })
    expect([status, body.code]).toEqual([401, 'invalid_credentials'])
    // what was not committed forgives nothing
    expect([await rows(), await failures()]).toEqual([before[0], (before[1] as number) + 1])
  })

  test('a second factor that is being added is asked for, once it is there', async () => {
    const victim = await app.as.user()
    const held = Promise.withResolvers<void>()
    const adding = app.deps.sql.begin(async (tx) => {
      await tx`select 1 from users where id = ${victim.userId} for no key update`
      held.resolve()
      await vi.waitFor(async () => expect(await app.deps.sql`select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`).toHaveLength(1), { timeout: 10_000, interval: 20 })
      await tx`insert into totp_factors (id, user_id, secret_sealed, created_at, confirmed_at) values (gen_random_uuid(), ${victim.userId}, '\\x00', now(), now())`
    })
    await held.promise
    const before = await rows()
    const [{ status, body }] = await Promise.all([app.call('POST', '/auth/sign-in', { body: { email: victim.email, password: victim.password } }), adding])
    expect([status, body.status, body.tokens]).toEqual([200, 'mfa_required', null])
    expect(await rows()).toEqual(before)
  })
})

describe('a right password', () => {
  const device = { name: 'Pixel 9', platform: 'android' }

  test('costs no try: signing in, asked for a second factor, banned, or without access to the console', async () => {
    const [banned, staff] = [await app.as.user(), await app.as.moderator()]
    await app.deps.sql`update users set banned_at = now() where id = ${banned.userId}`
    const before = await failures()
    const answers = [await signIn(), await signIn({ email: staff.email, password: staff.password }), await signIn({ email: banned.email, password: banned.password }), await visitConsole(app.baseUrl).signIn(person)]
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 403, 403])
    expect(await failures()).toBe(before)
  })

  test('is forgiven when the session is there, not before', async () => {
    const before = await failures()
    await ownerSql((sql) => sql`alter table refresh_tokens add constraint none check (created_at is null) not valid`)
    const count = (await rows()).length
    expect((await signIn()).status).toBe(500)
    await ownerSql((sql) => sql`alter table refresh_tokens drop constraint none`)
    expect([(await rows()).length, await failures()]).toEqual([count, before + 1])
    expect((await signIn()).status).toBe(200)
  })

  test.each([
    ['a known device', true, 12],
    ['a new device', false, 14],
  ])('on %s is sent to the database in few statements, the account looked up once', async (_what, known, statements) => {
    const { body } = await signIn({ device })
    const sent: string[] = []
    const options = app.deps.sql.options as { debug?: unknown }
    options.debug = (_connection: number, text: string) => void (text.includes('pg_notify') || sent.push(text))
    const { status } = await signIn({ device: { ...device, ...(known ? { token: body.deviceToken as string } : {}) } })
    options.debug = undefined
    expect(status).toBe(200)
    expect(sent.filter((text) => text.includes('u.email_lookup = $'))).toHaveLength(1)
    // docs/decisions/0030-what-each-part-of-a-sign-in-costs.md names them
    expect(sent).toHaveLength(statements)
  })
})

describe('clock edges at sign-in', () => {
  test.each(['2026-12-31T23:59:59.999Z', '2028-02-29T12:00:00.500Z', '2026-03-29T01:00:00.000Z'])('what begins at %s is good from that moment', async (moment) => {
    now = new Date(moment)
    const { body } = await signIn()
    const { iat, nbf, exp, auth_time: authTime } = claimsOf(body.tokens.accessToken) as Record<string, number>
    expect([iat, nbf, authTime]).toEqual(Array(3).fill(Math.floor(now.getTime() / 1000)))
    expect(exp).toBe((iat ?? 0) + 15 * 60)
    expect((await app.call('GET', '/users/me', { token: body.tokens.accessToken })).status).toBe(200)
    expect(new Date(body.tokens.refreshTokenExpiresAt).getTime()).toBe(now.getTime() + 30 * 86_400_000)
  })

  test('a clock that goes back neither opens a delay early nor breaks the count', async () => {
    const victim = await app.as.user()
    const guess = () => app.call('POST', '/auth/sign-in', { body: { email: victim.email, password: 'wrong' } })
    for (let i = 0; i < 3; i += 1) expect((await guess()).status).toBe(401)
    now = new Date(now.getTime() - 3_600_000)
    for (let i = 0; i < 2; i += 1) expect((await guess()).status).toBe(401)
    const { status, headers } = await guess()
    expect([status, headers.get('retry-after')]).toEqual([429, '15'])
  })
})
