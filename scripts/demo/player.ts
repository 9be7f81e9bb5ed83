import { createHash, type Hash } from 'node:crypto'
import { demand } from './journey.ts'

export type Peek = { bytes: Uint8Array; msToFirstByte: number }

/** Reads a playback link as players do: ranges, and connections dropped in the middle when it seeks elsewhere. */
export class Player {
  readonly url: string
  readonly sizeBytes: number
  constructor(url: string, sizeBytes: number) {
    this.url = url
    this.sizeBytes = sizeBytes
  }

  /** Asks for everything from `offset` on, takes `length` bytes and hangs up. `onFirst` runs when the first bytes are there. */
  async peek(offset: number, length: number, onFirst: () => Promise<void>): Promise<Peek> {
    const start = performance.now()
    const chunks: Uint8Array[] = []
    let taken = 0
    let msToFirstByte = 0
    for await (const chunk of await this.#open(offset)) {
      if (taken === 0) {
        msToFirstByte = performance.now() - start
        await onFirst()
      }
      chunks.push(chunk)
      taken += chunk.length
      if (taken >= length) break
    }
    demand(taken >= Math.min(length, this.sizeBytes - offset), `the stream from byte ${offset} ended after ${taken} bytes`)
    return { bytes: Buffer.concat(chunks).subarray(0, length), msToFirstByte }
  }

  /** Reads `offset` to `end` (exclusive) into a hash without keeping it. */
  async digest(offset: number, end: number, hash: Hash): Promise<void> {
    let at = offset
    for await (const chunk of await this.#open(offset, end)) {
      hash.update(chunk)
      at += chunk.length
    }
    demand(at === end, `the stream from byte ${offset} ended at byte ${at} instead of ${end}`)
  }

  async #open(offset: number, end = this.sizeBytes): Promise<AsyncIterable<Uint8Array>> {
    const range = `bytes=${offset}-${end === this.sizeBytes ? '' : end - 1}`
    const response = await fetch(this.url, { headers: { range }, signal: AbortSignal.timeout(60_000) })
    demand(response.status === 206, `the range ${range} was answered with ${response.status}`)
    const expected = `bytes ${offset}-${end - 1}/${this.sizeBytes}`
    demand(response.headers.get('content-range') === expected, `the range ${range} was answered as "${response.headers.get('content-range')}" instead of "${expected}"`)
    demand(response.body, 'the answer has no body')
    return chunksOf(response.body)
  }
}

/** Who stops reading hangs up. */
async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

export const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/**
 * Where the index (`moov`) of an MP4 file lies, by walking over the boxes at its head (ISO/IEC 14496-12, 4.2):
 * the reason why players seek to the end first.
 */
export function indexOffset(head: Uint8Array): number {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
  for (let at = 0; at + 16 <= head.length; ) {
    const kind = Buffer.from(head.subarray(at + 4, at + 8)).toString('latin1')
    if (kind === 'moov') return at
    const size = view.getUint32(at)
    // 1 says that a 64-bit size follows
    at += size === 1 ? Number(view.getBigUint64(at + 8)) : size
    if (size === 0) break
    if (at + 16 > head.length) return at
  }
  throw new Error('the file does not begin as an MP4 file does')
}
