import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Person } from '../../test/actors.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { standingClock } from '../../test/clock.ts'
import { wrongCode } from '../../test/mails.ts'

let app: TestApp
const { now, later } = standingClock()
beforeAll(async () => {
  app = await startTestApp({ jobs: true, settings: { RATE_LIMIT_FACTOR: '100' }, overrides: { now } })
})
afterAll(() => app[Symbol.asyncDispose]())

const fresh = 'eleven quiet harbours at dusk'
const forgot = async (email: string) => (await app.call('POST', '/auth/forgot-password', { body: { email } })).body.flowId as string
const reset = (flowId: string, code: string, newPassword = fresh) => app.call('POST', '/auth/reset-password', { body: { flowId, code, newPassword } })
const signIn = async (email: string, password: string) => (await app.call('POST', '/auth/sign-in', { body: { email, password } })).body
const passwordOf = async ({ userId }: Person) => (await app.deps.sql`select password_hash from users where id = ${userId}`)[0]?.['password_hash'] as string
const begun = async (person: Person) => {
  const flowId = await forgot(person.email)
  return { flowId, code: await app.outbox.code(person.email, 'Your code') }
}

describe('a forgotten password', () => {
  test('is replaced by the mailed code: every session ends, and the person is told', async () => {
    const person = await app.as.user()
    const second = await app.as.userAgain(person)
    const bystander = await app.as.user()
    const { flowId, code } = await begun(person)
    expect((await reset(flowId, code)).status).toBe(204)

    for (const { token } of [person, second]) await vi.waitFor(async () => expect((await app.call('GET', '/users/me', { token })).body.code).toBe('session_ended'), { timeout: 1_000 })
    expect((await app.call('POST', '/auth/refresh', { body: { refreshToken: second.refreshToken } })).body.code).toBe('refresh_token_revoked')
    expect((await app.call('GET', '/users/me', { token: bystander.token })).status).toBe(200)
    const reasons = await app.deps.sql`select distinct end_reason from sessions where user_id = ${person.userId}`
    expect(reasons.map((row) => row['end_reason'])).toEqual(['password_reset'])

    expect((await app.outbox.next(person.email, 'Your password')).subject).toBe('Your password was changed')
    expect((await signIn(person.email, person.password)).code).toBe('invalid_credentials')
    expect((await signIn(person.email, fresh)).status).toBe('signed_in')
    const [row] = await app.deps.sql`select count(*)::int as rows from audit_log join users on pseudonym::text = target_id where action = 'user.reset_password' and users.id = ${person.userId}`
    expect(row?.['rows']).toBe(1)
    // the code is used
    expect((await reset(flowId, code, `${fresh} again`)).body.code).toBe('code_invalid')
    expect((await signIn(person.email, fresh)).status).toBe('signed_in')
  })

  test('is replaced once by ten that use one code at the same time', async () => {
    const person = await app.as.user()
    const { flowId, code } = await begun(person)
    const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => reset(flowId, code, `${fresh} ${n}`)))
    const won = answers.flatMap(({ status }, n) => (status === 204 ? [n] : []))
    expect(won).toHaveLength(1)
    expect(new Set(answers.filter(({ status }) => status !== 204).map(({ status, body }) => `${status} ${body.code}`))).toEqual(new Set(['401 code_invalid']))
    expect((await signIn(person.email, `${fresh} ${won[0]}`)).status).toBe('signed_in')
  })

  test('is replaced once by two codes of one person, used in parallel', async () => {
    const person = await app.as.user()
    const [one, other] = [await begun(person), await begun(person)]
    const answers = await Promise.all([one, other, one, other].map(({ flowId, code }) => reset(flowId, code)))
    // no deadlock of flows that end each other either
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 401, 401, 401])
  })

  test('stays after five wrong codes, though the sixth is right', async () => {
    const person = await app.as.user()
    const { flowId, code } = await begun(person)
    const before = await passwordOf(person)
    const wrong = wrongCode(code)
    for (let i = 0; i < 5; i += 1) expect((await reset(flowId, wrong)).body.code).toBe('code_invalid')
    expect((await reset(flowId, code)).body.code).toBe('code_invalid')
    expect(await passwordOf(person)).toBe(before)
    const [refusals] = await app.deps.sql`select count(*)::int as rows from audit_log join users on pseudonym::text = target_id where action = 'code.refuse' and users.id = ${person.userId}`
    expect(refusals?.['rows']).toBe(5)
  })

  test.each<[string, (person: Person, flow: { flowId: string; code: string }) => Promise<unknown>]>([
    ['fifteen minutes later', async () => later({ minutes: 15 })],
    ['by somebody banned since', async ({ userId }) => {
      const { token } = await app.as.moderator()
      expect((await app.call('POST', `/admin/users/${userId}/ban`, { token, body: { reason: 'spam' } })).status).toBe(204)
    }],
    ['after another code was asked for', async (person, { flowId }) => {
      await app.call('POST', '/auth/resend-code', { body: { flowId } })
      await app.outbox.next(person.email)
    }],
    ['after it was replaced by an earlier code', async (person, _late) => {
      const other = await begun(person)
      expect((await reset(other.flowId, other.code, `${fresh} earlier`)).status).toBe(204)
    }],
  ])('stays when the code is used %s', async (_what, happens) => {
    const person = await app.as.user()
    const flow = await begun(person)
    await happens(person, flow)
    const before = await passwordOf(person)
    expect((await reset(flow.flowId, flow.code)).body.code).toBe('code_invalid')
    expect(await passwordOf(person)).toBe(before)
  })

  test('of somebody banned gets no mail', async () => {
    const person = await app.as.user()
    const { token } = await app.as.moderator()
    await app.call('POST', `/admin/users/${person.userId}/ban`, { token, body: { reason: 'spam' } })
    expect((await app.call('POST', '/auth/forgot-password', { body: { email: person.email } })).status).toBe(202)
    expect(await app.outbox.left(person.email)).toBe(0)
  })

  test.each([
    ['short', 'Ab1!xyz', /12/],
    ['common', 'password123456', /guess/],
    ['made of the address', 'marguerite-1815-', /e-mail/],
  ])('is not replaced by a weak one (%s), and that takes no try', async (_what, weak, reason) => {
    const person = await app.as.user()
    await app.deps.sql`update users set email_lookup = ${Buffer.from(app.deps.sealer.lookup('users.email', `marguerite@${person.userId}.example`))}, email_sealed = ${Buffer.from(app.deps.sealer.seal('column', `users/${person.userId}`, `marguerite@${person.userId}.example`))} where id = ${person.userId}`
    const { flowId, code } = await begun({ ...person, email: `marguerite@${person.userId}.example` })
    for (let i = 0; i < 6; i += 1) {
      const { status, body } = await reset(flowId, code, weak)
      expect([status, body.code, body.errors[0].path]).toEqual([422, 'validation_failed', 'newPassword'])
      expect(body.errors[0].message).toMatch(reason)
    }
    expect((await reset(flowId, code)).status).toBe(204)
  })
})

test('a code opens no flow of another kind', async () => {
  const person = await app.as.user()
  const { flowId, code } = await begun(person)
  const before = await app.deps.sql`select tries_left, used_at from email_flows where id = ${flowId}`
  expect((await app.call('POST', '/auth/verify-email', { body: { flowId, code } })).body.code).toBe('code_invalid')
  expect((await app.call('POST', '/auth/change-email/confirm', { token: person.token, body: { flowId, code } })).body.code).toBe('code_invalid')
  expect(await app.deps.sql`select tries_left, used_at from email_flows where id = ${flowId}`).toEqual(before)
  expect((await reset(flowId, code)).status).toBe(204)
})
