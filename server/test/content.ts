import { createCipheriv, createHash } from 'node:crypto'
import { open } from 'node:fs/promises'

/** What a file of a test torrent holds: bytes made from a seed, the same at each call, or those of a file on disk. */
export type Content =
  | { readonly kind: 'generated'; readonly seed: string; readonly sizeBytes: number }
  | { readonly kind: 'file'; readonly from: string; readonly sizeBytes: number }

export async function readContent(content: Content, offset: number, length: number): Promise<Uint8Array> {
  if (content.kind === 'generated') return generateBytes(content.seed, offset, length)
  await using file = await open(content.from)
  const bytes = new Uint8Array(length)
  for (let done = 0; done < length;) {
    const { bytesRead } = await file.read(bytes, done, length - done, offset + done)
    if (bytesRead === 0) throw new Error(`${content.from} is cut short`)
    done += bytesRead
  }
  return bytes
}

/** The key stream of AES in counter mode: as good as random, and any stretch of it can be made alone. */
export function generateBytes(seed: string, offset: number, length: number): Uint8Array {
  const key = createHash('sha256').update(seed).digest().subarray(0, 16)
  const counter = Buffer.alloc(16)
  counter.writeBigUInt64BE(BigInt(Math.floor(offset / 16)), 8)
  const skip = offset % 16
  return new Uint8Array(createCipheriv('aes-128-ctr', key, counter).update(Buffer.alloc(skip + length)).subarray(skip))
}
