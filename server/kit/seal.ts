import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync, randomBytes, type KeyObject } from 'node:crypto'

const version = 1
const ivLength = 12
const tagLength = 16

/** What a secret is used for; each purpose has a key of its own (RFC 5869). */
export type SealPurpose = 'column' | 'key' | 'mail' | 'successor'

export type Sealer = {
  /** AES-256-GCM. `context` is authenticated, not stored: a value sealed for one row does not open in another. */
  seal(purpose: SealPurpose, context: string, plain: string | Uint8Array): Uint8Array
  /** @throws Error when the value was altered, or sealed for another purpose, context or secret. */
  open(purpose: SealPurpose, context: string, sealed: Uint8Array): Uint8Array
  openText(purpose: SealPurpose, context: string, sealed: Uint8Array): string
  /** A keyed hash by which a sealed value is found (control C5). */
  lookup(context: string, value: string): Uint8Array
}

/** Seals under one secret of at least 256 bits: the operator's, a key of the `keys` table, a token that only its bearer knows. */
export function createSealer(secret: Uint8Array): Sealer {
  // as key objects: to take the bytes in again cost each hash five times what the hash does
  const derive = (info: string) => createSecretKey(new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(0), `torrent-streamer/${info}`, 32)))
  const derived = new Map<string, KeyObject>()
  const keyFor = (purpose: SealPurpose | 'lookup'): KeyObject => {
    const key = derived.get(purpose) ?? derive(purpose)
    derived.set(purpose, key)
    return key
  }

  const open: Sealer['open'] = (purpose, context, sealed) => {
    if (sealed.length < 1 + ivLength + tagLength || sealed[0] !== version) throw new Error('sealed value of an unknown form')
    const decipher = createDecipheriv('aes-256-gcm', keyFor(purpose), sealed.subarray(1, 1 + ivLength), { authTagLength: tagLength })
    decipher.setAAD(Buffer.from(`${purpose}\0${context}`))
    decipher.setAuthTag(sealed.subarray(-tagLength))
    return Buffer.concat([decipher.update(sealed.subarray(1 + ivLength, -tagLength)), decipher.final()])
  }
  return {
    open,
    openText: (purpose, context, sealed) => Buffer.from(open(purpose, context, sealed)).toString('utf8'),
    seal(purpose, context, plain) {
      const iv = randomBytes(ivLength)
      const cipher = createCipheriv('aes-256-gcm', keyFor(purpose), iv, { authTagLength: tagLength })
      cipher.setAAD(Buffer.from(`${purpose}\0${context}`))
      const body = typeof plain === 'string' ? cipher.update(plain, 'utf8') : cipher.update(plain)
      return Buffer.concat([Buffer.from([version]), iv, body, cipher.final(), cipher.getAuthTag()])
    },
    lookup: (context, value) => createHmac('sha256', keyFor('lookup')).update(`${context}\0${value}`).digest(),
  }
}

const keyedVersion = 2
const idLength = 16

/** The secrets that columns are sealed with, by id; one of them seals. */
export type SealingKeys = {
  current(): { id: string; sealer: Sealer }
  opening(id: string): Sealer | null
  lookup(): Sealer
}

/** What values of version 1 were sealed with: the operator secret of that time, kept as a key of this id. */
export const firstKeyId = 'v1'

/** What begins every value that a key has sealed. */
export const sealHeader = (keyId: string): Uint8Array => (keyId === firstKeyId ? Buffer.from([version]) : Buffer.from(`0${keyedVersion}${keyId.replaceAll('-', '')}`, 'hex'))

/** Seals with keys that can be replaced: a version byte and the id of the key (a UUID) stand before what createSealer makes. */
export function createKeyedSealer(keys: SealingKeys): Sealer {
  const open: Sealer['open'] = (purpose, context, sealed) => {
    const keyed = sealed[0] === keyedVersion
    const hex = Buffer.from(sealed.subarray(1, 1 + idLength)).toString('hex')
    const id = keyed ? hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5') : firstKeyId
    const sealer = keys.opening(id)
    if (!sealer) throw new Error(`the key ${id} of a sealed value is not here`)
    return sealer.open(purpose, context, keyed ? sealed.subarray(1 + idLength) : sealed)
  }
  return {
    open,
    openText: (purpose, context, sealed) => Buffer.from(open(purpose, context, sealed)).toString('utf8'),
    seal(purpose, context, plain) {
      const { id, sealer } = keys.current()
      return Buffer.concat([sealHeader(id), sealer.seal(purpose, context, plain)])
    },
    lookup: (context, value) => keys.lookup().lookup(context, value),
  }
}
