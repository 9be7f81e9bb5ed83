import { setTimeout as sleep } from 'node:timers/promises'
import { EngineError, EngineSettings, type EngineInput, type EngineReply, type GivenEngineSettings, type EngineStats, type FromEngine, type TorrentLayout } from './contract.ts'
import { EngineProcess } from './process.ts'
import { Reader, type RangeReader, type ReaderLink, type TorrentSource, type WantedRange } from './reader.ts'

/** The server's side of the torrent engine. Everything rejects with EngineError. */
export interface EngineClient extends AsyncDisposable {
  /** Where the paths of `segmentSpans` begin. */
  readonly dataDir: string
  /** Whether an engine is up. */
  alive(): boolean
  /** The port it takes peers on, and its process; null while it is down. */
  listening(): { readonly port: number; readonly pid: number } | null
  open(source: TorrentSource): Promise<TorrentLayout>
  /** The info dictionary from the swarm (BEP 9), its hash verified. */
  metadata(wanted: EngineInput<'metadata'>): Promise<Uint8Array>
  /** Claims a range at once; the claim outlives crashes of the engine. Release it, or abort the signal. */
  reader(wanted: WantedRange & { readonly signal?: AbortSignal | undefined }): RangeReader
  /**
   * Calls the torrent's peers and fetches nothing, so that who reads it within `forMs` (a minute at most) starts at once.
   * The engine keeps few torrents so; the one warmed longest ago makes room.
   */
  warm(source: TorrentSource, forMs: number): Promise<void>
  /** What of a file is on disk and how it comes in; null while nobody reads the torrent. */
  buffered(file: EngineInput<'buffered'>): Promise<EngineReply<'buffered'>>
  /** Room for files of these lengths, so far, among what is published; their segments may then be written (`publishFiles` does it all). */
  stage(wanted: EngineInput<'stage'>): Promise<void>
  /** Takes what was staged for the torrent's data, which is never dropped for room from now on. */
  publish(wanted: EngineInput<'publish'>): Promise<void>
  /** Lets go of what was staged; safe to call when nothing was. */
  discard(id: string): Promise<void>
  /**
   * From now on, also after a crash of the engine, offers these published torrents to peers, and no others. Resolves with the
   * info-hashes of those that are not published here.
   */
  seed(torrents: EngineInput<'seed'>['torrents']): Promise<string[]>
  /** Ends its readers, leaves the swarm, deletes its data, published or not. */
  remove(infoHash: string): Promise<void>
  /** Drops what no reader needs of a torrent, or of one file of it; resolves with how many bytes that freed. */
  evict(infoHash: string, fileIndex?: number): Promise<number>
  stats(): Promise<EngineStats>
}

export interface EngineOptions {
  readonly settings: GivenEngineSettings
  /** Told what is worth a log line. */
  readonly onEvent?: (event: EngineEvent) => void
  /** Arguments for Node before the script, as in `execArgv`. */
  readonly nodeArguments?: readonly string[]
  /** How often it is asked whether it still answers; after four times without an answer it is replaced. */
  readonly heartbeatMs?: number
}

export interface EngineEvent {
  /** `engine_started`, `engine_exited`, `engine_output`, or a notice of the engine's own. */
  readonly event: string
  readonly infoHash?: string | undefined
  readonly detail?: string | undefined
}

/** Starts the engine. Rejects when it cannot start at all (`listen_failed`, say); from then on it is restarted for ever. */
export async function startEngine(options: EngineOptions): Promise<EngineClient> {
  const client = new SupervisedEngine(options)
  try {
    await client.start()
  } catch (error) {
    await client[Symbol.asyncDispose]()
    throw error
  }
  return client
}

/** Restart after a crash: at once, then ever more slowly until one stays up. */
const backOff = { firstMs: 20, mostMs: 10_000, stableMs: 10_000 }
/** How long a question waits for an engine that is just being restarted. */
const patienceMs = 10_000

class SupervisedEngine implements EngineClient {
  readonly dataDir: string
  #settings: EngineSettings
  #onEvent: (event: EngineEvent) => void
  #nodeArguments: readonly string[]
  #heartbeatMs: number
  /** The process, from its start; `#up` from when it is configured. */
  #process: EngineProcess | null = null
  #up: { readonly engine: EngineProcess; readonly since: number } | null = null
  #nextUp = Promise.withResolvers<EngineProcess>()
  #readers = new Map<number, Reader>()
  #lastReaderId = 0
  #crashes = 0
  /** What an engine that takes the place of a crashed one is to offer. */
  #seeds: EngineInput<'seed'>['torrents'] = []
  #closing = new AbortController()

  constructor({ settings, onEvent = () => {}, nodeArguments = [], heartbeatMs = 5_000 }: EngineOptions) {
    this.dataDir = settings.dataDir
    this.#settings = EngineSettings.parse(settings)
    this.#onEvent = onEvent
    this.#nodeArguments = nodeArguments
    this.#heartbeatMs = heartbeatMs
    this.#nextUp.promise.catch(() => {}) // nobody need be waiting
  }

  async start(): Promise<void> {
    const began = performance.now()
    const engine = new EngineProcess({
      dataDir: this.dataDir,
      memoryBytes: this.#settings.memoryBytes,
      nodeArguments: this.#nodeArguments,
      onMessage: (message) => this.#onMessage(message),
      onOutput: (detail) => this.#onEvent({ event: 'engine_output', detail }),
    })
    this.#process = engine
    const { port } = await engine.request('configure', this.#settings)
    if (this.#seeds.length > 0) await engine.request('seed', { torrents: this.#seeds })
    engine.watch(this.#heartbeatMs)
    // The same port after a crash: peers that knew us find us again.
    this.#settings = { ...this.#settings, port }
    this.#up = { engine, since: performance.now() }
    this.#onEvent({ event: 'engine_started', detail: `process ${engine.pid}, port ${port}, ${Math.round(performance.now() - began)} ms` })
    void engine.exited.then((how) => this.#onExit(how))
    this.#nextUp.resolve(engine)
    for (const reader of this.#readers.values()) reader.attach()
  }

  alive(): boolean {
    return this.#up !== null
  }

  listening(): { port: number; pid: number } | null {
    const pid = this.#up?.engine.pid
    return pid === undefined ? null : { port: this.#settings.port, pid }
  }

  async open(source: TorrentSource): Promise<TorrentLayout> {
    return (await this.#engine()).open(source)
  }

  async metadata(wanted: EngineInput<'metadata'>): Promise<Uint8Array> {
    return (await this.#engine()).request('metadata', wanted)
  }

  async warm(source: TorrentSource, forMs: number): Promise<void> {
    const engine = await this.#engine()
    await engine.withOpen(source, () => engine.request('warm', { infoHash: source.infoHash, forMs }))
  }

  async buffered(file: EngineInput<'buffered'>): Promise<EngineReply<'buffered'>> {
    return (await this.#engine()).request('buffered', file)
  }

  async stage(wanted: EngineInput<'stage'>): Promise<void> {
    await (await this.#engine()).request('stage', wanted)
  }

  async publish(wanted: EngineInput<'publish'>): Promise<void> {
    await (await this.#engine()).request('publish', wanted)
  }

  async discard(id: string): Promise<void> {
    await (await this.#engine()).request('discard', { id })
  }

  async seed(torrents: EngineInput<'seed'>['torrents']): Promise<string[]> {
    this.#seeds = torrents
    return (await (await this.#engine()).request('seed', { torrents })).missing
  }

  async remove(infoHash: string): Promise<void> {
    this.#seeds = this.#seeds.filter((seed) => seed.infoHash !== infoHash)
    await (await this.#engine()).request('remove', { infoHash })
  }

  async evict(infoHash: string, fileIndex?: number): Promise<number> {
    return (await (await this.#engine()).request('evict', { infoHash, fileIndex })).freedBytes
  }

  async stats(): Promise<EngineStats> {
    return (await this.#engine()).request('stats', {})
  }

  reader({ signal, ...range }: WantedRange & { readonly signal?: AbortSignal | undefined }): RangeReader {
    this.#lastReaderId += 1
    const abort = () => reader.release()
    const reader = new Reader(this.#lastReaderId, range, this.#link, () => {
      this.#readers.delete(reader.id)
      signal?.removeEventListener('abort', abort)
    })
    this.#readers.set(reader.id, reader)
    if (this.#closing.signal.aborted) reader.fail(stopping())
    else if (signal?.aborted) reader.release()
    else {
      signal?.addEventListener('abort', abort, { once: true })
      reader.attach()
    }
    return reader
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    for (const reader of [...this.#readers.values()]) reader.fail(stopping())
    this.#nextUp.reject(stopping())
    await this.#process?.stop()
  }

  readonly #link: ReaderLink = {
    want: async (readerId, { source, fileIndex, end, bytesPerSecond, isDoubted }, start, position) => {
      const engine = await this.#engine()
      await engine.withOpen(source, () => engine.request('want', { readerId, infoHash: source.infoHash, fileIndex, start, end, position, bytesPerSecond, isDoubted }))
      // Let go while the question was on its way: the first release came before the want.
      if (!this.#readers.has(readerId)) engine.note({ kind: 'release', readerId })
    },
    progress: (readerId, position) => this.#up?.engine.note({ kind: 'progress', readerId, position }),
    release: (readerId) => this.#up?.engine.note({ kind: 'release', readerId }),
  }

  /** The running engine, or the one that is coming up. */
  async #engine(): Promise<EngineProcess> {
    if (this.#closing.signal.aborted) throw stopping()
    if (this.#up) return this.#up.engine
    const patience = new AbortController()
    const tooLong = sleep(patienceMs, undefined, { signal: patience.signal }).then(() => {
      throw new EngineError('unavailable', 'The engine is not running.')
    })
    tooLong.catch(() => {})
    return Promise.race([this.#nextUp.promise, tooLong]).finally(() => patience.abort())
  }

  #onMessage(message: Exclude<FromEngine, { kind: 'reply' | 'closed' }>): void {
    switch (message.kind) {
      case 'available': return this.#readers.get(message.readerId)?.available(message.upTo)
      case 'failed': return this.#readers.get(message.readerId)?.fail(new EngineError(message.error.code, message.error.message))
      case 'notice': return this.#onEvent({ event: message.event, infoHash: message.infoHash, detail: message.detail })
    }
  }

  #onExit(how: string): void {
    const stable = this.#up !== null && performance.now() - this.#up.since > backOff.stableMs
    this.#up = null
    if (this.#closing.signal.aborted) return
    this.#onEvent({ event: 'engine_exited', detail: how })
    this.#crashes = stable ? 1 : this.#crashes + 1
    this.#nextUp = Promise.withResolvers()
    this.#nextUp.promise.catch(() => {})
    for (const reader of [...this.#readers.values()]) reader.engineCrashed()
    void this.#restart()
  }

  /** Tries until one is up. */
  async #restart(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      const waitMs = Math.min(backOff.firstMs * 2 ** (this.#crashes - 1), backOff.mostMs)
      await sleep(waitMs, undefined, { signal: this.#closing.signal, ref: false }).catch(() => {})
      if (this.#closing.signal.aborted) return
      try {
        return await this.start()
      } catch (error) {
        this.#crashes += 1
        this.#onEvent({ event: 'engine_restart_failed', detail: error instanceof Error ? error.message : String(error) })
        await this.#process?.stop()
      }
    }
  }
}

const stopping = () => new EngineError('unavailable', 'The engine is being stopped.')
