import { createHash } from 'node:crypto'
import { sameBytes } from './secret-tokens.ts'

/** What people type, and what guides and compose files show, where a secret belongs. */
export const examples = ['', 'secret', 'password', 'passw0rd', 'changeme', 'change-me', 'change_me', 'changeit', 'example', 'test', 'admin', 'root', 'postgres', 'torrent-streamer', 'ts_app', 'pass', '123456', '12345678', 'letmein', 'default', 'mysecretpassword']

/** Why a secret of 32 bytes cannot be random; null where nothing speaks against it. Of a billion random ones it would refuse none. */
export function weaknessOf(secret: Uint8Array): string | null {
  if (examples.some((word) => sameBytes(createHash('sha256').update(word).digest(), secret))) return 'is the hash of a known example'
  const steps = new Set(Array.from(secret.subarray(1), (byte, i) => (byte - (secret[i] ?? 0)) & 0xff))
  const halves = sameBytes(secret.subarray(0, 16), secret.subarray(16))
  const ascii = secret.every((byte) => byte >= 0x20 && byte < 0x7f)
  if (steps.size < 8 || halves || ascii || new Set(secret).size < 16) return 'is not random'
  return null
}
