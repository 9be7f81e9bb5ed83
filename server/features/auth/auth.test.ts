import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSealer } from '../../kit/seal.ts'
import { tokenHash } from '../../kit/secret-tokens.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { standingClock } from '../../test/clock.ts'
import { wrongCode } from '../../test/mails.ts'
import { testPassword } from '../../test/actors.ts'
import { wipeSuccessors } from './refresh-tokens.ts'

let app: TestApp
const { now, later } = standingClock()
beforeAll(async () => {
  app = await startTestApp({ jobs: true, settings: { RATE_LIMIT_FACTOR: '100' }, overrides: { now } })
})
afterAll(() => app[Symbol.asyncDispose]())

const signUp = (email: string) => app.call('POST', '/auth/sign-up', { body: { email, password: testPassword, name: 'Ada' } })

describe('sign-up', () => {
  test('the mailed code opens the account, once', async () => {
    const { status, body } = await signUp('Ada.Lovelace@Example.org')
    expect(status).toBe(202)
    const code = await app.outbox.code('ada.lovelace@example.org')

    const verified = await app.call('POST', '/auth/verify-email', { body: { flowId: body.flowId, code, device: { name: 'Pixel', platform: 'android' } } })
    expect(verified.status).toBe(200)
    expect(verified.body).toMatchObject({ status: 'signed_in', user: { email: 'ada.lovelace@example.org', name: 'Ada', role: 'user' }, tokens: { tokenType: 'Bearer' } })
    const me = await app.call('GET', '/users/me', { token: verified.body.tokens.accessToken })
    expect(me.body).toEqual(verified.body.user)

    const again = await app.call('POST', '/auth/verify-email', { body: { flowId: body.flowId, code } })
    expect([again.status, again.body.code]).toEqual([401, 'code_invalid'])
  })

  test('a known address gets the same answer, and a mail without a code', async () => {
    const person = await app.as.user()
    const { status, body } = await signUp(person.email)
    expect([status, Object.keys(body)]).toEqual([202, ['flowId']])
    const { text, html } = await app.outbox.next(person.email, 'You already have an account')
    expect(`${text}${html}`).not.toMatch(/\b\d{8}\b/)
  })

  test('five wrong codes close the flow, also to the right one', async () => {
    const { body } = await signUp('tries@example.org')
    const code = await app.outbox.code('tries@example.org')
    const wrong = wrongCode(code)
    const attempts = await Promise.all(Array.from({ length: 8 }, () => app.call('POST', '/auth/verify-email', { body: { flowId: body.flowId, code: wrong } })))
    expect(new Set(attempts.map(({ body: answer }) => answer.code))).toEqual(new Set(['code_invalid']))
    expect((await app.call('POST', '/auth/verify-email', { body: { flowId: body.flowId, code } })).status).toBe(401)
  })

  test('a code is dead after fifteen minutes', async () => {
    const { body } = await signUp('late@example.org')
    const code = await app.outbox.code('late@example.org')
    later({ minutes: 15 })
    expect((await app.call('POST', '/auth/verify-email', { body: { flowId: body.flowId, code } })).status).toBe(401)
  })

  test('of two codes for one address, used in parallel, one makes the account', async () => {
    const flows = [await signUp('twice@example.org'), await signUp('twice@example.org')]
    const codes = [await app.outbox.code('twice@example.org'), await app.outbox.code('twice@example.org')]
    const pairs = flows.flatMap(({ body }) => codes.map((code) => ({ flowId: body.flowId, code })))
    const answers = await Promise.all(pairs.map((pair) => app.call('POST', '/auth/verify-email', { body: pair })))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
  })

  test.each([
    ['too short', 'Ab1!xyz', /12/],
    ['common', 'password123456', /guess/],
    ['made of the address', 'ada.lovelace-1815', /e-mail/],
  ])('a weak password is refused with its reason: %s', async (_why, password, reason) => {
    const { status, body } = await app.call('POST', '/auth/sign-up', { body: { email: 'ada.lovelace@example.com', password } })
    expect([status, body.code, body.errors[0].path]).toEqual([422, 'validation_failed', 'password'])
    expect(body.errors[0].message).toMatch(reason)
  })
})

describe('sign-in', () => {
  test('a wrong password and an unknown address answer alike', async () => {
    const person = await app.as.user()
    const wrong = await app.call('POST', '/auth/sign-in', { body: { email: person.email, password: 'not the password' } })
    const unknown = await app.call('POST', '/auth/sign-in', { body: { email: 'nobody@example.org', password: 'not the password' } })
    expect([wrong.status, wrong.body.code]).toEqual([401, 'invalid_credentials'])
    expect({ ...wrong.body, instance: '' }).toEqual({ ...unknown.body, instance: '' })
  })

  test('an access token lasts fifteen minutes', async () => {
    const { token } = await app.as.user()
    later({ minutes: 14.9 })
    expect((await app.call('GET', '/users/me', { token })).status).toBe(200)
    later({ minutes: 0.3 })
    const { status, body, headers } = await app.call('GET', '/users/me', { token })
    expect([status, body.code]).toEqual([401, 'access_token_expired'])
    expect(headers.get('www-authenticate')).toContain('Bearer')
  })

  test('signing out ends the access token and the refresh token', async () => {
    const { token, refreshToken } = await app.as.user()
    expect((await app.call('POST', '/auth/sign-out', { token })).status).toBe(204)
    expect((await app.call('GET', '/users/me', { token })).body.code).toBe('session_ended')
    expect((await app.call('POST', '/auth/refresh', { body: { refreshToken } })).body.code).toBe('refresh_token_revoked')
  })
})

describe('refresh', () => {
  const refresh = (refreshToken: string) => app.call('POST', '/auth/refresh', { body: { refreshToken } })

  test('each token works once, and its successor after it', async () => {
    const { refreshToken } = await app.as.user()
    const first = await refresh(refreshToken)
    expect(first.status).toBe(200)
    const second = await refresh(first.body.tokens.refreshToken)
    expect(second.status).toBe(200)
    expect((await app.call('GET', '/users/me', { token: second.body.tokens.accessToken })).status).toBe(200)
  })

  test('a lost answer may be asked for again within ten seconds: the same successor, with a fresh access token', async () => {
    const { refreshToken } = await app.as.user()
    const lost = await refresh(refreshToken)
    later({ seconds: 9 })
    const again = await refresh(refreshToken)
    expect(again.status).toBe(200)
    expect(again.body.tokens.refreshToken).toBe(lost.body.tokens.refreshToken)
    expect(again.body.tokens.refreshTokenExpiresAt).toBe(lost.body.tokens.refreshTokenExpiresAt)
    expect(again.body.tokens.accessToken).not.toBe(lost.body.tokens.accessToken)
    expect((await app.call('GET', '/users/me', { token: again.body.tokens.accessToken })).status).toBe(200)
    expect((await refresh(again.body.tokens.refreshToken)).status).toBe(200)
  })

  test.each<[string, (successor: string) => unknown]>([
    ['after ten seconds, though nothing has wiped what was kept', () => later({ seconds: 10 })],
    ['once the successor has been used', (successor) => refresh(successor)],
  ])('reuse ends the session with everything in it: %s', async (_when, meanwhile) => {
    const { refreshToken } = await app.as.user()
    const { body } = await refresh(refreshToken)
    await meanwhile(body.tokens.refreshToken)
    const reused = await refresh(refreshToken)
    expect([reused.status, reused.body.code]).toEqual([401, 'refresh_token_reused'])
    expect((await refresh(body.tokens.refreshToken)).body.code).toBe('refresh_token_revoked')
    expect((await app.call('GET', '/users/me', { token: body.tokens.accessToken })).body.code).toBe('session_ended')
    const events = await app.deps.sql`
      select target_id from audit_log join sessions on public_id::text = target_id join refresh_tokens on session_id = sessions.id
      where action = 'session.refresh_reused' and token_hash = ${tokenHash(refreshToken)}`
    expect(events).toHaveLength(1)
  })

  test('what is kept for a retry opens with the token alone, and is wiped by use of the successor and by the job', async () => {
    const kept = async (token: string) => {
      const [row] = await app.deps.sql<{ id: string; successor_sealed: Buffer | null }[]>`select id, successor_sealed from refresh_tokens where token_hash = ${tokenHash(token)}`
      return row ?? expect.unreachable('no such token')
    }
    const { refreshToken } = await app.as.user()
    const { body } = await refresh(refreshToken)
    const successor: string = body.tokens.refreshToken
    const { id, successor_sealed: sealed } = await kept(refreshToken)
    if (!sealed) return expect.unreachable('nothing was kept')
    expect(sealed.includes(successor)).toBe(false)
    expect(() => app.deps.sealer.open('successor', id, sealed)).toThrow()
    expect(() => createSealer(tokenHash(refreshToken)).open('successor', id, sealed)).toThrow()
    expect(createSealer(Buffer.from(refreshToken)).openText('successor', id, sealed)).toBe(successor)

    await refresh(successor)
    expect((await kept(refreshToken)).successor_sealed).toBeNull()
    expect((await kept(successor)).successor_sealed).not.toBeNull()
    await wipeSuccessors(app.deps, {})
    expect((await kept(successor)).successor_sealed).not.toBeNull()
    later({ seconds: 10 })
    await wipeSuccessors(app.deps, {})
    expect((await kept(successor)).successor_sealed).toBeNull()
  })

  test('fifty that present one token in parallel get one chain', async () => {
    const { refreshToken } = await app.as.user()
    const answers = await Promise.all(Array.from({ length: 50 }, () => refresh(refreshToken)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    const successors = new Set<string>(answers.map(({ body }) => body.tokens.refreshToken))
    expect(successors.size).toBe(1)
    const unspent = await app.deps.sql`
      select token_hash from refresh_tokens where spent_at is null
        and session_id = (select session_id from refresh_tokens where token_hash = ${tokenHash(refreshToken)})`
    expect(unspent.map(({ token_hash: hash }) => hash)).toEqual([...successors].map(tokenHash))
  })

  test('an idle session dies after thirty days, a used one after a hundred and eighty', async () => {
    const idle = await app.as.user()
    const used = await app.as.user()
    let { refreshToken } = used
    for (let day = 0; day < 174; day += 29) {
      later({ days: 29 })
      const { status, body } = await refresh(refreshToken)
      expect(status).toBe(200)
      refreshToken = body.tokens.refreshToken
    }
    expect((await refresh(idle.refreshToken)).body.code).toBe('refresh_token_expired')
    later({ days: 7 })
    expect((await refresh(refreshToken)).body.code).toBe('refresh_token_expired')
  })

  test('an unknown token is refused', async () => {
    expect((await refresh('tsr_nonsense')).body.code).toBe('refresh_token_invalid')
  })
})

describe('the database', () => {
  test('holds no session id, refresh token, code or address that would let its reader in', async () => {
    const person = await app.as.user()
    const tables = ['users', 'sessions', 'refresh_tokens', 'email_flows', 'audit_log']
    for (const table of tables) {
      const dump = JSON.stringify(await app.deps.sql`select * from ${app.deps.sql(table)}`)
      expect(dump).not.toContain(person.email)
      expect(dump).not.toContain(person.refreshToken)
    }
    expect((await app.deps.sql`select id from sessions`).every(({ id }) => /^[0-9a-f]{64}$/.test(String(id)))).toBe(true)
  })
})
