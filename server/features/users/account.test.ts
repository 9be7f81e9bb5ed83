import { and, eq } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { sessions } from '../../../db/schema/index.ts'
import { testPassword, type Person } from '../../test/actors.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { visitConsole } from '../../test/console-visitor.ts'
import { mailTo } from '../../test/mails.ts'
import { sessionOf } from '../../test/session-of.ts'

let app: TestApp
let now = new Date()
beforeAll(async () => {
  app = await startTestApp({ jobs: true, settings: { RATE_LIMIT_FACTOR: '100' }, overrides: { now: () => now } })
})
afterAll(() => app[Symbol.asyncDispose]())
beforeEach(() => {
  now = new Date()
})
const later = (minutes: number) => (now = new Date(now.getTime() + minutes * 60_000))
const newPassword = 'another long passphrase 12'
const me = async ({ token }: { token: string }) => {
  const { status, body } = await app.call('GET', '/users/me', { token })
  return status === 200 ? 'in' : (body.code as string)
}
const signIn = (email: string, password: string) => app.call('POST', '/auth/sign-in', { body: { email, password } })
const rowOf = async ({ userId }: Person) => JSON.stringify(await app.deps.sql`select * from users where id = ${userId}`)
const sessionsOf = async ({ token }: { token: string }) => (await app.call('GET', '/users/me/sessions', { token })).body.items as { id: string; current: boolean; lastSeenAt: string }[]

describe('profile', () => {
  test('name and language are changed, alone and together, and audited without their values', async () => {
    const person = await app.as.user()
    const { status, body } = await app.call('PATCH', '/users/me', { token: person.token, body: { name: 'Ann Autumn', locale: 'fr' } })
    expect([status, body.name, body.locale]).toEqual([200, 'Ann Autumn', 'fr'])
    expect((await app.call('PATCH', '/users/me', { token: person.token, body: { name: null } })).body).toEqual({ ...body, name: null })
    const rows = await app.deps.sql`select details from audit_log where action = 'user.update' and target_id = (select pseudonym::text from users where id = ${person.userId}) order by id`
    expect(rows.map(({ details }) => details as unknown)).toEqual([{ fields: ['name', 'locale'] }, { fields: ['name'] }])
  })

  test.each([
    ['role', 'admin', 'unknown_field'],
    ['email', 'x@example.org', 'unknown_field'],
    ['emailVerified', true, 'unknown_field'],
    ['bannedAt', null, 'unknown_field'],
    ['passwordHash', 'x', 'unknown_field'],
    ['locale', 'de', 'validation_failed'],
    ['name', 'a\u0000b', 'validation_failed'],
  ])('%s = %j is refused, and nothing changed', async (field, value, code) => {
    const person = await app.as.user()
    const before = await rowOf(person)
    const extra = code === 'unknown_field' ? { name: 'Ann' } : {}
    const { status, body } = await app.call('PATCH', '/users/me', { token: person.token, body: { ...extra, [field]: value } })
    expect([status, body.code, body.errors[0].path]).toEqual([422, code, field])
    expect(await rowOf(person)).toBe(before)
  })

  test('nothing to change is told', async () => {
    expect((await app.call('PATCH', '/users/me', { token: (await app.as.user()).token, body: {} })).body.code).toBe('validation_failed')
  })
})

describe('change of password', () => {
  const change = (person: Person, currentPassword: string, wanted: string) => app.call('POST', '/auth/change-password', { token: person.token, body: { currentPassword, newPassword: wanted } })

  test('ends the other sessions and keeps the one that asked; the old password is dead; a mail says so', async () => {
    const person = await app.as.user()
    const elsewhere = await app.as.userAgain(person)
    expect((await change(person, testPassword, newPassword)).status).toBe(204)
    await expect.poll(() => me(elsewhere), { timeout: 1_000 }).toBe('session_ended')
    expect((await app.call('POST', '/auth/refresh', { body: { refreshToken: elsewhere.refreshToken } })).body.code).toBe('refresh_token_revoked')
    expect(await me(person)).toBe('in')
    expect((await signIn(person.email, testPassword)).body.code).toBe('invalid_credentials')
    expect((await signIn(person.email, newPassword)).status).toBe(200)
    const [ended] = await app.deps.sql`select count(*)::int as n from sessions where user_id = ${person.userId} and end_reason = 'password_change'`
    expect(ended?.['n']).toBe(1)
    await mailTo(app.dataDir, person.email, 'Your password was changed')
  })

  test('a wrong current password is a guess: refused, audited, and nothing changed', async () => {
    const person = await app.as.user()
    const elsewhere = await app.as.userAgain(person)
    const before = await rowOf(person)
    const { status, body } = await change(person, 'not the password', newPassword)
    expect([status, body.code]).toEqual([403, 'current_password_wrong'])
    expect([await rowOf(person), await me(elsewhere)]).toEqual([before, 'in'])
    expect(await app.deps.sql`select 1 from audit_log where action = 'user.password_refused' and target_id = (select pseudonym::text from users where id = ${person.userId})`).toHaveLength(1)
  })

  test.each([['too short', 'Ab1!xyz'], ['common', 'password123456'], ['too long', 'x'.repeat(129)]])('a weak new one is refused by its field: %s', async (_why, weak) => {
    const person = await app.as.user()
    const before = await rowOf(person)
    const { status, body } = await change(person, testPassword, weak)
    expect([status, body.errors[0].path]).toEqual([422, 'newPassword'])
    expect(await rowOf(person)).toBe(before)
  })

  test('of ten changes at the same time one wins, and its password is the password', async () => {
    const person = await app.as.user()
    const wanted = Array.from({ length: 10 }, (_, i) => `another long passphrase ${i}${i}`)
    const answers = await Promise.all(wanted.map((password) => change(person, testPassword, password)))
    const won = wanted.filter((_, i) => answers[i]?.status === 204)
    expect(won).toHaveLength(1)
    // the others compared with the old one and came too late, or came after and compared with the new one
    for (const { status, body } of answers) if (status !== 204) expect(`${status} ${body.code}`).toMatch(/^(409 password_changed|403 current_password_wrong|429 rate_limited)$/)
    expect((await signIn(person.email, testPassword)).status).toBe(401)
    expect((await signIn(person.email, won[0] ?? '')).status).toBe(200)
  })
})

describe('own sessions (control A12)', () => {
  test('are listed with device, methods, network and times, the newest first, and nothing else', async () => {
    const person = await app.as.user()
    later(1)
    const { body } = await app.call('POST', '/auth/sign-in', { body: { email: person.email, password: person.password, device: { name: 'Pixel 9', platform: 'android' } } })
    const { status, body: page } = await app.call('GET', '/users/me/sessions', { token: body.tokens.accessToken })
    expect(status).toBe(200)
    expect(page.items.map(({ current, deviceName }: { current: boolean; deviceName: string | null }) => [current, deviceName])).toEqual([[true, 'Pixel 9'], [false, null]])
    expect(page.items[0]).toEqual({
      id: expect.stringMatching(/^[\w-]{36}$/), kind: 'app', current: true, deviceName: 'Pixel 9', devicePlatform: 'android', methods: ['password'],
      createdAt: now.toISOString(), lastSeenAt: now.toISOString(), network: expect.stringMatching(/^127\.0\.0\.0\/24$|^::/),
    })
    const first = await app.call('GET', '/users/me/sessions?limit=1', { token: person.token })
    const second = await app.call('GET', `/users/me/sessions?limit=1&cursor=${first.body.nextCursor}`, { token: person.token })
    expect([first.body.items[0].id, second.body.items[0].id, second.body.nextCursor]).toEqual([page.items[0].id, page.items[1].id, null])
  })

  test('one is revoked with its tokens; another’s answers 404 like none, and lives on', async () => {
    const [person, stranger] = [await app.as.user(), await app.as.user()]
    const phone = await app.as.userAgain(person)
    const [theirs, own] = [(await sessionsOf(stranger))[0]?.id, (await sessionsOf(phone)).find(({ current }) => current)?.id]
    const revoke = (id: string | undefined) => app.call('DELETE', `/users/me/sessions/${id}`, { token: person.token })
    expect([(await revoke(theirs)).status, (await revoke(crypto.randomUUID())).status, await me(stranger)]).toEqual([404, 404, 'in'])
    expect((await revoke(own)).status).toBe(204)
    await expect.poll(() => me(phone), { timeout: 1_000 }).toBe('session_ended')
    expect((await app.call('POST', '/auth/refresh', { body: { refreshToken: phone.refreshToken } })).body.code).toBe('refresh_token_revoked')
    expect([await me(person), (await revoke(own)).status, await sessionsOf(person)]).toEqual(['in', 404, [expect.objectContaining({ current: true })]])
  })

  test('all others are ended at once, with their tokens and streams, each announced; this one and other people’s live on', async () => {
    const [person, stranger] = [await app.as.user(), await app.as.user()]
    const others = [await app.as.userAgain(person), await app.as.userAgain(person), await app.as.userAgain(person)]
    const { sql } = app.deps
    const announced: string[] = []
    const stop = app.deps.revocations.subscribe(({ kind, id }) => void (kind === 'session' && announced.push(id)))
    const { body: challenge } = await app.call('POST', '/auth/step-up/begin', { token: others[0]?.token, body: { method: 'password' } })
    const { status, body } = await app.call('DELETE', '/users/me/sessions', { token: person.token })
    stop()
    expect([status, body]).toEqual([200, { ended: 3 }])
    expect([...new Set(announced)].sort()).toEqual(others.map(sessionOf).sort())
    for (const other of others) {
      await expect.poll(() => me(other), { timeout: 1_000 }).toBe('session_ended')
      expect((await app.call('POST', '/auth/refresh', { body: { refreshToken: other.refreshToken } })).body.code).toBe('refresh_token_revoked')
    }
    expect([await me(person), await me(stranger), await sessionsOf(person)]).toEqual(['in', 'in', [expect.objectContaining({ current: true })]])
    expect(await sql`select 1 from auth_challenges where id = ${challenge.challengeId as string} and used_at is null`).toHaveLength(0)
    const rows = await sql`select action, details from audit_log where action <> 'device.add' and target_id = (select pseudonym::text from users where id = ${person.userId})`
    expect(rows).toEqual([{ action: 'session.end_others', details: { count: 3 } }])
    const devices = await sql`select s.public_id as id, d.removed_at is null as known from known_devices d join sessions s on s.device_id = d.id where d.user_id = ${person.userId} order by known`
    expect(devices.map(({ id, known }) => [id, known])).toEqual([...devices.slice(0, 3).map(({ id }) => [id, false]), [sessionOf(person), true]])
    expect((await app.call('DELETE', '/users/me/sessions', { token: person.token })).body).toEqual({ ended: 0 })
  })

  test('where two are on one device, it stays known to the one that ended the other', async () => {
    const person = await app.as.user()
    const { email, password } = person
    const device = { name: 'Pixel 9', platform: 'android' }
    const first = await app.call('POST', '/auth/sign-in', { body: { email, password, device } })
    const second = await app.call('POST', '/auth/sign-in', { body: { email, password, device: { ...device, token: first.body.deviceToken } } })
    expect(second.body.deviceToken).toBeNull()
    expect((await app.call('DELETE', '/users/me/sessions', { token: second.body.tokens.accessToken })).body).toEqual({ ended: 2 })
    expect(await app.deps.sql`select name from known_devices where user_id = ${person.userId} and removed_at is null`).toEqual([{ name: 'Pixel 9' }])
  })

  test('a revoked session’s device is known no longer', async () => {
    const person = await app.as.user()
    const { sql } = app.deps
    await sql`insert into known_devices (id, user_id, token_hash, created_at, last_seen_at) values (gen_random_uuid(), ${person.userId}, sha256(${person.userId}::text::bytea), now(), now())`
    await sql`update sessions set device_id = (select id from known_devices where user_id = ${person.userId} order by created_at desc limit 1) where user_id = ${person.userId}`
    const [session] = await sessionsOf(person)
    expect((await app.call('DELETE', `/users/me/sessions/${session?.id}`, { token: person.token })).status).toBe(204)
    expect(await sql`select 1 from known_devices where user_id = ${person.userId} and removed_at is not null`).toHaveLength(1)
  })

  test('signing out everywhere ends this one, too, and nobody else’s', async () => {
    const [person, stranger] = [await app.as.user(), await app.as.user()]
    const elsewhere = await app.as.userAgain(person)
    expect((await app.call('POST', '/auth/sign-out-everywhere', { token: person.token })).status).toBe(204)
    for (const one of [person, elsewhere]) await expect.poll(() => me(one), { timeout: 1_000 }).toBe('session_ended')
    expect(await me(stranger)).toBe('in')
  })

  test('when an app was last seen moves at its refresh, by the minute', async () => {
    const person = await app.as.user()
    const seen = async (token: string) => (await sessionsOf({ token }))[0]?.lastSeenAt
    const opened = now.toISOString()
    later(0.5)
    const early = await app.call('POST', '/auth/refresh', { body: { refreshToken: person.refreshToken } })
    expect(await seen(early.body.tokens.accessToken)).toBe(opened)
    later(10)
    const late = await app.call('POST', '/auth/refresh', { body: { refreshToken: early.body.tokens.refreshToken } })
    expect(await seen(late.body.tokens.accessToken)).toBe(now.toISOString())
    later(5)
    await me({ token: late.body.tokens.accessToken })
    expect(await seen(late.body.tokens.accessToken)).not.toBe(now.toISOString())
  })

  test('of the console at its pages, once a minute at most', async () => {
    const moderator = await app.as.moderator()
    const visitor = visitConsole(app.baseUrl)
    await visitor.signIn(moderator)
    const seen = async () => {
      const [row] = await app.deps.db.select({ at: sessions.lastSeenAt }).from(sessions).where(and(eq(sessions.userId, moderator.userId), eq(sessions.kind, 'console')))
      return row?.at.toISOString()
    }
    const opened = now.toISOString()
    later(0.9)
    await visitor.get('/')
    expect(await seen()).toBe(opened)
    later(0.2)
    await visitor.get('/')
    expect(await seen()).toBe(now.toISOString())
  })
})

describe('lives of sessions (control A4)', () => {
  test('are settings, for apps and for the console', async () => {
    const settings = { APP_SESSION_IDLE_DAYS: '2', APP_SESSION_DAYS: '3', STAFF_SESSION_IDLE_MINUTES: '4', STAFF_SESSION_HOURS: '1', RATE_LIMIT_FACTOR: '100' }
    await using short = await startTestApp({ database: app.database, dataDir: app.dataDir, settings, overrides: { now: () => now } })
    const refresh = (refreshToken: string) => short.call('POST', '/auth/refresh', { body: { refreshToken } })
    const [idle, used, moderator] = [await short.as.userAgain(await app.as.user()), await short.as.userAgain(await app.as.user()), await app.as.moderator()]
    const visitor = visitConsole(short.baseUrl)
    await visitor.signIn(moderator)
    expect((await visitor.get('/')).status).toBe(200)
    later(5)
    expect((await visitor.get('/')).status).toBe(302)

    later(1.5 * 24 * 60)
    const again = await refresh(used.refreshToken)
    expect(again.status).toBe(200)
    later(0.6 * 24 * 60)
    expect((await refresh(idle.refreshToken)).body.code).toBe('refresh_token_expired')
    later(24 * 60)
    expect((await refresh(again.body.tokens.refreshToken)).body.code).toBe('refresh_token_expired')
  })
})

describe('what staff may do to accounts', () => {
  const act = (actor: Person, what: string, userId: string, body: object = {}) => app.call('POST', `/admin/users/${userId}/${what}`, { token: actor.token, body })

  test('an unbanned person signs in again', async () => {
    const [person, moderator] = [await app.as.user(), await app.as.moderator()]
    await act(moderator, 'ban', person.userId, { reason: 'spam' })
    expect((await signIn(person.email, person.password)).body.code).toBe('account_banned')
    expect((await act(moderator, 'unban', person.userId)).status).toBe(204)
    expect((await signIn(person.email, person.password)).status).toBe(200)
    expect((await act(moderator, 'unban', person.userId)).status).toBe(404)
  })

  test('ending sessions ends them all, and bans nobody', async () => {
    const [person, moderator, admin] = [await app.as.user(), await app.as.moderator(), await app.as.admin()]
    expect((await act(moderator, 'end-sessions', person.userId)).status).toBe(204)
    await expect.poll(() => me(person), { timeout: 1_000 }).toBe('session_ended')
    expect((await signIn(person.email, person.password)).status).toBe(200)
    expect([(await act(moderator, 'end-sessions', admin.userId)).status, (await act(moderator, 'end-sessions', moderator.userId)).status, await me(admin)]).toEqual([404, 404, 'in'])
  })

  test('a role is given by admins to others, and ends the sessions that carry the old one', async () => {
    const [person, moderator, admin] = [await app.as.user(), await app.as.moderator(), await app.as.admin()]
    expect((await act(admin, 'role', person.userId, { role: 'moderator' })).status).toBe(204)
    await expect.poll(() => me(person), { timeout: 1_000 }).toBe('session_ended')
    expect((await signIn(person.email, person.password)).body.user.role).toBe('moderator')
    expect((await act(moderator, 'role', admin.userId, { role: 'user' })).status).toBe(403)
    expect((await act(admin, 'role', admin.userId, { role: 'user' })).status).toBe(404)
    expect(await app.deps.sql`select role from users where id = ${admin.userId}`).toEqual([{ role: 'admin' }])
  })

  test('of two admins who demote each other at the same time, one remains', async () => {
    for (let round = 0; round < 5; round++) {
      const [one, other] = [await app.as.admin(), await app.as.admin()]
      const answers = await Promise.all([act(one, 'role', other.userId, { role: 'user' }), act(other, 'role', one.userId, { role: 'user' })])
      expect(answers.map(({ status }) => status).sort()).toEqual([204, 401])
      expect(await app.deps.sql`select 1 from users where id in (${one.userId}, ${other.userId}) and role = 'admin'`).toHaveLength(1)
    }
  })
})

describe('step-up (control A10)', () => {
  test.each([
    ['change of password', 'POST', '/auth/change-password', { currentPassword: testPassword, newPassword }],
    ['deletion', 'DELETE', '/users/me', undefined],
    ['export', 'POST', '/users/me/export', undefined],
    ['the link of an export', 'GET', '/users/me/export', undefined],
    ['a role', 'POST', `/admin/users/${crypto.randomUUID()}/role`, { role: 'user' }],
  ])('%s needs a proof of the last minutes, and changes nothing without', async (_what, method, path, body) => {
    const person = await app.as.admin()
    const before = await rowOf(person)
    later(6)
    const answer = await app.call(method, path, { token: person.token, body })
    expect([answer.status, answer.body.code]).toEqual([403, 'step_up_required'])
    expect([await rowOf(person), await me(person)]).toEqual([before, 'in'])
    expect(await app.deps.sql`select 1 from data_exports where user_id = ${person.userId}`).toHaveLength(0)
  })
})
