import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'
import type { Person } from './actors.ts'
import type { TestApp } from './app.ts'

/** What an authenticator says, of which a test may falsify any part. */
export type Says = {
  type?: string
  origin?: string
  challenge?: string
  rpId?: string
  counter?: number
  userPresent?: boolean
  userVerified?: boolean
  crossOrigin?: boolean
  topOrigin?: string
  credentialId?: Uint8Array
  userHandle?: string
  /** Signs with another key. */
  key?: KeyObject
  /** Changes the signature after it was made. */
  alter?: (signature: Buffer) => Buffer
  attestation?: { fmt: string; attStmt: Map<Cbor, Cbor> }
}

/** An authenticator in software, as a phone or browser would answer (WebAuthn level 3): a real P-256 key, real CBOR and COSE. */
export type Authenticator = {
  credentialId: Buffer
  counter: number
  /** For the JSON text of creation options: what `create()` gives, as JSON text. */
  create(options: string, says?: Says): string
  /** For the JSON text of request options: what `get()` gives. */
  get(options: string, says?: Says): string
}

type Options = { challenge: string; rpId?: string; rp?: { id: string }; user?: { id: string } }

type Making = { counts?: boolean; privateKey?: KeyObject; credentialId?: Buffer }

/** @param origin where the page or app stands that asks. @param making.counts whether it keeps a counter: many do not. The key is a new one unless given. */
export function createAuthenticator(origin: string, making: Making = {}): Authenticator {
  const { counts = true, privateKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, credentialId = randomBytes(32) } = making
  const { x = '', y = '' } = privateKey.export({ format: 'jwk' })
  const cose = cbor(new Map<Cbor, Cbor>([[1, 2], [3, -7], [-1, 1], [-2, Buffer.from(x, 'base64url')], [-3, Buffer.from(y, 'base64url')]]))
  let userHandle: string | undefined

  const clientData = (type: string, options: Options, says: Says) =>
    Buffer.from(JSON.stringify({ type: says.type ?? type, challenge: says.challenge ?? options.challenge, origin: says.origin ?? origin, crossOrigin: says.crossOrigin ?? false, ...(says.topOrigin ? { topOrigin: says.topOrigin } : {}) }))
  const authData = (rpId: string, says: Says, attested?: Buffer) => {
    const counter = Buffer.alloc(4)
    counter.writeUInt32BE(says.counter ?? authenticator.counter)
    const flags = ((says.userPresent ?? true) ? 0x01 : 0) | ((says.userVerified ?? true) ? 0x04 : 0) | (attested ? 0x40 : 0)
    return Buffer.concat([sha256(says.rpId ?? rpId), Buffer.from([flags]), counter, attested ?? Buffer.alloc(0)])
  }

  const authenticator: Authenticator = {
    credentialId,
    counter: 0,
    create(text, says = {}) {
      const options = JSON.parse(text) as Options
      if (counts) authenticator.counter += 1
      userHandle = options.user?.id
      const id = Buffer.from(says.credentialId ?? credentialId)
      const attested = Buffer.concat([Buffer.alloc(16), Buffer.from([id.length >> 8, id.length & 0xff]), id, cose])
      const { fmt, attStmt } = says.attestation ?? { fmt: 'none', attStmt: new Map() }
      const attestationObject = cbor(new Map<Cbor, Cbor>([['fmt', fmt], ['attStmt', attStmt], ['authData', authData(options.rp?.id ?? '', says, attested)]]))
      return credential(id, { clientDataJSON: clientData('webauthn.create', options, says), attestationObject }, { transports: ['internal', 'hybrid'] })
    },
    get(text, says = {}) {
      const options = JSON.parse(text) as Options
      if (counts) authenticator.counter += 1
      const clientDataJSON = clientData('webauthn.get', options, says)
      const authenticatorData = authData(options.rpId ?? '', says)
      const signature = sign('sha256', Buffer.concat([authenticatorData, sha256(clientDataJSON)]), says.key ?? privateKey)
      const handle = says.userHandle ?? userHandle
      return credential(Buffer.from(says.credentialId ?? credentialId), { clientDataJSON, authenticatorData, signature: says.alter?.(signature) ?? signature }, handle ? { userHandle: handle } : {})
    },
  }
  return authenticator
}

/** Someone adds a passkey, through the API. */
export async function addPasskey(app: TestApp, { token }: Pick<Person, 'token'>, authenticator = createAuthenticator(app.baseUrl), name = 'Phone') {
  const begun = await app.call('POST', '/users/me/passkeys/begin', { token })
  if (begun.status !== 200) throw new Error(`no passkey could be begun: ${JSON.stringify(begun.body)}`)
  const { status, body } = await app.call('POST', '/users/me/passkeys/finish', { token, body: { challengeId: begun.body.challengeId, name, attestation: authenticator.create(begun.body.options) } })
  if (status !== 200) throw new Error(`no passkey could be added: ${JSON.stringify(body)}`)
  return { authenticator, passkey: body.passkey as { id: string; name: string }, recoveryCodes: body.recoveryCodes as string[] }
}

const sha256 = (value: string | Uint8Array) => createHash('sha256').update(value).digest()

function credential(id: Buffer, binary: Record<string, Buffer>, more: object): string {
  const response = { ...Object.fromEntries(Object.entries(binary).map(([name, value]) => [name, value.toString('base64url')])), ...more }
  return JSON.stringify({ id: id.toString('base64url'), rawId: id.toString('base64url'), type: 'public-key', clientExtensionResults: {}, authenticatorAttachment: 'platform', response })
}

export type Cbor = number | string | Buffer | Cbor[] | Map<Cbor, Cbor>

/** As much of CBOR (RFC 8949) as authenticators speak. */
export function cbor(value: Cbor): Buffer {
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value)
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)])
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value])
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(cbor)])
  return Buffer.concat([head(5, value.size), ...[...value].flatMap(([key, one]) => [cbor(key), cbor(one)])])
}

function head(major: number, length: number): Buffer {
  if (length < 24) return Buffer.from([(major << 5) | length])
  if (length < 256) return Buffer.from([(major << 5) | 24, length])
  return Buffer.from([(major << 5) | 25, length >> 8, length & 0xff])
}
