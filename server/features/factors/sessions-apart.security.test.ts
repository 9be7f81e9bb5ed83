import { base32 } from 'oslo/encoding'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { guessPaces } from '../../kit/guesses.ts'
import type { Person } from '../../test/actors.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { sessionOf } from '../../test/session-of.ts'
import { failuresOfSession, triesOfChallenge } from './challenges.ts'
import { forgetTotpSecrets, insertTotp } from './totp-factor.ts'
import { totpCode, totpStep } from './totp.ts'

// Two sessions of one person, one of them in a thief's hands: what that one does reaches nobody else's.

let app: TestApp
let now = new Date()
beforeAll(async () => {
  app = await startTestApp({ settings: { RATE_LIMIT_FACTOR: '1000' }, overrides: { now: () => now } })
})
afterAll(() => app[Symbol.asyncDispose]())
beforeEach(() => {
  now = new Date()
})
const later = (seconds: number) => (now = new Date(now.getTime() + seconds * 1000))
const codeAt = (secret: Uint8Array, offset = 0) => totpCode(secret, totpStep(now) + offset)
const codeOf = ({ status, body }: { status: number; body: { code?: string } }) => [status, body.code]
const me = async ({ token }: Person) => codeOf(await app.call('GET', '/users/me', { token }))
const begin = async ({ token }: Person) => base32.decode((await app.call('POST', '/users/me/mfa/totp', { token })).body.secret as string)
const confirm = ({ token }: Person, code: string) => app.call('POST', '/users/me/mfa/totp/confirm', { token, body: { code } })
const appsOf = ({ userId }: Person) => app.deps.sql`select id, session_id, confirmed_at, removed_at, last_step, length(secret_sealed) as bytes from totp_factors where user_id = ${userId} order by created_at, id`

describe('an authenticator app that waits for its first code (control A9)', () => {
  test('is confirmed by the session that began it, and by no other of the same person', async () => {
    const owner = await app.as.user()
    const thief = await app.as.userAgain(owner)
    const secret = await begin(owner)
    const before = await appsOf(owner)
    expect(before.map(({ session_id: id }) => id as string)).toEqual([sessionOf(owner)])
    expect(codeOf(await confirm(thief, await codeAt(secret)))).toEqual([409, 'conflict'])
    expect(await appsOf(owner)).toEqual(before)
    expect((await confirm(owner, await codeAt(secret))).body.recoveryCodes).toHaveLength(10)
    expect((await appsOf(owner)).map(({ session_id: id, confirmed_at: at }) => [id, at !== null])).toEqual([[null, true]])
  })

  test('is told once, to who began it: what another session begins is another secret, and neither puts the other aside', async () => {
    const owner = await app.as.user()
    const thief = await app.as.userAgain(owner)
    const secret = await begin(owner)
    const theirs = await begin(thief)
    expect(Buffer.from(theirs).equals(Buffer.from(secret))).toBe(false)
    // nor is it in anything that the thief may read
    for (const path of ['/users/me/mfa', '/users/me', '/users/me/sessions']) expect(JSON.stringify((await app.call('GET', path, { token: thief.token })).body)).not.toContain(base32.encode(secret, { includePadding: false }))
    expect(codeOf(await confirm(owner, await codeAt(theirs)))).toEqual([403, 'proof_invalid'])
    expect((await confirm(owner, await codeAt(secret))).status).toBe(200)
    // the first factor has put the thief out
    await expect.poll(() => me(thief)).toEqual([401, 'session_ended'])
  })

  test('is over with its session', async () => {
    const owner = await app.as.user()
    const thief = await app.as.userAgain(owner)
    const theirs = await begin(thief)
    expect((await app.call('DELETE', `/users/me/sessions/${sessionOf(thief)}`, { token: owner.token })).status).toBe(204)
    const before = await appsOf(owner)
    expect(codeOf(await confirm(thief, await codeAt(theirs)))).toEqual([401, 'session_ended'])
    expect(codeOf(await confirm(owner, await codeAt(theirs)))).toEqual([409, 'conflict'])
    const again = await app.as.userAgain(owner)
    expect(codeOf(await confirm(again, await codeAt(theirs)))).toEqual([409, 'conflict'])
    expect(await appsOf(owner)).toEqual(before)
  })

  test('loses no try to the wrong codes of another session', async () => {
    const owner = await app.as.user()
    const thief = await app.as.userAgain(owner)
    const secret = await begin(owner)
    await begin(thief)
    for (let tries = 0; tries < guessPaces.code.free; tries += 1) expect(codeOf(await confirm(thief, await codeAt(secret, 7 + tries)))).toEqual([403, 'proof_invalid'])
    expect(codeOf(await confirm(thief, '000000'))).toEqual([429, 'rate_limited'])
    expect((await confirm(owner, await codeAt(secret))).status).toBe(200)
  })

  test('keeps no secret once it can be confirmed no more, nor does one that was removed; the one that counts keeps its own', async () => {
    const [waiting, enrolled] = [await app.as.user(), await app.as.user()]
    await begin(waiting)
    const removed = await begin(enrolled)
    later(1)
    const kept = await begin(enrolled)
    expect((await confirm(enrolled, await codeAt(kept))).status).toBe(200)
    const lengths = async () => [...(await appsOf(waiting)), ...(await appsOf(enrolled))].map(({ bytes, confirmed_at: at }) => [(bytes as number) > 0, at !== null])
    later(14 * 60)
    await forgetTotpSecrets(app.deps, {})
    expect(await lengths()).toEqual([[true, false], [false, false], [true, true]])
    expect(removed).not.toEqual(kept)
    later(2 * 60)
    await forgetTotpSecrets(app.deps, {})
    expect(await lengths()).toEqual([[false, false], [false, false], [true, true]])
    const { body } = await app.call('POST', '/auth/sign-in', { body: { email: enrolled.email, password: enrolled.password } })
    expect((await app.call('POST', '/auth/mfa/verify', { body: { challengeId: body.mfa.challengeId, method: 'totp', code: await codeAt(kept) } })).status).toBe(200)
  })
})

describe('a step-up in the wrong hands (controls A6, A10)', () => {
  const beginStepUp = async ({ token }: Person, method: string) => (await app.call('POST', '/auth/step-up/begin', { token, body: { method } })).body.challengeId as string
  const finish = ({ token }: Person, challengeId: string, proof: object) => app.call('POST', '/auth/step-up/finish', { token, body: { challengeId, ...proof } })
  const failures = async (person: Person) => (await app.deps.sql`select step_up_failures as n, ended_at, end_reason from sessions where public_id = ${sessionOf(person)}`)[0]
  /** Two sessions of someone with an authenticator app, neither of which it ended. */
  async function twoSessions() {
    const owner = await app.as.user()
    const thief = await app.as.userAgain(owner)
    const secret = await app.deps.db.transaction((tx) => insertTotp(app.deps, tx, { userId: owner.userId, confirmedAt: now }))
    return { owner, thief, secret }
  }
  async function guess(person: Person, secret: Uint8Array, count: number) {
    const answers = []
    for (let challenge = ''; answers.length < count; ) {
      if (answers.length % triesOfChallenge === 0) challenge = await beginStepUp(person, 'totp')
      answers.push(await finish(person, challenge, { password: person.password, code: await codeAt(secret, 9 + answers.length) }))
    }
    return answers.map(codeOf)
  }

  test('ends its own session at the tenth wrong proof in a row, and takes nothing from another, which steps up at once', async () => {
    const { owner, thief, secret } = await twoSessions()
    const answers = await guess(thief, secret, failuresOfSession)
    expect(answers).toEqual([...Array<unknown>(failuresOfSession - 1).fill([403, 'proof_invalid']), [401, 'session_ended']])
    expect(await me(thief)).toEqual([401, 'session_ended'])
    expect((await app.call('POST', '/auth/refresh', { body: { refreshToken: thief.refreshToken } })).body.code).toBe('refresh_token_revoked')
    expect(await failures(thief)).toMatchObject({ n: failuresOfSession, end_reason: 'step_up_refused' })
    const rows = await app.deps.sql`select details from audit_log where action = 'session.end' and target_id = ${sessionOf(thief)}`
    expect(rows).toEqual([{ details: { reason: 'step_up_refused' } }])

    expect((await finish(owner, await beginStepUp(owner, 'totp'), { password: owner.password, code: await codeAt(secret) })).status).toBe(200)
    expect(await failures(owner)).toMatchObject({ n: 0, ended_at: null })
  })

  test('of many guesses at once as many are looked at as are left, and then the right code lets nobody in', async () => {
    const { thief, secret } = await twoSessions()
    await guess(thief, secret, failuresOfSession - 2)
    const challenges = await Promise.all(Array.from({ length: 4 }, () => beginStepUp(thief, 'totp')))
    const answers = await Promise.all(challenges.map(async (challenge, i) => finish(thief, challenge, { password: thief.password, code: await codeAt(secret, 40 + i) })))
    expect(answers.filter(({ body }) => body.code === 'proof_invalid').length).toBeLessThanOrEqual(1)
    for (const answer of answers) expect(`${answer.status} ${answer.body.code}`).toMatch(/^(403 (proof_invalid|challenge_ended)|401 session_ended)$/)
    expect(await failures(thief)).toMatchObject({ end_reason: 'step_up_refused' })
    expect(codeOf(await finish(thief, challenges[0] ?? '', { password: thief.password, code: await codeAt(secret) }))).toEqual([401, 'session_ended'])
  })

  test('a right proof gives the tries back: what a person mistypes over time ends nothing', async () => {
    const { owner, secret } = await twoSessions()
    for (let round = 0; round < 3; round += 1) {
      await guess(owner, secret, failuresOfSession - 1)
      later(30)
      expect((await finish(owner, await beginStepUp(owner, 'totp'), { password: owner.password, code: await codeAt(secret) })).status).toBe(200)
    }
    expect(await me(owner)).toEqual([200, undefined])
  })

  test('a try that was taken by a server that then died is not given back: the next one ends the session without a look', async () => {
    const { owner, secret } = await twoSessions()
    await app.deps.sql`update sessions set step_up_failures = ${failuresOfSession} where public_id = ${sessionOf(owner)}`
    expect(codeOf(await finish(owner, await beginStepUp(owner, 'totp'), { password: owner.password, code: await codeAt(secret) }))).toEqual([401, 'session_ended'])
    expect(await failures(owner)).toMatchObject({ end_reason: 'step_up_refused' })
    expect((await appsOf(owner))[0]?.['last_step']).toBeNull()
  })

  test('keeps nobody from a change of the password in another session: wrong ones are counted by session', async () => {
    const owner = await app.as.user()
    const thief = await app.as.userAgain(owner)
    const challenge = await beginStepUp(thief, 'password')
    for (let tries = 0; tries < guessPaces.account.free; tries += 1) expect(codeOf(await finish(thief, challenge, { password: 'not the password' }))).toEqual([403, 'proof_invalid'])
    expect(codeOf(await finish(thief, challenge, { password: 'not the password' }))).toEqual([429, 'rate_limited'])
    expect((await finish(owner, await beginStepUp(owner, 'password'), { password: owner.password })).status).toBe(200)
    const body = { currentPassword: owner.password, newPassword: 'a thoroughly different passphrase 9' }
    expect((await app.call('POST', '/auth/change-password', { token: owner.token, body })).status).toBe(204)
    await expect.poll(() => me(thief)).toEqual([401, 'session_ended'])
  })
})
