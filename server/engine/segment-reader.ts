import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { segmentSpans } from './segments.ts'

interface OpenSegment { readonly path: string; readonly handle: Promise<FileHandle>; /** Settled when nobody reads from it. */ reads: Promise<unknown> }

/** Reads a torrent's file from its segments on disk; keeps the one it reads from open. */
export class SegmentReader implements Disposable {
  #dataDir: string
  #infoHash: string
  #fileIndex: number
  #open: OpenSegment | null = null

  constructor(dataDir: string, infoHash: string, fileIndex: number) {
    this.#dataDir = dataDir
    this.#infoHash = infoHash
    this.#fileIndex = fileIndex
  }

  /** How many bytes one `read` of at most `most` takes from `offset` on: a segment is as far as it goes. */
  lengthAt(offset: number, most: number): number {
    return this.#spanAt(offset, most)?.length ?? 0
  }

  /** Fills `buffer` from `offset` of the file, as far as one segment, `most` and the buffer go; says how far. Several at a time are read at once. */
  async read(offset: number, most: number, buffer: Buffer): Promise<number> {
    const span = this.#spanAt(offset, Math.min(most, buffer.length))
    if (!span) return 0
    const segment = this.#segment(span.path)
    const reading = segment.handle.then((handle) => handle.read(buffer, 0, span.length, span.offset))
    segment.reads = Promise.allSettled([segment.reads, reading])
    const { bytesRead } = await reading
    if (bytesRead === 0) throw new Error(`Stored data of ${this.#infoHash} is shorter than it was.`)
    return bytesRead
  }

  #spanAt(offset: number, most: number) {
    return segmentSpans(this.#infoHash, { fileIndex: this.#fileIndex, offset, length: most })[0]
  }

  #segment(path: string): OpenSegment {
    if (this.#open?.path === path) return this.#open
    this.#close()
    const opened: OpenSegment = { path, handle: open(join(this.#dataDir, path)), reads: Promise.resolve() }
    opened.handle.catch(() => {
      if (this.#open === opened) this.#open = null
    })
    this.#open = opened
    return opened
  }

  /** Once what reads from it is done: a stream may be cut meanwhile. */
  #close(): void {
    const opened = this.#open
    this.#open = null
    void opened?.reads.then(async () => (await opened.handle).close()).catch(() => {})
  }

  [Symbol.dispose](): void {
    this.#close()
  }
}
