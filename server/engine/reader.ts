import { EngineError } from './contract.ts'

/** A torrent the engine may be asked to open; `load` is called only when it does not know it (any more). */
export interface TorrentSource {
  readonly infoHash: string
  readonly load: () => Promise<{ readonly torrent: Uint8Array; readonly trackers: readonly string[]; readonly peers?: readonly string[] }>
}

export interface WantedRange {
  readonly source: TorrentSource
  readonly fileIndex: number
  /** Included. */
  readonly start: number
  /** Excluded. */
  readonly end: number
  /** The file's mean rate, when it is known: how far ahead it is fetched follows from it. */
  readonly bytesPerSecond?: number | undefined
  /** What an earlier claim was told is there was not found at `start`: it is looked at again. */
  readonly isDoubted?: boolean
}

/**
 * A claim on a stretch of a file: while it lives, the engine fetches a bounded window ahead of its position, and keeps what
 * it has called available from the position on.
 */
export interface RangeReader extends Disposable {
  readonly infoHash: string
  readonly fileIndex: number
  readonly end: number
  /** How many engines have died under it: with each, what was said to be available before is said no more. */
  readonly lives: number
  /**
   * Resolves with the end of what is verified, from `start` on and beyond `position`, which is where the reader stands now.
   * Rejects with EngineError: `swarm_timeout` after `timeoutMs`, `aborted` once released, or what went wrong.
   */
  waitFor(position: number, timeoutMs: number): Promise<number>
  /** Says that everything before `position` has been used. */
  progress(position: number): void
  /** Lets go of the claim at once. May be called twice. */
  release(): void
}

/** How a reader reaches the engine of the moment. */
export interface ReaderLink {
  /** Claims the range, from `start` on. Rejects with EngineError. */
  want(readerId: number, range: WantedRange, start: number, position: number): Promise<void>
  progress(readerId: number, position: number): void
  release(readerId: number): void
}

/** The position is told to the engine in steps, not for every write: larger ones, as a part of what lies ready, where much does. */
const progress = { smallest: 512 * 1024, part: 4 }
/** A want that brings down this many engines in a row without a byte gained is given up. */
const maxCrashes = 5

interface Waiter { readonly position: number; readonly resolve: (upTo: number) => void; readonly reject: (error: EngineError) => void }

export class Reader implements RangeReader {
  readonly id: number
  readonly end: number
  readonly infoHash: string
  readonly fileIndex: number
  #range: WantedRange
  #link: ReaderLink
  #onReleased: () => void
  #position: number
  #told: number
  #upTo: number
  #waiters = new Set<Waiter>()
  #failure: EngineError | null = null
  #crashes = 0
  #lives = 0

  constructor(id: number, range: WantedRange, link: ReaderLink, onReleased: () => void) {
    if (!(range.start >= 0 && range.start < range.end && range.end <= Number.MAX_SAFE_INTEGER)) throw new RangeError(`${range.start} to ${range.end} is no range`)
    this.id = id
    this.end = range.end
    this.infoHash = range.source.infoHash
    this.fileIndex = range.fileIndex
    this.#range = range
    this.#link = link
    this.#onReleased = onReleased
    this.#position = range.start
    this.#told = range.start
    this.#upTo = range.start
  }

  /** Claims what has not been used yet: at the start, and again from each engine that replaces a crashed one. */
  attach(): void {
    if (this.#failure || this.#position >= this.end) return
    const position = this.#position
    this.#upTo = Math.max(this.#upTo, position) // it goes on a little with what it had read when an engine died
    this.#told = Infinity // until the engine knows the reader, it is told nothing more
    this.#link.want(this.id, this.#range, this.#upTo, position).then(() => {
      this.#told = position
      this.#tell(this.#position, 1)
    }, (error: unknown) => {
      // The engine died under the question: the next one is asked again.
      if (error instanceof EngineError && error.code === 'unavailable') return
      this.fail(error instanceof EngineError ? error : new EngineError('internal', 'The torrent could not be opened.', { cause: error }))
    })
  }

  get lives(): number {
    return this.#lives
  }

  engineCrashed(): void {
    this.#lives += 1
    this.#upTo = this.#position // the next engine may make room before it knows of this reader
    this.#crashes += 1
    if (this.#crashes >= maxCrashes) this.fail(new EngineError('unavailable', 'The engine keeps failing on this torrent.'))
  }

  available(upTo: number): void {
    if (upTo <= this.#upTo) return
    this.#upTo = Math.min(upTo, this.end)
    this.#crashes = 0
    for (const waiter of this.#waiters) if (waiter.position < this.#upTo) waiter.resolve(this.#upTo)
  }

  fail(error: EngineError): void {
    if (this.#failure) return
    this.#failure = error
    for (const waiter of this.#waiters) waiter.reject(error)
    this.#onReleased()
  }

  async waitFor(position: number, timeoutMs: number): Promise<number> {
    if (position < this.#range.start || position >= this.end) throw new RangeError(`${position} is outside the range`)
    if (this.#failure) throw this.#failure
    if (position < this.#upTo) return this.#upTo
    this.#tell(position, 1) // or the window might end short of it
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    const waiter = { position, resolve, reject }
    const timer = setTimeout(() => reject(new EngineError('swarm_timeout', 'No peer sent these bytes in time.')), timeoutMs)
    this.#waiters.add(waiter)
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      this.#waiters.delete(waiter)
    }
  }

  progress(position: number): void {
    this.#tell(position, Math.max(progress.smallest, (this.#upTo - position) / progress.part))
  }

  #tell(position: number, step: number): void {
    this.#position = Math.max(this.#position, position)
    if (this.#failure || this.#position - this.#told < step) return
    this.#told = this.#position
    this.#link.progress(this.id, this.#position)
  }

  release(): void {
    if (!this.#failure) this.#link.release(this.id)
    this.fail(new EngineError('aborted', 'The reader was let go.'))
  }

  [Symbol.dispose](): void {
    this.release()
  }
}
