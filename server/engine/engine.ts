import { mkdir } from 'node:fs/promises'
import type WebTorrent from 'webtorrent'
import { usableTrackers } from '../lib/addresses.ts'
import { PieceMap } from '../lib/piece-map.ts'
import { parseTorrentFile, TorrentRefused, type TorrentInfo } from '../lib/torrent.ts'
import { ActiveTorrent } from './active-torrent.ts'
import { Cache } from './cache.ts'
import { EngineError, type EngineReply, type EngineRequest, type EngineSettings, type FromEngine } from './contract.ts'
import { searchMetadata, type MetadataSearch } from './metadata.ts'
import { createReach } from './reach.ts'
import { joinSwarm } from './swarm-client.ts'
import { raiseWall } from './wall.ts'

type Input<Op extends EngineRequest['op']> = Extract<EngineRequest, { op: Op }>['input']
type Emit = (event: Exclude<FromEngine, { kind: 'reply' }>) => void

/** Warm torrents at once: what a person opens in a minute; each has as many connections as one that is read. */
const mostWarm = 8

interface Known {
  readonly info: TorrentInfo
  readonly trackers: string[]
  readonly peers: string[]
  readonly published: boolean
  active: ActiveTorrent | null
  /** Runs while it is known but not active. */
  forget: NodeJS.Timeout | null
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
  #gone = { fetchedBytes: 0, sentBytes: 0 }

  static async start(settings: EngineSettings, emit: Emit): Promise<Engine> {
    await mkdir(settings.dataDir, { recursive: true, mode: 0o700 })
    const reach = createReach(settings)
    raiseWall(reach, localDiscovery(settings))
    const onBan = (infoHash: string, detail: string) => emit({ kind: 'notice', event: 'peer_banned', infoHash, detail })
    return new Engine(await joinSwarm(settings, reach, onBan), settings, emit)
  }

  private constructor(client: WebTorrent, settings: EngineSettings, emit: Emit) {
    this.#client = client
    this.#settings = settings
    this.#emit = emit
    this.#cache = new Cache({ ...settings, onEvent: (event) => emit({ kind: 'notice', ...event }) })
    this.port = client.torrentPort
  }

  open({ infoHash, torrent, trackers, peers, published }: Input<'open'>): EngineReply<'open'> {
    let known = this.#known.get(infoHash)
    if (!known) {
      const info = parse(torrent)
      if (info.infoHash !== infoHash) throw new EngineError('refused', 'The torrent has another info-hash.')
      known = { info, trackers: this.#usable(infoHash, trackers), peers, published, active: null, forget: null }
      this.#known.set(infoHash, known)
      this.#cache.setPublished(infoHash, published)
      this.#forgetLater(known)
    }
    const { pieceLength, files } = known.info
    return { pieceLength, files: files.map(({ index, lengthBytes }) => ({ index, lengthBytes })) }
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
    const removed = Promise.resolve(this.#leaving.get(infoHash)).then(() => this.#cache.remove(infoHash))
    this.#keepLeaving(infoHash, removed)
    this.#confirmed.delete(infoHash)
    await removed
  }

  async evict({ infoHash, fileIndex }: Input<'evict'>): Promise<EngineReply<'evict'>> {
    await this.#leaving.get(infoHash)
    return { freedBytes: await this.#cache.evict(infoHash, fileIndex) }
  }

  async stats(): Promise<EngineReply<'stats'>> {
    const cache = await this.#cache.stats()
    const torrents = [...this.#known.values()].flatMap(({ active }) => active?.stats() ?? [])
    const total = (key: 'fetchedBytes' | 'sentBytes') => torrents.reduce((sum, torrent) => sum + torrent[key], this.#gone[key])
    return { torrents, fetchedBytes: total('fetchedBytes'), sentBytes: total('sentBytes'), cache }
  }

  /** Writes down what is known of the pieces. */
  async close(): Promise<void> {
    for (const known of this.#known.values()) this.#leave(known)
    await Promise.allSettled(this.#leaving.values())
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
      onIdle: () => this.#leave(known),
    })
  }

  /** Out of the swarm and out of memory; what is on disk stays. */
  #leave(known: Known): void {
    const { active, info: { infoHash } } = known
    if (known.forget) clearTimeout(known.forget)
    this.#warm.delete(known)
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
