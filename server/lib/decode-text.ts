import { detect } from 'chardet'

/** From so many bytes the encoding is told: more changes nothing, and costs. */
const sampleBytes = 64 * 1024

/**
 * Text of a file that says nothing of its encoding: by its byte order mark, as UTF-8 if it is that, else by what its bytes look
 * like (chardet, after ICU). Never throws; what cannot be read becomes U+FFFD.
 */
export function decodeText(bytes: Uint8Array): string {
  return new TextDecoder(encodingOf(bytes)).decode(bytes)
}

function encodingOf(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le'
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be'
  if (isUtf8(bytes)) return looksLikeUtf16(bytes) ?? 'utf-8'
  const found = looksLikeUtf16(bytes) ?? detect(bytes.subarray(0, sampleBytes)) ?? ''
  return isKnown(found) ? found : 'windows-1252'
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}

/** Without a mark: times and line ends are ASCII, so every other byte of much of it is zero, which no other text has. */
function looksLikeUtf16(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | null {
  const sample = bytes.subarray(0, 4096)
  const zeros = [0, 0]
  for (const [at, byte] of sample.entries()) if (byte === 0) zeros[at % 2] = (zeros[at % 2] ?? 0) + 1
  const [even = 0, odd = 0] = zeros
  if (Math.max(even, odd) < sample.length / 8) return null
  return odd > even ? 'utf-16le' : 'utf-16be'
}

function isKnown(label: string): boolean {
  try {
    return new TextDecoder(label).encoding !== 'replacement'
  } catch {
    return false
  }
}
