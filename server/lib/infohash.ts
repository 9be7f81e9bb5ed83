import { createHash } from 'node:crypto'

/** A version 1 info-hash as this system writes it everywhere: 40 lower-case hexadecimal digits (BEP 3). */
export const infoHashPattern = /^[0-9a-f]{40}$/

const base32Alphabet = 'abcdefghijklmnopqrstuvwxyz234567'

/** Reads 40 hexadecimal digits or 32 of base 32 (BEP 9), in any case; null for anything else. */
export function parseInfoHash(text: string): string | null {
  const lower = text.toLowerCase()
  if (infoHashPattern.test(lower)) return lower
  if (!/^[a-z2-7]{32}$/.test(lower)) return null
  let bits = 0n
  for (const letter of lower) bits = (bits << 5n) | BigInt(base32Alphabet.indexOf(letter))
  return bits.toString(16).padStart(40, '0')
}

/** The info-hash of a raw info dictionary. SHA-1 is what BitTorrent version 1 prescribes; it identifies, it protects nothing. */
export function infoHashOf(infoBytes: Uint8Array): string {
  return createHash('sha1').update(infoBytes).digest('hex')
}
