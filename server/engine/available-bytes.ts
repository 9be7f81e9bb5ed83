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
  #isOver = false
  /** When all that was begun has been read, or has failed. */
  #settled: Promise<unknown> = Promise.resolve()

  constructor(engine: Pick<EngineClient, 'dataDir' | 'reader'>, wanted: WantedRange & { readonly signal?: AbortSignal | undefined }) {
    this.#engine = engine
    this.#wanted = wanted
    this.#reader = engine.reader(wanted)
    this.#segments = new SegmentReader(engine.dataDir, wanted.source.infoHash, wanted.fileIndex)
    this.#upTo = wanted.start
  }

  /** Resolves when the byte at `at` is there. Rejects with EngineError. */
  async ready(at: number, timeoutMs: number): Promise<void> {
    if (this.#isPromised(at)) return
    const upTo = await this.#reader.waitFor(at, timeoutMs)
    if (this.#reader.lives !== this.#lives) this.#openAnew()
    this.#lives = this.#reader.lives
    this.#upTo = upTo
  }

  /** Fills the buffer from `at` on, as far as is there in one piece; says how far, one byte at least. Rejects with EngineError, or as the disk does. */
  async read(at: number, buffer: Buffer, timeoutMs: number): Promise<number> {
    const { count, filled } = await this.begin(at, buffer, timeoutMs)
    await filled
    return count
  }

  /**
   * As `read`, but resolves as soon as it is known how far: the next stretch can be begun while this one is read. Nothing beyond what is
   * promised is asked for before all that was begun has been read, as the engine may drop what lies before a position it is told.
   */
  async begin(at: number, buffer: Buffer, timeoutMs: number): Promise<{ readonly count: number; readonly filled: Promise<void> }> {
    if (!this.#isPromised(at)) await this.#settled
    await this.ready(at, timeoutMs)
    const count = this.#segments.lengthAt(at, Math.min(this.#upTo - at, buffer.length))
    const filled = this.#fill(at, buffer.subarray(0, count), timeoutMs, this.#settled)
    this.#settled = Promise.allSettled([this.#settled, filled])
    return { count, filled }
  }

  async #fill(at: number, buffer: Buffer, timeoutMs: number, before: Promise<unknown>): Promise<void> {
    for (let done = 0, misses = 0; done < buffer.length;) {
      try {
        done += await this.#segments.read(at + done, buffer.length - done, buffer.subarray(done))
        misses = 0
      } catch (error) {
        misses += 1
        if (misses > mostMisses || this.#isOver) throw error
        await before // a claim that begins here knows nothing of what lies before
        if (this.#isOver) throw error
        this.#askAgain(at + done)
        await this.ready(at + done, timeoutMs)
      }
    }
  }

  #isPromised(at: number): boolean {
    return at < this.#upTo && this.#reader.lives === this.#lives
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
    this.#isOver = true
    this.#segments[Symbol.dispose]()
    this.#reader.release()
  }
}
