import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { segmentSpans } from './segments.ts'

/** Reads a torrent's file from its segments on disk; keeps the one it reads from open. */
export class SegmentReader implements Disposable {
  #dataDir: string
  #infoHash: string
  #fileIndex: number
  #open: { readonly path: string; readonly handle: FileHandle } | null = null
  #busy: Promise<unknown> = Promise.resolve()

  constructor(dataDir: string, infoHash: string, fileIndex: number) {
    this.#dataDir = dataDir
    this.#infoHash = infoHash
    this.#fileIndex = fileIndex
  }

  /** Fills `buffer` from `offset` of the file, as far as one segment, `most` and the buffer go; says how far. One call at a time. */
  async read(offset: number, most: number, buffer: Buffer): Promise<number> {
    const [span] = segmentSpans(this.#infoHash, { fileIndex: this.#fileIndex, offset, length: Math.min(most, buffer.length) })
    if (!span) return 0
    const reading = this.#segment(span.path).then((handle) => handle.read(buffer, 0, span.length, span.offset))
    this.#busy = reading
    const { bytesRead } = await reading
    if (bytesRead === 0) throw new Error(`Stored data of ${this.#infoHash} is shorter than it was.`)
    return bytesRead
  }

  async #segment(path: string): Promise<FileHandle> {
    if (this.#open?.path === path) return this.#open.handle
    const previous = this.#open
    this.#open = null
    await previous?.handle.close()
    const handle = await open(join(this.#dataDir, path))
    this.#open = { path, handle }
    return handle
  }

  [Symbol.dispose](): void {
    // A read may still be on its way when a stream is cut.
    void this.#busy.catch(() => {}).then(() => this.#open?.handle.close()).catch(() => {})
  }
}
