import { mkdir } from 'node:fs/promises'
import type WebTorrent from 'webtorrent'
import type { Torrent } from 'webtorrent'
import { usableTrackers } from '../lib/addresses.ts'
import { PieceMap } from '../lib/piece-map.ts'
import { parseTorrentFile, TorrentRefused, type TorrentInfo } from '../lib/torrent.ts'
import { ActiveTorrent } from './active-torrent.ts'
import { Cache } from './cache.ts'
import { EngineError, type EngineReply, type EngineRequest, type EngineSettings, type FromEngine } from './contract.ts'
import { searchMetadata, type MetadataSearch } from './metadata.ts'
import { Publications } from './publications.ts'
import { createReach } from './reach.ts'
import { Seeds } from './seeds.ts'
import { joinSwarm } from './swarm-client.ts'
import { raiseWall } from './wall.ts'

type Input<Op extends EngineRequest['op']> = Extract<EngineRequest, { op: Op }>['input']
type Emit = (event: Exclude<FromEngine, { kind: 'reply' }>) => void

/** Warm torrents at once: what a person opens in a minute; each has as many connections as one that is read. */
const mostWarm = 8

/** Published torrents that are awake for peers: so many, and so many pieces of them all, as memory goes by pieces. */
const mostAwake = { torrents: 32, pieces: 200_000 }
/** How long one may take to wake, and how long it then stays awake without sending anything, at least. */
const wakeMs = 8_000
const leastAwakeMs = 10_000

interface Known {
  readonly info: TorrentInfo
  readonly trackers: string[]
  readonly peers: string[]
  readonly published: boolean
  active: ActiveTorrent | null
  /** Runs while it is known but not active. */
  forget: NodeJS.Timeout | null
  /** What it had sent when that was last looked at. */
  sentBytes: number
}

/** What the engine knows: torrents that are open, which of them are active, who reads what. */
export class Engine {
  readonly port: number
  #client: WebTorrent
  #settings: EngineSettings
  #emit: Emit
  #cache: Cache
  #known = new Map<string, Known>()
  #readers = new Map<number, Known>()
  /** Active though nobody has read them yet, the one warmed longest ago first. */
  #warm = new Set<Known>()
  #searches = new Map<string, MetadataSearch>()
  /** Torrents on their way out, by info-hash: the folder is theirs until then. */
  #leaving = new Map<string, Promise<unknown>>()
  #confirmed = new Map<string, PieceMap>()
  #publications: Publications
  #seeds: Seeds
  /** Published ones that are active, the one that has sent nothing for longest first. */
  #awake = new Set<Known>()
  #opening = new Map<string, Promise<Known>>()
  #gone = { fetchedBytes: 0, sentBytes: 0 }

  static async start(settings: EngineSettings, emit: Emit): Promise<Engine> {
    await mkdir(settings.dataDir, { recursive: true, mode: 0o700 })
    const reach = createReach(settings)
    raiseWall(reach, localDiscovery(settings))
    const onBan = (infoHash: string, detail: string) => emit({ kind: 'notice', event: 'peer_banned', infoHash, detail })
    const cache = new Cache({ ...settings, onEvent: (event) => emit({ kind: 'notice', ...event }) })
    const publications = await Publications.open(settings.dataDir, cache)
    let engine: Engine | null = null
    const seeds = new Seeds({ isPublished: (infoHash) => publications.has(infoHash), wake: async (infoHash) => engine?.wake(infoHash) })
    engine = new Engine({ client: await joinSwarm(settings, reach, seeds, onBan), settings, emit, cache, publications, seeds })
    return engine
  }

  private constructor({ client, settings, emit, cache, publications, seeds }: { client: WebTorrent; settings: EngineSettings; emit: Emit; cache: Cache; publications: Publications; seeds: Seeds }) {
    this.#client = client
    this.#settings = settings
    this.#emit = emit
    this.#cache = cache
    this.#publications = publications
    this.#seeds = seeds
    this.port = client.torrentPort
  }

  async open({ infoHash, torrent, trackers, peers }: Input<'open'>): Promise<EngineReply<'open'>> {
    const published = this.#publications.has(infoHash)
    let known = this.#known.get(infoHash) ?? (published ? await this.#openPublished(infoHash) : null)
    if (!known) {
      const info = parse(torrent)
      if (info.infoHash !== infoHash) throw new EngineError('refused', 'The torrent has another info-hash.')
      known = this.#know({ info, trackers: this.#usable(infoHash, trackers), peers, published })
    }
    const { pieceLength, files } = known.info
    return { pieceLength, files: files.map(({ index, lengthBytes }) => ({ index, lengthBytes })) }
  }

  #know(torrent: Pick<Known, 'info' | 'trackers' | 'peers' | 'published'>): Known {
    const known: Known = { ...torrent, active: null, forget: null, sentBytes: 0 }
    this.#known.set(torrent.info.infoHash, known)
    this.#cache.setPublished(torrent.info.infoHash, torrent.published)
    this.#forgetLater(known)
    return known
  }

  /** A published torrent as it lies here, read once however many ask. */
  #openPublished(infoHash: string): Promise<Known> {
    const opening = this.#opening.get(infoHash) ?? (async () => {
      await this.#leaving.get(infoHash)
      const info = await this.#publications.read(infoHash)
      if (!this.#publications.has(infoHash)) throw new EngineError('removed', 'The torrent was removed.')
      return this.#known.get(infoHash) ?? this.#know({ info, trackers: [], peers: [], published: true }) // `seeds` speaks with its trackers
    })().finally(() => this.#opening.delete(infoHash))
    this.#opening.set(infoHash, opening)
    return opening
  }

  stage(wanted: Input<'stage'>): Promise<void> {
    return this.#publications.stage(wanted)
  }

  async publish(wanted: Input<'publish'>): Promise<void> {
    const { infoHash } = wanted
    await this.#cache.refresh()
    await this.#publications.publish(wanted, async () => {
      // What viewers had fetched of it gives way; players come back by their next range.
      const known = this.#known.get(infoHash)
      known?.active?.fail('unavailable', 'The torrent is being published.')
      if (known) this.#leave(known)
      await this.#leaving.get(infoHash)
      this.#confirmed.delete(infoHash)
      await this.#cache.remove(infoHash)
    })
  }

  discard({ id }: Input<'discard'>): Promise<void> {
    return this.#publications.discard(id)
  }

  seed({ torrents }: Input<'seed'>): EngineReply<'seed'> {
    const isHere = ({ infoHash }: { readonly infoHash: string }) => this.#publications.has(infoHash)
    const gone = this.#seeds.set(torrents.filter(isHere).map(({ infoHash, trackers }) => ({ infoHash, trackers: this.#usable(infoHash, trackers) })))
    const leaveUnread = (infoHash: string, isLeft: (known: Known) => boolean) => {
      const known = this.#known.get(infoHash)
      if (known?.active && known.active.stats().readers === 0 && isLeft(known)) this.#leave(known)
    }
    for (const infoHash of gone) leaveUnread(infoHash, () => true)
    // Those newly offered as well: in the swarm while withheld, they know of no trackers.
    for (const { infoHash } of torrents) leaveUnread(infoHash, (known) => !this.#awake.has(known))
    return { missing: torrents.filter((torrent) => !isHere(torrent)).map(({ infoHash }) => infoHash) }
  }

  /** Has a seed's torrent in the swarm, ready for peers. Rejects when those that are awake leave no room. */
  async wake(infoHash: string): Promise<void> {
    const known = this.#known.get(infoHash) ?? (await this.#openPublished(infoHash))
    if (!this.#seeds.has(infoHash)) return
    if (known.forget) clearTimeout(known.forget)
    if (!known.active) {
      this.#makeRoomToWake(known)
      known.active = this.#activate(known)
    }
    this.#awake.add(known)
    known.active.keep(Math.max(this.#settings.idleMs, leastAwakeMs))
    await this.#inSwarm(infoHash)
  }

  #makeRoomToWake({ info }: Known): void {
    const piecesOf = (known: Known) => known.info.pieceHashes.length / 20
    const isIdle = ({ active }: Known) => (active?.stats().readers ?? 0) === 0 && (active?.stats().uploadSpeed ?? 0) === 0
    const isFull = () => this.#awake.size >= mostAwake.torrents || (this.#awake.size > 0 && [...this.#awake].reduce((sum, known) => sum + piecesOf(known), info.pieceHashes.length / 20) > mostAwake.pieces)
    while (isFull()) {
      const idle = [...this.#awake].find(isIdle)
      if (!idle) throw new EngineError('unavailable', 'Too many published torrents are being sent.')
      this.#leave(idle)
    }
  }

  /** Resolves when a torrent takes peers. */
  async #inSwarm(infoHash: string): Promise<void> {
    if (this.#client.torrents.some((torrent) => torrent.infoHash === infoHash && torrent.ready)) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onReady = (torrent: Torrent) => { if (torrent.infoHash === infoHash) resolve() }
    const timer = setTimeout(() => reject(new EngineError('unavailable', 'The torrent did not wake in time.')), wakeMs)
    this.#client.on('torrent', onReady)
    try {
      await promise
    } finally {
      clearTimeout(timer)
      this.#client.off('torrent', onReady)
    }
  }

  /** Nobody has read it for a while: a seed that sent something meanwhile stays. */
  #onIdle(known: Known): void {
    const { active } = known
    const { sentBytes = 0, peers = 0 } = active?.stats() ?? {}
    const isServing = this.#seeds.has(known.info.infoHash) && peers > 0 && sentBytes > known.sentBytes
    if (!active || !isServing) return this.#leave(known)
    known.sentBytes = sentBytes
    this.#awake.delete(known)
    this.#awake.add(known)
    active.keep(Math.max(this.#settings.idleMs, leastAwakeMs))
  }

  async metadata({ infoHash, trackers, ...wanted }: Input<'metadata'>): Promise<EngineReply<'metadata'>> {
    await this.#leaving.get(infoHash)
    const known = this.#known.get(infoHash)
    if (known) return known.info.infoBytes
    const running = this.#searches.get(infoHash)
    if (running) return running.found
    const search = searchMetadata(this.#client, { infoHash, trackers: this.#usable(infoHash, trackers), ...wanted })
    this.#searches.set(infoHash, search)
    try {
      return await search.found
    } finally {
      this.#searches.delete(infoHash)
    }
  }

  async want({ readerId, infoHash, fileIndex, start, end, position, bytesPerSecond, isDoubted }: Input<'want'>): Promise<void> {
    await this.#cache.refresh() // a disk that had no room may have some again
    const known = this.#known.get(infoHash)
    if (!known) throw new EngineError('not_open', 'The torrent is not open.')
    const file = known.info.files[fileIndex]
    if (!file || file.padding || position >= end || end > file.lengthBytes || position > start || start > end) throw new EngineError('refused', 'There is no such range.')
    if (known.forget) clearTimeout(known.forget)
    known.active ??= this.#activate(known)
    this.#warm.delete(known)
    this.#readers.set(readerId, known)
    if (isDoubted) known.active.doubt(fileIndex, start)
    known.active.want({ id: readerId, fileIndex, start, end, position, bytesPerSecond })
  }

  warm({ infoHash, forMs }: Input<'warm'>): void {
    const known = this.#known.get(infoHash)
    if (!known) throw new EngineError('not_open', 'The torrent is not open.')
    if (known.active && !this.#warm.has(known)) return known.active.keep(forMs) // it is read, or was just now
    if (known.forget) clearTimeout(known.forget)
    known.active ??= this.#activate(known)
    known.active.keep(forMs)
    this.#warm.delete(known)
    this.#warm.add(known)
    const [oldest] = this.#warm
    if (this.#warm.size > mostWarm && oldest) this.#leave(oldest)
  }

  buffered({ infoHash, fileIndex }: Input<'buffered'>): EngineReply<'buffered'> {
    return this.#known.get(infoHash)?.active?.buffered(fileIndex) ?? null
  }

  progress(readerId: number, position: number): void {
    this.#readers.get(readerId)?.active?.progress(readerId, position)
  }

  release(readerId: number): void {
    const known = this.#readers.get(readerId)
    this.#readers.delete(readerId)
    known?.active?.release(readerId)
  }

  async remove({ infoHash }: Input<'remove'>): Promise<void> {
    const known = this.#known.get(infoHash)
    known?.active?.fail('removed', 'The torrent was removed.')
    if (known) this.#leave(known)
    this.#seeds.remove(infoHash)
    const unpublished = this.#publications.remove(infoHash)
    const removed = Promise.all([this.#leaving.get(infoHash), unpublished]).then(() => this.#cache.remove(infoHash))
    this.#keepLeaving(infoHash, removed)
    this.#confirmed.delete(infoHash)
    await removed
  }

  async evict({ infoHash, fileIndex }: Input<'evict'>): Promise<EngineReply<'evict'>> {
    await this.#leaving.get(infoHash)
    if (this.#publications.has(infoHash)) return { freedBytes: 0 } // the operator's own stays
    return { freedBytes: await this.#cache.evict(infoHash, fileIndex) }
  }

  async stats(): Promise<EngineReply<'stats'>> {
    const cache = await this.#cache.stats()
    const torrents = [...this.#known.values()].flatMap(({ active }) => active?.stats() ?? [])
    const total = (key: 'fetchedBytes' | 'sentBytes') => torrents.reduce((sum, torrent) => sum + torrent[key], this.#gone[key])
    return { torrents, seeds: this.#seeds.size, fetchedBytes: total('fetchedBytes'), sentBytes: total('sentBytes'), cache }
  }

  /** Writes down what is known of the pieces. */
  async close(): Promise<void> {
    for (const known of this.#known.values()) this.#leave(known)
    await Promise.allSettled([...this.#leaving.values(), this.#seeds.close()])
  }

  #activate(known: Known): ActiveTorrent {
    const { info, trackers, peers, published } = known
    const search = this.#searches.get(info.infoHash)
    let confirmed = this.#confirmed.get(info.infoHash)
    if (!confirmed) this.#confirmed.set(info.infoHash, confirmed = new PieceMap(info.pieceHashes.length / 20))
    return new ActiveTorrent({
      client: this.#client,
      settings: this.#settings,
      info,
      trackers,
      peers,
      cache: this.#cache,
      published,
      confirmed,
      after: Promise.all([this.#leaving.get(info.infoHash), search?.end(info.infoBytes)]),
      onAvailable: (readerId, upTo) => this.#emit({ kind: 'available', readerId, upTo }),
      onFailed: (readerId, code, message) => {
        this.#readers.delete(readerId)
        this.#emit({ kind: 'failed', readerId, error: { code, message } })
      },
      onIdle: () => this.#onIdle(known),
    })
  }

  /** Out of the swarm and out of memory; what is on disk stays. */
  #leave(known: Known): void {
    const { active, info: { infoHash } } = known
    if (known.forget) clearTimeout(known.forget)
    this.#warm.delete(known)
    this.#awake.delete(known)
    if (this.#known.get(infoHash) === known) {
      this.#known.delete(infoHash)
      this.#emit({ kind: 'closed', infoHash })
    }
    known.active = null
    if (!active) return
    const { fetchedBytes, sentBytes } = active.stats()
    this.#gone = { fetchedBytes: this.#gone.fetchedBytes + fetchedBytes, sentBytes: this.#gone.sentBytes + sentBytes }
    this.#keepLeaving(infoHash, active.close())
  }

  #keepLeaving(infoHash: string, work: Promise<unknown>): void {
    const leaving: Promise<unknown> = Promise.allSettled([this.#leaving.get(infoHash), work]).finally(() => {
      if (this.#leaving.get(infoHash) === leaving) this.#leaving.delete(infoHash)
    })
    this.#leaving.set(infoHash, leaving)
  }

  #forgetLater(known: Known): void {
    known.forget = setTimeout(() => this.#leave(known), Math.max(this.#settings.idleMs, 1_000))
  }

  #usable(infoHash: string, urls: readonly string[]): string[] {
    const { trackers, dropped } = usableTrackers(urls, { allowPrivate: this.#settings.allowPrivateAddresses, allowServicePorts: this.#settings.allowServicePorts })
    if (dropped.length > 0) this.#emit({ kind: 'notice', event: 'trackers_dropped', infoHash, detail: dropped.map(({ code }) => code).join() })
    return trackers
  }
}

function parse(torrent: Uint8Array): TorrentInfo {
  try {
    return parseTorrentFile(torrent)
  } catch (error) {
    throw error instanceof TorrentRefused ? new EngineError('refused', `The torrent ${error.message}.`) : error
  }
}

/** What discovery on the local network needs where it is switched on: its multicast groups, and for UPnP the router itself. */
function localDiscovery({ discovery }: EngineSettings): (address: string) => boolean {
  return (address) =>
    (discovery.lsd && address === '239.192.152.143') // BEP 14
    || (discovery.upnp && (address === '239.255.255.250' || /^(10|192\.168|172\.(1[6-9]|2\d|3[01]))\./.test(address)))
}
