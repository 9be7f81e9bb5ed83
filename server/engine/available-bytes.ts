import type { EngineClient } from './client.ts'
import type { RangeReader, WantedRange } from './reader.ts'
import { SegmentReader } from './segment-reader.ts'

/** A range whose bytes are not as promised so many times in a row is given up. */
const mostMisses = 5

/**
 * Reads a range of a torrent's file as the engine makes it available. What was promised by an engine that has died since,
 * or is not found on disk, is asked for again: a segment that came anew in the place of another has holes.
 */
export class AvailableBytes implements Disposable {
  #engine: Pick<EngineClient, 'dataDir' | 'reader'>
  #wanted: WantedRange & { readonly signal?: AbortSignal | undefined }
  #reader: RangeReader
  #segments: SegmentReader
  #upTo: number
  #lives = 0
  #misses = 0

  constructor(engine: Pick<EngineClient, 'dataDir' | 'reader'>, wanted: WantedRange & { readonly signal?: AbortSignal | undefined }) {
    this.#engine = engine
    this.#wanted = wanted
    this.#reader = engine.reader(wanted)
    this.#segments = new SegmentReader(engine.dataDir, wanted.source.infoHash, wanted.fileIndex)
    this.#upTo = wanted.start
  }

  /** Resolves when the byte at `at` is there. Rejects with EngineError. */
  async ready(at: number, timeoutMs: number): Promise<void> {
    if (at < this.#upTo && this.#reader.lives === this.#lives) return
    const upTo = await this.#reader.waitFor(at, timeoutMs)
    if (this.#reader.lives !== this.#lives) this.#openAnew()
    this.#lives = this.#reader.lives
    this.#upTo = upTo
  }

  /** Fills the buffer from `at` on, as far as is there in one piece; says how far, one byte at least. Rejects with EngineError, or as the disk does. */
  async read(at: number, buffer: Buffer, timeoutMs: number): Promise<number> {
    for (;;) {
      await this.ready(at, timeoutMs)
      try {
        const count = await this.#segments.read(at, this.#upTo - at, buffer)
        this.#misses = 0
        return count
      } catch (error) {
        this.#misses += 1
        if (this.#misses > mostMisses) throw error
        this.#askAgain(at)
      }
    }
  }

  /** Says that everything before `position` has been used. */
  progress(position: number): void {
    this.#reader.progress(position)
  }

  #askAgain(at: number): void {
    this.#openAnew()
    this.#reader.release()
    this.#reader = this.#engine.reader({ ...this.#wanted, start: at, isDoubted: true })
    this.#lives = 0
    this.#upTo = at
  }

  #openAnew(): void {
    this.#segments[Symbol.dispose]()
    this.#segments = new SegmentReader(this.#engine.dataDir, this.#wanted.source.infoHash, this.#wanted.fileIndex)
  }

  [Symbol.dispose](): void {
    this.#segments[Symbol.dispose]()
    this.#reader.release()
  }
}
