import { base32 } from 'oslo/encoding'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Person } from '../../test/actors.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { addPasskey } from '../../test/authenticator.ts'
import { mailTo } from '../../test/mails.ts'
import { totpCode, totpStep } from './totp.ts'

let app: TestApp
let now = new Date()
beforeAll(async () => {
  app = await startTestApp({ jobs: true, settings: { RATE_LIMIT_FACTOR: '1000' }, overrides: { now: () => now } })
})
afterAll(() => app[Symbol.asyncDispose]())
beforeEach(() => {
  now = new Date()
})
const later = (seconds: number) => (now = new Date(now.getTime() + seconds * 1000))
const codeAt = (secret: Uint8Array, offset = 0) => totpCode(secret, totpStep(now) + offset)
const signIn = ({ email, password }: Person) => app.call('POST', '/auth/sign-in', { body: { email, password } })
const verify = (challengeId: string, proof: object) => app.call('POST', '/auth/mfa/verify', { body: { challengeId, ...proof } })
const codeOf = ({ status, body }: { status: number; body: { code?: string } }) => [status, body.code]

/** A viewer who adds an authenticator app through the API. */
async function enrolled() {
  const person = await app.as.user()
  const { body } = await app.call('POST', '/users/me/mfa/totp', { token: person.token })
  const secret = base32.decode(body.secret as string)
  const { status, body: made } = await app.call('POST', '/users/me/mfa/totp/confirm', { token: person.token, body: { code: await codeAt(secret) } })
  expect(status).toBe(200)
  return { person, secret, recoveryCodes: made.recoveryCodes as string[] }
}
async function challenged(person: Person): Promise<string> {
  const { status, body } = await signIn(person)
  expect([status, body.status, body.user, body.tokens]).toEqual([200, 'mfa_required', null, null])
  return body.mfa.challengeId as string
}
/** One after the other: so many sign-ins at once are taken for guesses. */
async function challengedTimes(count: number, person: Person): Promise<string[]> {
  const challenges: string[] = []
  while (challenges.length < count) challenges.push(await challenged(person))
  return challenges
}
const sessionsOf = ({ userId }: Person) => app.deps.sql`select public_id, kind, methods, authenticated_at, ended_at, end_reason from sessions where user_id = ${userId} order by created_at, public_id`
const rowsOf = ({ userId }: Person) => app.deps.sql`select 'totp' as what, id, last_step::text as at, removed_at from totp_factors where user_id = ${userId} union all select 'code', id, used_at::text, removed_at from recovery_codes where user_id = ${userId} union all select 'passkey', id, counter::text, removed_at from passkeys where user_id = ${userId} order by 1, 2`
/** What a refused proof may not change, of everybody concerned. */
const stateOf = (...people: Person[]) => Promise.all(people.map(async (person) => [await sessionsOf(person), await rowsOf(person)]))

describe('an authenticator app (control A9)', () => {
  test('is told its key to type, to open and to scan, and counts once a code of it was given', async () => {
    const person = await app.as.user()
    const begun = await app.call('POST', '/users/me/mfa/totp', { token: person.token })
    expect(begun.status).toBe(200)
    expect(begun.body.secret).toMatch(/^[A-Z2-7]{32}$/)
    expect(begun.body.otpauthUri).toMatch(new RegExp(`^otpauth://totp/torrent-streamer:.*secret=${begun.body.secret}`))
    expect(begun.body.qrSvg).toMatch(/^<svg/)
    // not confirmed: signing in asks for nothing
    expect((await signIn(person)).body.status).toBe('signed_in')

    const secret = base32.decode(begun.body.secret as string)
    expect(codeOf(await app.call('POST', '/users/me/mfa/totp/confirm', { token: person.token, body: { code: await codeAt(secret, 5) } }))).toEqual([403, 'proof_invalid'])
    expect((await signIn(person)).body.status).toBe('signed_in')
    const confirmed = await app.call('POST', '/users/me/mfa/totp/confirm', { token: person.token, body: { code: await codeAt(secret) } })
    expect(confirmed.body.recoveryCodes).toHaveLength(10)
    expect(new Set(confirmed.body.recoveryCodes).size).toBe(10)
    for (const code of confirmed.body.recoveryCodes) expect(code).toMatch(/^([a-hjkmnp-z2-9]{4}-){3}[a-hjkmnp-z2-9]{4}$/)
    expect(await mailTo(app.dataDir, person.email, 'How you sign in was changed')).toContain('added')
    const state = await app.call('GET', '/users/me/mfa', { token: person.token })
    expect(state.body).toEqual({ totpConfirmedAt: now.toISOString(), recoveryCodesLeft: 10, passkeys: [], required: false })
    await challenged(person)
  })

  test('its secret and the recovery codes are in no column in clear', async () => {
    const { person, secret, recoveryCodes } = await enrolled()
    const [row] = await app.deps.sql`select secret_sealed from totp_factors where user_id = ${person.userId}`
    expect(Buffer.from(row?.['secret_sealed']).includes(Buffer.from(secret))).toBe(false)
    const rows = await app.deps.sql`select encode(code_hash, 'escape') as hash from recovery_codes where user_id = ${person.userId}`
    for (const code of recoveryCodes) expect(JSON.stringify(rows)).not.toContain(code.replaceAll('-', ''))
  })

  test('gives no session and no token before the code; with it both, which say so', async () => {
    const { person, secret } = await enrolled()
    const before = await sessionsOf(person)
    const challengeId = await challenged(person)
    expect(await sessionsOf(person)).toEqual(before)
    later(30)
    const { status, body } = await verify(challengeId, { method: 'totp', code: await codeAt(secret) })
    expect([status, body.status]).toEqual([200, 'signed_in'])
    expect((await app.call('GET', '/users/me', { token: body.tokens.accessToken })).body.id).toBe(person.userId)
    expect((await sessionsOf(person)).at(-1)?.['methods']).toEqual(['password', 'totp'])
  })

  test.each([[-1, true], [0, true], [1, true], [-2, false], [2, false]])('a code %i steps away is taken: %s', async (offset, taken) => {
    const { person, secret } = await enrolled()
    later(120)
    const { status } = await verify(await challenged(person), { method: 'totp', code: await codeAt(secret, offset) })
    expect(status).toBe(taken ? 200 : 401)
  })

  test('a code is taken once: not again, not one before it, and of many at once one is', async () => {
    const { person, secret } = await enrolled()
    later(60)
    const code = await codeAt(secret)
    const challenges = await challengedTimes(6, person)
    const answers = await Promise.all(challenges.slice(0, 5).map((id) => verify(id, { method: 'totp', code })))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401, 401])
    const before = await stateOf(person)
    for (const replayed of [code, await codeAt(secret, -1)]) expect(codeOf(await verify(challenges[5] ?? '', { method: 'totp', code: replayed }))).toEqual([401, 'proof_invalid'])
    expect(await stateOf(person)).toEqual(before)
    expect(await sessionsOf(person)).toHaveLength(2)
  })

  test('another takes its place, and ends what the first had let in', async () => {
    const { person, secret } = await enrolled()
    later(30)
    const { body } = await verify(await challenged(person), { method: 'totp', code: await codeAt(secret) })
    const begun = await app.call('POST', '/users/me/mfa/totp', { token: body.tokens.accessToken })
    const second = base32.decode(begun.body.secret as string)
    const confirmed = await app.call('POST', '/users/me/mfa/totp/confirm', { token: body.tokens.accessToken, body: { code: await codeAt(second) } })
    expect(confirmed.body.recoveryCodes).toEqual([])
    await expect.poll(async () => (await app.call('GET', '/users/me', { token: person.token })).body.code).toBe('session_ended')
    expect((await app.call('GET', '/users/me', { token: body.tokens.accessToken })).status).toBe(200)
    later(60)
    expect((await verify(await challenged(person), { method: 'totp', code: await codeAt(secret) })).status).toBe(401)
    expect((await verify(await challenged(person), { method: 'totp', code: await codeAt(second) })).status).toBe(200)
  })

  test('once removed, it is asked for no more; its recovery codes end with it, and other sessions', async () => {
    const { person, secret, recoveryCodes } = await enrolled()
    later(30)
    const other = await verify(await challenged(person), { method: 'totp', code: await codeAt(secret) })
    expect((await app.call('DELETE', '/users/me/mfa/totp', { token: person.token })).status).toBe(204)
    await expect.poll(async () => (await app.call('GET', '/users/me', { token: other.body.tokens.accessToken })).body.code).toBe('session_ended')
    expect((await signIn(person)).body.status).toBe('signed_in')
    const left = await app.deps.sql`select 1 from recovery_codes where user_id = ${person.userId} and removed_at is null`
    expect(left).toHaveLength(0)
    expect(recoveryCodes).toHaveLength(10)
    expect((await app.call('DELETE', '/users/me/mfa/totp', { token: person.token })).status).toBe(409)
  })
})

describe('recovery codes (control A9)', () => {
  test('each signs in once, however it is typed', async () => {
    const { person, recoveryCodes: [code = ''] } = await enrolled()
    const typed = ` ${code.toUpperCase().replaceAll('-', ' ')} `
    expect((await verify(await challenged(person), { method: 'recovery_code', code: typed })).status).toBe(200)
    const before = await stateOf(person)
    expect(codeOf(await verify(await challenged(person), { method: 'recovery_code', code }))).toEqual([401, 'proof_invalid'])
    expect(await stateOf(person)).toEqual(before)
    expect((await app.call('GET', '/users/me/mfa', { token: person.token })).body.recoveryCodesLeft).toBe(9)
  })

  test('of many that use one at once, exactly one gets in', async () => {
    const { person, recoveryCodes: [code = ''] } = await enrolled()
    const challenges = await challengedTimes(8, person)
    const answers = await Promise.all(challenges.map((id) => verify(id, { method: 'recovery_code', code })))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(await sessionsOf(person)).toHaveLength(2)
  })

  test('a new set ends the old one; another’s are worth nothing', async () => {
    const { person, recoveryCodes: [old = ''] } = await enrolled()
    const { person: other, recoveryCodes: [foreign = ''] } = await enrolled()
    const fresh = await app.call('POST', '/users/me/mfa/recovery-codes', { token: person.token })
    expect(fresh.body.recoveryCodes).toHaveLength(10)
    expect(await mailTo(app.dataDir, person.email, 'How you sign in was changed')).toBeTruthy()
    const challengeId = await challenged(person)
    const before = await stateOf(person, other)
    for (const code of [old, foreign]) expect(codeOf(await verify(challengeId, { method: 'recovery_code', code }))).toEqual([401, 'proof_invalid'])
    expect(await stateOf(person, other)).toEqual(before)
    expect((await verify(challengeId, { method: 'recovery_code', code: fresh.body.recoveryCodes[0] })).status).toBe(200)
  })

  test('are not to be had without a factor', async () => {
    const person = await app.as.user()
    expect((await app.call('POST', '/users/me/mfa/recovery-codes', { token: person.token })).status).toBe(409)
    expect(await rowsOf(person)).toEqual([])
  })
})

describe('a challenge', () => {
  test('is over after five wrong proofs, also for the right one, and nothing was changed', async () => {
    const { person, secret } = await enrolled()
    later(30)
    const challengeId = await challenged(person)
    const before = await stateOf(person)
    for (let i = 0; i < 5; i += 1) expect(codeOf(await verify(challengeId, { method: 'totp', code: await codeAt(secret, 7 + i) }))).toEqual([401, 'proof_invalid'])
    expect(codeOf(await verify(challengeId, { method: 'totp', code: await codeAt(secret) }))).toEqual([401, 'challenge_ended'])
    expect(await stateOf(person)).toEqual(before)
  })

  test('parallel guesses do not share a try', async () => {
    const { person, secret } = await enrolled()
    const challengeId = await challenged(person)
    const codes = await Promise.all(Array.from({ length: 20 }, (_, i) => codeAt(secret, 10 + i)))
    const answers = await Promise.all(codes.map((code) => verify(challengeId, { method: 'totp', code })))
    expect(answers.filter(({ body }) => body.code === 'proof_invalid')).toHaveLength(5)
  })

  test('beginning again and again gives ten wrong proofs an hour', async () => {
    const { person, secret } = await enrolled()
    later(30)
    for (let i = 0; i < 10; i += 1) expect((await verify(await challenged(person), { method: 'totp', code: await codeAt(secret, 7 + i) })).status).toBe(401)
    const answer = await verify(await challenged(person), { method: 'totp', code: await codeAt(secret) })
    expect(codeOf(answer)).toEqual([429, 'rate_limited'])
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(60)
    later(3_601)
    expect((await verify(await challenged(person), { method: 'totp', code: await codeAt(secret) })).status).toBe(200)
  })

  test('ends after five minutes, with its answer, and with the sessions of its person', async () => {
    const { person, secret } = await enrolled()
    const [late, ended] = [await challenged(person), await challenged(person)]
    const { body } = await app.call('DELETE', '/users/me/mfa/totp', { token: person.token })
    expect(body).toBe('')
    expect(codeOf(await verify(ended, { method: 'totp', code: await codeAt(secret, 1) }))).toEqual([401, 'challenge_ended'])
    later(301)
    expect(codeOf(await verify(late, { method: 'totp', code: await codeAt(secret) }))).toEqual([401, 'challenge_ended'])
  })

  test('is of its kind: what the console began ends no sign-in of an app', async () => {
    const { person, secret } = await enrolled()
    later(30)
    const { body } = await app.call('POST', '/auth/step-up/begin', { token: person.token, body: { method: 'totp' } })
    expect(codeOf(await verify(body.challengeId, { method: 'totp', code: await codeAt(secret) }))).toEqual([401, 'challenge_ended'])
  })

  test('of someone banned meanwhile opens nothing', async () => {
    const { person, secret } = await enrolled()
    later(30)
    const challengeId = await challenged(person)
    await app.deps.sql`update users set banned_at = ${now.toISOString()} where id = ${person.userId}`
    expect(codeOf(await verify(challengeId, { method: 'totp', code: await codeAt(secret) }))).toEqual([403, 'account_banned'])
    expect(await sessionsOf(person)).toHaveLength(1)
  })

  test.each([[{ method: 'totp' }, 'code'], [{ method: 'passkey' }, 'assertion'], [{ method: 'passkey', code: '123456' }, 'assertion'], [{ method: 'totp', code: '123456', assertion: '{}' }, 'assertion']])('a proof that is not whole costs no try: %j', async (proof, field) => {
    const { person } = await enrolled()
    const challengeId = await challenged(person)
    const answer = await verify(challengeId, proof)
    expect([answer.status, answer.body.errors[0].path]).toEqual([422, field])
    const [row] = await app.deps.sql`select tries_left from auth_challenges where id = ${challengeId}`
    expect(row?.['tries_left']).toBe(5)
  })
})

describe('step-up (control A10)', () => {
  const begin = (token: string, method: string) => app.call('POST', '/auth/step-up/begin', { token, body: { method } })
  const finish = (token: string, challengeId: string, proof: object) => app.call('POST', '/auth/step-up/finish', { token, body: { challengeId, ...proof } })
  const sensitive = (token: string) => app.call('POST', '/users/me/mfa/totp', { token })

  test('a sign-in counts as fresh for five minutes; then the answer says what would do', async () => {
    const person = await app.as.user()
    later(299)
    expect((await sensitive(person.token)).status).toBe(200)
    later(2)
    const refused = await sensitive(person.token)
    expect([...codeOf(refused), refused.body.methods]).toEqual([403, 'step_up_required', ['password']])
    expect(refused.headers.get('content-type')).toContain('application/problem+json')
  })

  test('the password does for who has no second factor, and gives a fresher access token beside the same refresh token', async () => {
    const person = await app.as.user()
    later(400)
    const { body: challenge } = await begin(person.token, 'password')
    expect(challenge).toMatchObject({ method: 'password', needsPassword: true, passkeyOptions: null })
    const before = await stateOf(person)
    expect(codeOf(await finish(person.token, challenge.challengeId, { password: 'wrong' }))).toEqual([403, 'proof_invalid'])
    expect(await stateOf(person)).toEqual(before)
    expect((await sensitive(person.token)).status).toBe(403)
    const { status, body } = await finish(person.token, challenge.challengeId, { password: person.password })
    expect([status, body.tokens.refreshToken]).toEqual([200, null])
    expect((await sensitive(body.tokens.accessToken)).status).toBe(200)
    expect((await sensitive(person.token)).status).toBe(403)
    const refreshed = await app.call('POST', '/auth/refresh', { body: { refreshToken: person.refreshToken } })
    expect((await sensitive(refreshed.body.tokens.accessToken)).status).toBe(200)
    const after = await stateOf(person)
    expect(after).not.toEqual(before)
    later(10)
    expect(codeOf(await finish(person.token, challenge.challengeId, { password: person.password }))).toEqual([403, 'challenge_ended'])
    expect(await stateOf(person)).toEqual(after)
  })

  test('who has a second factor needs it beside the password', async () => {
    const { person, secret, recoveryCodes } = await enrolled()
    later(400)
    const refused = await sensitive(person.token)
    expect(refused.body.methods).toEqual(['totp', 'recovery_code'])
    expect(codeOf(await begin(person.token, 'password'))).toEqual([409, 'method_not_available'])
    const { body: { challengeId } } = await begin(person.token, 'totp')
    const before = await stateOf(person)
    expect((await finish(person.token, challengeId, { password: person.password })).status).toBe(403)
    expect((await finish(person.token, challengeId, { password: 'wrong', code: await codeAt(secret) })).status).toBe(403)
    expect((await finish(person.token, challengeId, { password: person.password, code: await codeAt(secret, 9) })).status).toBe(403)
    expect((await finish(person.token, challengeId, { code: await codeAt(secret) })).status).toBe(422)
    // the right code beside a wrong password was not used up, the session is as old as it was
    expect(await stateOf(person)).toEqual(before)
    expect((await finish(person.token, challengeId, { password: person.password, code: await codeAt(secret) })).status).toBe(200)
    const { body: other } = await begin(person.token, 'recovery_code')
    expect((await finish(person.token, other.challengeId, { password: person.password, code: recoveryCodes[0] })).status).toBe(200)
  })

  test('a code that was good once, and a recovery code of another, freshen nothing', async () => {
    const { person, secret, recoveryCodes: [used = ''] } = await enrolled()
    const { person: other, recoveryCodes: [foreign = ''] } = await enrolled()
    expect((await verify(await challenged(person), { method: 'recovery_code', code: used })).status).toBe(200)
    later(400)
    const code = await codeAt(secret)
    expect((await verify(await challenged(person), { method: 'totp', code })).status).toBe(200)
    later(10)
    const { body: { challengeId } } = await begin(person.token, 'totp')
    const before = await stateOf(person, other)
    for (const refused of [code, used, foreign]) expect(codeOf(await finish(person.token, challengeId, { password: person.password, code: refused }))).toEqual([403, 'proof_invalid'])
    expect(await stateOf(person, other)).toEqual(before)
    expect((await sensitive(person.token)).body.code).toBe('step_up_required')
  })

  test('a passkey does alone', async () => {
    const person = await app.as.user()
    const { authenticator } = await addPasskey(app, person)
    later(400)
    expect((await sensitive(person.token)).body.methods).toEqual(['passkey', 'recovery_code'])
    const { body } = await begin(person.token, 'passkey')
    const before = await stateOf(person)
    expect(codeOf(await finish(person.token, body.challengeId, { assertion: authenticator.get(body.passkeyOptions, { userVerified: false }) }))).toEqual([403, 'proof_invalid'])
    expect(await stateOf(person)).toEqual(before)
    const answer = await finish(person.token, body.challengeId, { assertion: authenticator.get(body.passkeyOptions) })
    expect(answer.status).toBe(200)
    expect((await sensitive(answer.body.tokens.accessToken)).status).toBe(200)
  })

  test('a challenge serves the session that began it alone', async () => {
    const person = await app.as.user()
    const again = await app.as.userAgain(person)
    const stranger = await app.as.user()
    later(10)
    const { body } = await begin(person.token, 'password')
    const before = await stateOf(person, stranger)
    for (const other of [again, stranger]) expect(codeOf(await finish(other.token, body.challengeId, { password: other.password }))).toEqual([403, 'challenge_ended'])
    expect(await stateOf(person, stranger)).toEqual(before)
    expect((await finish(person.token, body.challengeId, { password: person.password })).status).toBe(200)
  })
})
