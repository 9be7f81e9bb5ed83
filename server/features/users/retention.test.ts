import { afterAll, beforeAll, expect, test } from 'vitest'
import { jobHandlers, schedule } from '../../jobs.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { openOutbox } from '../../test/mails.ts'

let app: TestApp
let now = new Date()
beforeAll(async () => {
  app = await startTestApp({ jobs: true, settings: { RATE_LIMIT_FACTOR: '100', UNVERIFIED_SIGN_UP_DAYS: '3' }, overrides: { now: () => now } })
})
afterAll(() => app[Symbol.asyncDispose]())
const laterDays = (days: number) => (now = new Date(now.getTime() + days * 86_400_000))
const name = 'account.forget_unverified'
const forget = () => jobHandlers[name]?.(app.deps, {})
const flow = async (id: string) => (await app.deps.sql`select name, password_hash, code_hash, length(email_lookup) as lookup, length(email_sealed) as sealed, used_at from email_flows where id = ${id}`)[0]
const begin = async (path: string, body: object, token?: string) => (await app.call('POST', path, { token, body })).body.flowId as string

test('a sign-up that was not verified is forgotten after the days that the setting says, and so is a reset of nobody’s (control C8)', async () => {
  expect(Object.keys(schedule)).toContain(name)
  const person = await app.as.user()
  const unverified = await begin('/auth/sign-up', { email: 'never@example.org', password: 'a long and unusual sentence', name: 'Never Verified' })
  const reset = await begin('/auth/forgot-password', { email: 'nobody@example.org' })
  const moving = await begin('/auth/change-email', { newEmail: 'perhaps@example.org' }, person.token)
  const before = await Promise.all([unverified, reset, moving].map(flow))
  expect(before[0]).toMatchObject({ name: 'Never Verified', password_hash: expect.stringContaining('$argon2id$') })

  laterDays(3)
  await forget()
  expect(await Promise.all([unverified, reset, moving].map(flow))).toEqual(before)
  laterDays(0.02)
  await forget()
  const emptied = { name: null, password_hash: null, code_hash: null, lookup: 0, sealed: 0, used_at: expect.anything() }
  expect([await flow(unverified), await flow(reset)]).toEqual([emptied, emptied])
  // what somebody began for their account goes with the account
  expect(await flow(moving)).toEqual(before[2])

  await openOutbox(app).left('never@example.org')
  const newPassword = 'another long and unusual sentence'
  const answers = [
    await app.call('POST', '/auth/verify-email', { body: { flowId: unverified, code: '12345678' } }),
    await app.call('POST', '/auth/reset-password', { body: { flowId: reset, code: '12345678', newPassword } }),
    await app.call('POST', '/auth/resend-code', { body: { flowId: unverified } }),
  ]
  expect(answers.map(({ status, body }) => [status, body.code])).toEqual([[401, 'code_invalid'], [401, 'code_invalid'], [202, undefined]])
})

test('whose a challenge was, and on which device, is forgotten a day after it ended, and no sooner (control C8)', async () => {
  expect(Object.keys(schedule)).toContain('challenges.forget')
  const forgetChallenges = () => jobHandlers['challenges.forget']?.(app.deps, {})
  const staff = await app.as.moderator()
  const device = { name: 'Pixel 9', platform: 'android' }
  const { body } = await app.call('POST', '/auth/sign-in', { body: { email: staff.email, password: staff.password, device } })
  const passkey = await app.call('POST', '/auth/passkey/begin', { body: {} })
  const row = async (id: string) => (await app.deps.sql`select user_id, session_id, device_id, device_name, device_platform, webauthn_challenge, tries_left, expires_at from auth_challenges where id = ${id}`)[0]
  const ids = [body.mfa.challengeId, passkey.body.challengeId] as string[]
  const before = await Promise.all(ids.map(row))
  expect(before).toEqual([expect.objectContaining({ user_id: staff.userId, device_name: 'Pixel 9' }), expect.objectContaining({ user_id: null, webauthn_challenge: expect.anything() })])

  laterDays(1)
  await forgetChallenges()
  expect(await Promise.all(ids.map(row))).toEqual(before)
  laterDays(0.01)
  await forgetChallenges()
  const nothing = { user_id: null, session_id: null, device_id: null, device_name: null, device_platform: null, webauthn_challenge: null }
  expect(await Promise.all(ids.map(row))).toEqual(before.map((was) => ({ ...was, ...nothing })))
})
