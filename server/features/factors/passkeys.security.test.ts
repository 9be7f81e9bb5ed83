import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Person } from '../../test/actors.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { addPasskey, createAuthenticator, type Authenticator, type Cbor, type Says } from '../../test/authenticator.ts'

const fingerprint = Array.from({ length: 32 }, (_, i) => i.toString(16).padStart(2, '0').toUpperCase()).join(':')
const androidOrigin = `android:apk-key-hash:${Buffer.from(fingerprint.replaceAll(':', ''), 'hex').toString('base64url')}`

let app: TestApp
let person: Person
let authenticator: Authenticator
beforeAll(async () => {
  app = await startTestApp({ settings: { RATE_LIMIT_FACTOR: '1000', ANDROID_APPS: `org.example.tv=${fingerprint}`, IOS_APPS: 'ABCDE12345.org.example.tv' } })
  person = await app.as.user()
  ;({ authenticator } = await addPasskey(app, person))
})
afterAll(() => app[Symbol.asyncDispose]())

const begin = async () => (await app.call('POST', '/auth/passkey/begin')).body as { challengeId: string; options: string }
const finish = (challengeId: string, assertion: string, more: object = {}) => app.call('POST', '/auth/passkey/finish', { body: { challengeId, assertion, ...more } })
const state = async () => [await app.deps.sql`select id, counter, last_used_at, removed_at from passkeys order by id`, await app.deps.sql`select public_id, methods, ended_at from sessions order by public_id`]
const anotherKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

describe('signing in by a passkey alone', () => {
  test('opens a session that counts as two factors, of the device that is named', async () => {
    const { challengeId, options } = await begin()
    expect(JSON.parse(options)).toMatchObject({ rpId: 'localhost', userVerification: 'required' })
    const { status, body } = await finish(challengeId, authenticator.get(options), { device: { name: 'Pixel', platform: 'android' } })
    expect([status, body.status, body.user.id]).toEqual([200, 'signed_in', person.userId])
    const [session] = await app.deps.sql`select methods, device_name from sessions order by created_at desc limit 1`
    expect(session).toEqual({ methods: ['passkey'], device_name: 'Pixel' })
    const [listed] = (await app.call('GET', '/users/me/passkeys', { token: body.tokens.accessToken })).body.items
    expect(listed).toMatchObject({ name: 'Phone', lastUsedAt: expect.any(String), backedUp: false })
  })

  test.each([['an Android app that the operator named', () => androidOrigin], ['an iOS app, which speaks as the domain', () => 'https://localhost']])('works in %s', async (_what, origin) => {
    const { challengeId, options } = await begin()
    expect((await finish(challengeId, authenticator.get(options, { origin: origin() }))).status).toBe(200)
  })

  test('works for a passkey that keeps no counter, again and again', async () => {
    const { authenticator: plain } = await addPasskey(app, await app.as.user(), createAuthenticator(app.baseUrl, { counts: false }))
    for (let i = 0; i < 2; i += 1) {
      const { challengeId, options } = await begin()
      expect((await finish(challengeId, plain.get(options))).status).toBe(200)
    }
  })

  const refusals: [string, (options: string) => Promise<Says> | Says][] = [
    ['another origin', () => ({ origin: 'https://evil.example' })],
    ['our host by another port', () => ({ origin: 'http://localhost:1' })],
    ['an Android app that is not named', () => ({ origin: `android:apk-key-hash:${'A'.repeat(43)}` })],
    ['another RP id', () => ({ rpId: 'evil.example' })],
    ['another challenge', async () => ({ challenge: (JSON.parse((await begin()).options) as { challenge: string }).challenge })],
    ['the counter it had before', () => ({ counter: authenticator.counter - 1 })],
    ['a counter that went back to nothing', () => ({ counter: 0 })],
    ['no user verification', () => ({ userVerified: false })],
    ['nobody present', () => ({ userPresent: false })],
    ['the key of another', () => ({ key: anotherKey() })],
    ['an altered signature', () => ({ alter: (signature) => (signature.writeUInt8(signature.readUInt8(signature.length - 1) ^ 1, signature.length - 1), signature) })],
    ['what was signed to make a passkey', () => ({ type: 'webauthn.create' })],
    ['a page of ours within another site’s', () => ({ crossOrigin: true, topOrigin: 'https://evil.example' })],
    ['an unknown credential', () => ({ credentialId: Buffer.alloc(32, 7) })],
    ['somebody else’s user handle', () => ({ userHandle: Buffer.alloc(16, 7).toString('base64url') })],
  ]
  test.each(refusals)('is refused for %s, and nothing is changed', async (_what, says) => {
    const { challengeId, options } = await begin()
    const assertion = authenticator.get(options, await says(options))
    const before = await state()
    const answer = await finish(challengeId, assertion)
    expect([answer.status, answer.body.code]).toEqual([401, 'proof_invalid'])
    expect(await state()).toEqual(before)
    // the same authenticator, telling the truth
    expect((await finish(challengeId, authenticator.get(options))).status).toBe(200)
  })

  test('an answer is good once, and for its own challenge', async () => {
    const [first, second] = [await begin(), await begin()]
    const assertion = authenticator.get(first.options)
    expect((await finish(second.challengeId, assertion)).body.code).toBe('proof_invalid')
    expect((await finish(first.challengeId, assertion)).status).toBe(200)
    const before = await state()
    expect((await finish(first.challengeId, assertion)).body.code).toBe('challenge_ended')
    expect((await finish(second.challengeId, assertion)).body.code).toBe('proof_invalid')
    expect(await state()).toEqual(before)
  })

  test('of many that send one answer at once, one gets in', async () => {
    const { challengeId, options } = await begin()
    const assertion = authenticator.get(options)
    const before = await app.deps.sql`select 1 from sessions`
    const answers = await Promise.all(Array.from({ length: 5 }, () => finish(challengeId, assertion)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(await app.deps.sql`select 1 from sessions`).toHaveLength(before.length + 1)
  })

  test.each(['', '{}', '[]', 'null', '{"id":1}', 'x'.repeat(20_001), JSON.stringify({ id: 'a', rawId: 'a', type: 'public-key', response: { clientDataJSON: 'e30', authenticatorData: 'AA', signature: 'AA' } })])('what is no answer is refused, never a fault (%#)', async (assertion) => {
    const { challengeId } = await begin()
    expect([401, 422]).toContain((await finish(challengeId, assertion)).status)
  })

  test('is refused once the passkey was removed', async () => {
    const owner = await app.as.user()
    const { authenticator: own, passkey } = await addPasskey(app, owner)
    expect((await app.call('DELETE', `/users/me/passkeys/${passkey.id}`, { token: owner.token })).status).toBe(204)
    const { challengeId, options } = await begin()
    expect((await finish(challengeId, own.get(options))).body.code).toBe('proof_invalid')
    expect((await app.call('POST', '/auth/sign-in', { body: owner })).status).toBe(422)
    expect((await app.call('POST', '/auth/sign-in', { body: { email: owner.email, password: owner.password } })).body.status).toBe('signed_in')
  })

  test('a banned person is told so, and gets nothing', async () => {
    const owner = await app.as.user()
    const { authenticator: own } = await addPasskey(app, owner)
    await app.deps.sql`update users set banned_at = now() where id = ${owner.userId}`
    const { challengeId, options } = await begin()
    const before = await state()
    expect((await finish(challengeId, own.get(options))).body.code).toBe('account_banned')
    expect(await state()).toEqual(before)
  })
})

describe('a passkey as the second factor', () => {
  test('ends the sign-in of its owner; another’s does not', async () => {
    const { body } = await app.call('POST', '/auth/sign-in', { body: { email: person.email, password: person.password } })
    expect(body.mfa.methods).toEqual(['passkey', 'recovery_code'])
    const asked = JSON.parse(body.mfa.passkeyOptions as string) as { allowCredentials: { id: string }[] }
    expect(asked.allowCredentials.map(({ id }) => id)).toEqual([authenticator.credentialId.toString('base64url')])
    const { authenticator: foreign } = await addPasskey(app, await app.as.user())
    const answer = (assertion: string) => app.call('POST', '/auth/mfa/verify', { body: { challengeId: body.mfa.challengeId, method: 'passkey', assertion } })
    const before = await state()
    expect((await answer(foreign.get(body.mfa.passkeyOptions))).body.code).toBe('proof_invalid')
    expect(await state()).toEqual(before)
    expect((await answer(authenticator.get(body.mfa.passkeyOptions))).status).toBe(200)
  })
})

describe('adding a passkey', () => {
  const beginAdding = async (token: string) => (await app.call('POST', '/users/me/passkeys/begin', { token })).body as { challengeId: string; options: string }
  const finishAdding = (token: string, challengeId: string, attestation: string) => app.call('POST', '/users/me/passkeys/finish', { token, body: { challengeId, name: 'Key', attestation } })

  test('asks for one that is found without a name, and is unlocked; the first brings recovery codes', async () => {
    const owner = await app.as.user()
    const { options } = await beginAdding(owner.token)
    expect(JSON.parse(options)).toMatchObject({ rp: { id: 'localhost' }, attestation: 'none', authenticatorSelection: { residentKey: 'required', userVerification: 'required' } })
    expect((await addPasskey(app, owner)).recoveryCodes).toHaveLength(10)
    expect((await addPasskey(app, owner)).recoveryCodes).toEqual([])
    expect((await app.call('GET', '/users/me/passkeys', { token: owner.token })).body.items).toHaveLength(2)
  })

  const refusals: [string, Says][] = [
    ['another origin', { origin: 'https://evil.example' }],
    ['another RP id', { rpId: 'evil.example' }],
    ['another challenge', { challenge: Buffer.alloc(32).toString('base64url') }],
    ['no user verification', { userVerified: false }],
    ['nobody present', { userPresent: false }],
    ['what was signed to sign in', { type: 'webauthn.get' }],
    ['a maker’s certificate, which could name addresses to ask', { attestation: { fmt: 'packed', attStmt: new Map<Cbor, Cbor>([['alg', -7], ['sig', Buffer.alloc(70)], ['x5c', [Buffer.alloc(500)]]]) } }],
    ['an attestation of another format', { attestation: { fmt: 'android-safetynet', attStmt: new Map<Cbor, Cbor>([['ver', '1'], ['response', Buffer.from('x')]]) } }],
  ]
  test.each(refusals)('is refused for %s, and nothing is changed', async (_what, says) => {
    const { token } = await app.as.user()
    const { challengeId, options } = await beginAdding(token)
    const before = await state()
    const answer = await finishAdding(token, challengeId, createAuthenticator(app.baseUrl).create(options, says))
    expect([answer.status, answer.body.code]).toEqual([403, 'proof_invalid'])
    expect(await state()).toEqual(before)
  })

  test('is refused for a credential that somebody has, and for the challenge of another session', async () => {
    const [one, other] = [await app.as.user(), await app.as.user()]
    const { challengeId, options } = await beginAdding(one.token)
    const before = await state()
    expect((await finishAdding(other.token, challengeId, createAuthenticator(app.baseUrl).create(options))).body.code).toBe('challenge_ended')
    expect((await finishAdding(one.token, challengeId, createAuthenticator(app.baseUrl).create(options, { credentialId: authenticator.credentialId }))).status).toBe(409)
    expect(await state()).toEqual(before)
  })
})
