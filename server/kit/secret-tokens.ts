import { createHash, timingSafeEqual } from 'node:crypto'

/** 32 random bytes for people and machines to carry; only tokenHash() of it is stored. */
export const secretToken = (randomBytes: (n: number) => Uint8Array, prefix = ''): string => prefix + Buffer.from(randomBytes(32)).toString('base64url')

export const tokenHash = (token: string): Uint8Array => createHash('sha256').update(token).digest()

export const sha256 = (value: string | Uint8Array): Uint8Array => createHash('sha256').update(value).digest()

/** Equal in constant time; lengths may differ openly. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
