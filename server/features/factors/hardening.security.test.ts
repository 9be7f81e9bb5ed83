import { base32 } from 'oslo/encoding'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Unavailable } from '../../kit/errors.ts'
import { guessPaces } from '../../kit/guesses.ts'
import { createPasswords, type Passwords } from '../../kit/passwords.ts'
import type { Person } from '../../test/actors.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { addPasskey, createAuthenticator } from '../../test/authenticator.ts'
import { passwordLength } from '../auth/contract.ts'
import { totpCode, totpStep } from './totp.ts'
import { insertTotp } from './totp-factor.ts'

let app: TestApp
let now = new Date()
/** Before a password is looked at. */
let onLook: () => Promise<unknown>
const stock = createPasswords()
const passwords: Passwords = {
  ...stock,
  async matches(hash, password) {
    await onLook()
    return stock.matches(hash, password)
  },
}
beforeAll(async () => {
  app = await startTestApp({ settings: { RATE_LIMIT_FACTOR: '1000' }, overrides: { now: () => now, passwords } })
})
afterAll(() => app[Symbol.asyncDispose]())
beforeEach(() => {
  now = new Date()
  onLook = () => Promise.resolve()
})

const codeAt = (secret: Uint8Array, offset = 0) => totpCode(secret, totpStep(now) + offset)
const codeOf = ({ status, body }: { status: number; body: { code?: string } }) => [status, body.code]
const begin = ({ token }: Pick<Person, 'token'>) => app.call('POST', '/users/me/mfa/totp', { token })
const secretOf = ({ body }: Awaited<ReturnType<typeof begin>>) => base32.decode(body.secret as string)
const confirm = ({ token }: Pick<Person, 'token'>, code: string) => app.call('POST', '/users/me/mfa/totp/confirm', { token, body: { code } })
const factorsOf = ({ userId }: Person) => app.deps.sql`
  select 'totp' as what, id, confirmed_at::text as at, removed_at from totp_factors where user_id = ${userId}
  union all select 'code', id, used_at::text, removed_at from recovery_codes where user_id = ${userId}
  union all select 'passkey', id, name, removed_at from passkeys where user_id = ${userId} order by 1, 2`
const liveSessions = async ({ userId }: Person) => (await app.deps.sql`select public_id from sessions where user_id = ${userId} and ended_at is null`).length

async function enrol(person: Person): Promise<{ secret: Uint8Array; recoveryCodes: string[] }> {
  const secret = secretOf(await begin(person))
  const { status, body } = await confirm(person, await codeAt(secret))
  expect(status).toBe(200)
  return { secret, recoveryCodes: body.recoveryCodes as string[] }
}
/** A factor that comes without the API: as for a session which the enrolment did not end, because it was opened in the same moment. */
const factorBehind = ({ userId }: Person) => app.deps.db.transaction((tx) => insertTotp(app.deps, tx, { userId, confirmedAt: now }))

describe('a session that the password alone let in (control A9)', () => {
  test('is over once its person adds a first factor: by an authenticator app', async () => {
    const owner = await app.as.user()
    const thief = await app.as.userAgain(owner)
    const theirs = secretOf(await begin(thief))
    await enrol(owner)
    const before = await factorsOf(owner)
    expect(codeOf(await confirm(thief, await codeAt(theirs)))).toEqual([401, 'session_ended'])
    await expect.poll(async () => codeOf(await app.call('GET', '/users/me', { token: thief.token }))).toEqual([401, 'session_ended'])
    expect([await factorsOf(owner), await liveSessions(owner)]).toEqual([before, 1])
    expect((await app.call('GET', '/users/me', { token: owner.token })).status).toBe(200)
  })

  test('is over once its person adds a first factor: by a passkey, which also ends what another session had begun', async () => {
    const owner = await app.as.user()
    const thief = await app.as.userAgain(owner)
    const theirs = secretOf(await begin(thief))
    const passkey = await app.call('POST', '/users/me/passkeys/begin', { token: thief.token })
    await addPasskey(app, owner)
    const before = await factorsOf(owner)
    expect(codeOf(await confirm(thief, await codeAt(theirs)))).toEqual([401, 'session_ended'])
    const attestation = createAuthenticator(app.baseUrl).create(passkey.body.options)
    const finished = await app.call('POST', '/users/me/passkeys/finish', { token: thief.token, body: { challengeId: passkey.body.challengeId, name: 'Mine', attestation } })
    expect([401, 403]).toContain(finished.status)
    // nor does the pending app come to count for the owner
    expect(codeOf(await confirm(owner, await codeAt(theirs)))).toEqual([409, 'conflict'])
    expect([await factorsOf(owner), await liveSessions(owner)]).toEqual([before, 1])
  })

  test('does not begin, remove or renew a factor beside one that it did not prove, however fresh its password is', async () => {
    const owner = await app.as.user()
    await factorBehind(owner)
    const before = await factorsOf(owner)
    const attempts = [
      ['POST', '/users/me/mfa/totp'],
      ['DELETE', '/users/me/mfa/totp'],
      ['POST', '/users/me/mfa/recovery-codes'],
      ['POST', '/users/me/passkeys/begin'],
      ['DELETE', '/users/me/passkeys/6f1e4a52-0f6a-4b57-9d4c-8f6d0b1c2d3e'],
    ] as const
    for (const [method, path] of attempts) {
      const refused = await app.call(method, path, { token: owner.token })
      expect([path, ...codeOf(refused), refused.body.methods]).toEqual([path, 403, 'step_up_required', ['totp']])
    }
    expect(await factorsOf(owner)).toEqual(before)
  })

  test('does not finish what it began before there was a factor', async () => {
    const owner = await app.as.user()
    const pending = secretOf(await begin(owner))
    const passkey = await app.call('POST', '/users/me/passkeys/begin', { token: owner.token })
    await factorBehind(owner)
    const before = await factorsOf(owner)
    expect(codeOf(await confirm(owner, await codeAt(pending)))).toEqual([403, 'step_up_required'])
    const attestation = createAuthenticator(app.baseUrl).create(passkey.body.options)
    expect(codeOf(await app.call('POST', '/users/me/passkeys/finish', { token: owner.token, body: { challengeId: passkey.body.challengeId, name: 'Mine', attestation } }))).toEqual([403, 'step_up_required'])
    expect(await factorsOf(owner)).toEqual(before)
  })

  test('of two first enrolments at once, one counts, and the other’s session is over', async () => {
    const owner = await app.as.user()
    const other = await app.as.userAgain(owner)
    const ways = await Promise.all([owner, other].map(async ({ token }) => ({ token, body: (await app.call('POST', '/users/me/passkeys/begin', { token })).body })))
    const answers = await Promise.all(
      ways.map(({ token, body }) => app.call('POST', '/users/me/passkeys/finish', { token, body: { challengeId: body.challengeId, name: 'One', attestation: createAuthenticator(app.baseUrl).create(body.options) } })),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 401 || status === 403)).toHaveLength(1)
    expect([(await factorsOf(owner)).filter(({ what }) => what === 'passkey').length, await liveSessions(owner)]).toEqual([1, 1])
  })

  test('goes on where it was the one that enrolled, and changes factors with the token that it has', async () => {
    const owner = await app.as.user()
    await enrol(owner)
    await addPasskey(app, owner)
    expect((await app.call('POST', '/users/me/mfa/recovery-codes', { token: owner.token })).body.recoveryCodes).toHaveLength(10)
    expect((await app.call('DELETE', '/users/me/mfa/totp', { token: owner.token })).status).toBe(204)
  })
})

describe('an access token in the wrong hands (control A6)', () => {
  const later = (seconds: number) => (now = new Date(now.getTime() + seconds * 1000))
  const beginStepUp = async ({ token }: Person, method: string) => (await app.call('POST', '/auth/step-up/begin', { token, body: { method } })).body.challengeId as string
  const finishStepUp = ({ token }: Person, challengeId: string, proof: object) => app.call('POST', '/auth/step-up/finish', { token, body: { challengeId, ...proof } })
  const triesLeft = async (challengeId: string) => (await app.deps.sql`select tries_left from auth_challenges where id = ${challengeId}`)[0]?.['tries_left']
  const ownGuesses = async () => (await app.deps.sql<{ failures: number }[]>`select coalesce(sum(failures), 0)::int as failures from guess_throttles`)[0]?.failures

  test('keeps its owner from no sign-in: wrong proofs of a step-up are not counted there', async () => {
    const person = await app.as.user()
    const { secret, recoveryCodes: [recoveryCode] } = await enrol(person)
    // the worst case: whoever has the token knows the password, and lacks the factor
    const challenges = [await beginStepUp(person, 'totp'), await beginStepUp(person, 'totp'), await beginStepUp(person, 'totp')]
    const refused = []
    for (const challengeId of challenges.slice(0, 2)) {
      for (let tries = 0; tries < 5; tries += 1) refused.push((await finishStepUp(person, challengeId, { password: person.password, code: await codeAt(secret, 7 + tries) })).body.code)
    }
    expect(refused).toEqual([...Array<string>(9).fill('proof_invalid'), 'session_ended'])
    expect(codeOf(await finishStepUp(person, challenges[2] ?? '', { password: person.password, code: recoveryCode }))).toEqual([401, 'session_ended'])
    later(30)
    const { body } = await app.call('POST', '/auth/sign-in', { body: { email: person.email, password: person.password } })
    const verified = await app.call('POST', '/auth/mfa/verify', { body: { challengeId: body.mfa.challengeId, method: 'totp', code: await codeAt(secret) } })
    expect([verified.status, verified.body.status]).toEqual([200, 'signed_in'])
  })

  test('guesses at the password by the counter of passwords alone: no try of a challenge is lost', async () => {
    const person = await app.as.user()
    const { secret, recoveryCodes: [recoveryCode] } = await enrol(person)
    const challengeId = await beginStepUp(person, 'recovery_code')
    for (let tries = 0; tries < guessPaces.account.free; tries += 1) expect(codeOf(await finishStepUp(person, challengeId, { password: 'wrong', code: recoveryCode }))).toEqual([403, 'proof_invalid'])
    expect(codeOf(await finishStepUp(person, challengeId, { password: 'wrong', code: recoveryCode }))).toEqual([429, 'rate_limited'])
    expect(await triesLeft(challengeId)).toBe(5)
    later(60)
    expect((await finishStepUp(person, challengeId, { password: person.password, code: await codeAt(secret) })).status).toBe(200)
  })

  test('a machine that is too busy to look at the password takes no try, of the password or of the challenge', async () => {
    const person = await app.as.user()
    const challengeId = await beginStepUp(person, 'password')
    const before = await ownGuesses()
    onLook = () => Promise.reject(new Unavailable('too many passwords are being hashed'))
    for (let tries = 0; tries <= guessPaces.account.free; tries += 1) expect((await finishStepUp(person, challengeId, { password: person.password })).status).toBe(503)
    expect([await triesLeft(challengeId), await ownGuesses()]).toEqual([5, before])
    onLook = () => Promise.resolve()
    expect((await finishStepUp(person, challengeId, { password: person.password })).status).toBe(200)
  })
})

describe('a role that was taken meanwhile (control A13)', () => {
  const demote = ({ userId }: Person, role = 'user') => app.deps.sql`update users set role = ${role} where id = ${userId}`

  test('between the password and the session: the sign-in is refused, and no session has the old role', async () => {
    const person = await app.as.user()
    await demote(person, 'admin')
    const before = await liveSessions(person)
    onLook = () => demote(person)
    const { email, password } = person
    expect(codeOf(await app.call('POST', '/auth/sign-in', { body: { email, password } }))).toEqual([401, 'invalid_credentials'])
    expect(await liveSessions(person)).toBe(before)
  })

  test('makes no invite and resets no factors, by a token that still says it', async () => {
    const [admin, moderator] = [await app.as.admin(), await app.as.moderator()]
    await demote(admin, 'moderator')
    const rows = () => Promise.all([factorsOf(moderator), app.deps.sql`select id from invites`])
    const before = await rows()
    expect(codeOf(await app.call('POST', `/admin/users/${moderator.userId}/reset-mfa`, { token: admin.token }))).toEqual([401, 'session_ended'])
    expect(codeOf(await app.call('POST', '/admin/invites', { token: admin.token, body: {} }))).toEqual([401, 'session_ended'])
    expect(await rows()).toEqual(before)
  })
})

describe('a session at its end (control A4)', () => {
  const seconds = (count: number) => new Date(now.getTime() + count * 1000).toISOString()

  test.each(['expires_at', 'absolute_expires_at'])('is not stepped up past its %s, and is left as it was', async (column) => {
    const person = await app.as.user()
    const { body } = await app.call('POST', '/auth/step-up/begin', { token: person.token, body: { method: 'password' } })
    await app.deps.sql`update sessions set ${app.deps.sql(column)} = ${seconds(-1)} where user_id = ${person.userId}`
    const rows = () => app.deps.sql`select * from sessions where user_id = ${person.userId}`
    const before = await rows()
    now = new Date(now.getTime() + 1000)
    expect(codeOf(await app.call('POST', '/auth/step-up/finish', { token: person.token, body: { challengeId: body.challengeId, password: person.password } }))).toEqual([401, 'session_ended'])
    expect(await rows()).toEqual(before)
  })

  test('gives no access token that outlives it, by a refresh or a step-up', async () => {
    now = new Date(Math.floor(now.getTime() / 1000) * 1000)
    const person = await app.as.user()
    const end = seconds(300)
    await app.deps.sql`update sessions set absolute_expires_at = ${end} where user_id = ${person.userId}`
    const { body: refreshed } = await app.call('POST', '/auth/refresh', { body: { refreshToken: person.refreshToken } })
    const { body: { challengeId } } = await app.call('POST', '/auth/step-up/begin', { token: person.token, body: { method: 'password' } })
    const { body: steppedUp } = await app.call('POST', '/auth/step-up/finish', { token: person.token, body: { challengeId, password: person.password } })
    expect([refreshed.tokens.accessTokenExpiresAt, steppedUp.tokens.accessTokenExpiresAt]).toEqual([end, end])
    now = new Date(now.getTime() + 306_000)
    for (const { tokens } of [refreshed, steppedUp]) expect(codeOf(await app.call('GET', '/users/me', { token: tokens.accessToken }))).toEqual([401, 'access_token_expired'])
  })
})

test('sign-ins of one person that end at the same time do not wait for each other in a circle', async () => {
  const person = await app.as.user()
  const authenticators = []
  for (let count = 0; count < 4; count += 1) authenticators.push((await addPasskey(app, person)).authenticator)
  for (let round = 0; round < 3; round += 1) {
    const challenges = await Promise.all(authenticators.map(async () => (await app.call('POST', '/auth/passkey/begin')).body))
    const answers = await Promise.all(
      authenticators.map((authenticator, i) => app.call('POST', '/auth/passkey/finish', { body: { challengeId: challenges[i].challengeId, assertion: authenticator.get(challenges[i].options) } })),
    )
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
  }
})

test('an authenticator app that waits for its first code takes few wrong ones, however often it is begun, and of many at once no more (control A6)', async () => {
  const person = await app.as.user()
  let secret = secretOf(await begin(person))
  // nothing wrong is counted for what does not wait
  const stranger = await app.as.user()
  for (let tries = 0; tries <= guessPaces.code.free; tries += 1) expect(codeOf(await confirm(stranger, '000000'))).toEqual([409, 'conflict'])
  const codes = await Promise.all(Array.from({ length: 12 }, (_, i) => codeAt(secret, 5 + i)))
  const answers = await Promise.all(codes.map((code) => confirm(person, code)))
  expect(answers.filter(({ body }) => body.code === 'proof_invalid')).toHaveLength(guessPaces.code.free)
  expect(answers.filter(({ body }) => body.code === 'rate_limited')).toHaveLength(12 - guessPaces.code.free)
  secret = secretOf(await begin(person))
  const before = await factorsOf(person)
  expect(codeOf(await confirm(person, await codeAt(secret)))).toEqual([429, 'rate_limited'])
  expect(await factorsOf(person)).toEqual(before)
  now = new Date(now.getTime() + (guessPaces.code.firstSeconds + 1) * 1000)
  expect((await confirm(person, await codeAt(secret))).body.recoveryCodes).toHaveLength(10)
})

test('a password of as many characters as are allowed steps up, whatever they weigh in UTF-16 (control A5)', async () => {
  const person = await app.as.user()
  const password = '🦉'.repeat(passwordLength.max)
  await app.deps.sql`update users set password_hash = ${await app.deps.passwords.hash(password)} where id = ${person.userId}`
  const { body: { challengeId } } = await app.call('POST', '/auth/step-up/begin', { token: person.token, body: { method: 'password' } })
  const finish = (given: string) => app.call('POST', '/auth/step-up/finish', { token: person.token, body: { challengeId, password: given } })
  const refused = await finish(`${password}🦉`)
  expect([...codeOf(refused), refused.body.errors[0].code]).toEqual([422, 'validation_failed', 'too_long'])
  expect((await finish(password)).status).toBe(200)
})
