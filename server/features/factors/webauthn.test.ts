import { createHash, createPrivateKey, sign } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { readConfig } from '../../config.ts'
import { readAssertion, verifyCreation } from './webauthn.ts'
import vectors from './webauthn.vectors.json' with { type: 'json' }

// One registration and one assertion, made once: what verifies them today must verify them after every update of the library.

const { origin, key, registration, assertion } = vectors
const { config } = readConfig({ DATA_DIR: '/nonexistent' })
const site = { publicUrl: () => origin, config }
const bytes = (text: string) => Buffer.from(text, 'base64url')
const sha256 = (value: string | Uint8Array) => createHash('sha256').update(value).digest()
/** COSE (RFC 9053): an EC2 key (1: 2) for ES256 (3: -7) on P-256 (-1: 1) with its point. */
const publicKey = Buffer.concat([Buffer.from('a5010203262001215820', 'hex'), bytes(key.x), Buffer.from('225820', 'hex'), bytes(key.y)])
const stored = { credentialId: Buffer.from(Array.from({ length: 32 }, (_, i) => i)), publicKey, counter: 1, transports: ['internal', 'hybrid'] }

type Change = {
  clientData?: Record<string, unknown>
  authData?: (authData: Buffer) => unknown
}
const changed = (text: string, change: Change['authData']): Buffer => {
  const copy = bytes(text)
  change?.(copy)
  return copy
}
const withClientData = (text: string, change: Change['clientData']) => Buffer.from(JSON.stringify({ ...(JSON.parse(bytes(text).toString()) as object), ...change }))

// Where things stand in authenticator data (WebAuthn, 6.1): 32 bytes of the RP id's hash, the flags, four bytes of counter.
const [rpIdHash, flags, counter] = [0, 32, 33]
const anotherRpId = (authData: Buffer, from = 0) => sha256('example.org').copy(authData, from + rpIdHash)
const notVerified = (authData: Buffer, from = 0) => authData.writeUInt8(authData.readUInt8(from + flags) & ~0x04, from + flags)
const otherChallenge = sha256('another').toString('base64url')

describe('a stored registration', () => {
  const { clientDataJSON, attestationObject } = registration.credential.response
  const start = bytes(attestationObject).indexOf(sha256(vectors.rpId))
  const verify = (change: Change = {}) => {
    const response = { ...registration.credential.response, clientDataJSON: withClientData(clientDataJSON, change.clientData).toString('base64url'), attestationObject: changed(attestationObject, change.authData).toString('base64url') }
    return verifyCreation(site, bytes(registration.challenge), JSON.stringify({ ...registration.credential, response }))
  }

  test('gives the credential that was made, its key that of RFC 6979', async () => {
    const made = await verifyCreation(site, bytes(registration.challenge), JSON.stringify(registration.credential))
    expect(made && { ...made, credentialId: Buffer.from(made.credentialId), publicKey: Buffer.from(made.publicKey) }).toEqual({ ...stored, backedUp: false })
    expect(await verify()).toEqual(made)
  })

  test.each<[string, Change]>([
    ['another origin', { clientData: { origin: 'https://tv.example.org.evil.example' } }],
    ['the origin by another port', { clientData: { origin: `${origin}:8443` } }],
    ['another RP id', { authData: (object) => anotherRpId(object, start) }],
    ['another challenge', { clientData: { challenge: otherChallenge } }],
    ['what was signed to sign in', { clientData: { type: 'webauthn.get' } }],
    ['no user verification', { authData: (object) => notVerified(object, start) }],
  ])('with %s gives none', async (_what, change) => {
    expect(await verify(change)).toBeNull()
  })
})

describe('a stored assertion', () => {
  const { response } = assertion.credential
  type Signed = { clientDataJSON: Buffer; authenticatorData: Buffer; signature: Buffer }
  const verify = async ({ clientDataJSON, authenticatorData, signature }: Signed, against = stored) => {
    const text = JSON.stringify({ ...assertion.credential, response: { ...response, clientDataJSON: clientDataJSON.toString('base64url'), authenticatorData: authenticatorData.toString('base64url'), signature: signature.toString('base64url') } })
    return readAssertion(text)?.verify(site, bytes(assertion.challenge), against)
  }
  const original: Signed = { clientDataJSON: bytes(response.clientDataJSON), authenticatorData: bytes(response.authenticatorData), signature: bytes(response.signature) }
  /** Signed anew by its own key, so that nothing but the change is wrong. */
  const falsified = (change: Change): Signed => {
    const [clientDataJSON, authenticatorData] = [withClientData(response.clientDataJSON, change.clientData), changed(response.authenticatorData, change.authData)]
    return { clientDataJSON, authenticatorData, signature: sign('sha256', Buffer.concat([authenticatorData, sha256(clientDataJSON)]), createPrivateKey({ key, format: 'jwk' })) }
  }

  test('names its credential and its person', () => {
    const read = readAssertion(JSON.stringify(assertion.credential))
    expect([read && Buffer.from(read.credentialId), read?.userId]).toEqual([stored.credentialId, bytes(vectors.userHandle).toString('hex')])
  })

  test('is verified by the stored key, and so is what is signed anew without a change', async () => {
    expect(await verify(original)).toEqual({ counter: 2, backedUp: false })
    expect(await verify(falsified({}))).toEqual({ counter: 2, backedUp: false })
  })

  test.each<[string, Change]>([
    ['another origin', { clientData: { origin: 'https://tv.example.org.evil.example' } }],
    ['the origin by another port', { clientData: { origin: `${origin}:8443` } }],
    ['another RP id', { authData: (authData) => anotherRpId(authData) }],
    ['another challenge', { clientData: { challenge: otherChallenge } }],
    ['what was signed to make a passkey', { clientData: { type: 'webauthn.create' } }],
    ['the counter it had before', { authData: (authData) => authData.writeUInt32BE(1, counter) }],
    ['a lower counter', { authData: (authData) => authData.writeUInt32BE(0, counter) }],
    ['no user verification', { authData: (authData) => notVerified(authData) }],
    ['nobody present', { authData: (authData) => authData.writeUInt8(0x04, flags) }],
  ])('is refused with %s, though its own key signed that', async (_what, change) => {
    expect(await verify(falsified(change))).toBeNull()
  })

  test('as it is, it is refused where the counter is further already', async () => {
    for (const at of [2, 3]) expect(await verify(original, { ...stored, counter: at })).toBeNull()
  })

  test('is refused with a bit flipped in any byte of the two numbers of its signature', async () => {
    // DER: 30 45, 02 21 00 and 32 bytes of r, 02 20 and 32 bytes of s; how the library reads the lengths around them proves nothing
    for (const i of [5, 39].flatMap((start) => Array.from({ length: 32 }, (_, n) => start + n))) {
      const signature = Buffer.from(original.signature)
      signature.writeUInt8(signature.readUInt8(i) ^ 0x01, i)
      expect([i, await verify({ ...original, signature })]).toEqual([i, null])
    }
  })

  test('is refused with another key, though it differs by a sign alone', async () => {
    // the point of the same x on the other side of the curve: its y is the prime of P-256 less ours
    const prime = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n
    const y = Buffer.from((prime - BigInt(`0x${bytes(key.y).toString('hex')}`)).toString(16).padStart(64, '0'), 'hex')
    expect(await verify(original, { ...stored, publicKey: Buffer.concat([publicKey.subarray(0, -32), y]) })).toBeNull()
  })
})
