import type WebTorrent from 'webtorrent'
import type { Torrent } from 'webtorrent'
import { announce, type Announcer } from './announcer.ts'
import type { Reach } from './reach.ts'

/** What a torrent of the swarm client hears from trackers. */
export interface TrackerSink { readonly onPeer: (peer: string) => void; readonly onAnnounced: () => void }

interface Seed {
  readonly infoHash: string
  readonly trackers: readonly string[]
  announcer: Announcer | null
  /** Of its torrent while it is awake. */
  sink: TrackerSink | null
  torrent: Torrent | null
  /** Sent by its torrents that have gone to sleep since. */
  sentBefore: number
  /** Peers that trackers named while it slept. */
  waiting: string[]
}

export interface SeedsOptions {
  readonly isPublished: (infoHash: string) => boolean
  /** Brings a seed's torrent into the swarm; rejects when there is no room for it just now. */
  readonly wake: (infoHash: string) => Promise<void>
}

/** Hundreds of titles begin to announce themselves one after the other, so far apart. */
const startEveryMs = 50
const mostWaiting = 50

/**
 * The published torrents on offer. Asleep, one costs what its trackers are told, every half hour or so: no torrent of the
 * swarm client, no map, no piece in memory. It is woken by a peer that connects to us for it, or by a tracker that names
 * peers when it knows of somebody who lacks a part.
 */
export class Seeds {
  #options: SeedsOptions
  #swarm: { readonly client: WebTorrent; readonly reach: Reach } | null = null
  #seeds = new Map<string, Seed>()
  #unannounced: Seed[] = []
  #timer: NodeJS.Timeout | null = null

  constructor(options: SeedsOptions) {
    this.#options = options
  }

  /** From here on trackers can be told. */
  join(client: WebTorrent, reach: Reach): void {
    this.#swarm = { client, reach }
    this.#announceNext()
  }

  get size(): number {
    return this.#seeds.size
  }

  has(infoHash: string): boolean {
    return this.#seeds.has(infoHash)
  }

  /** Whether it is the operator's own and not on offer: then nobody hears of it, and nobody gets any of it. */
  isWithheld(infoHash: string): boolean {
    return this.#options.isPublished(infoHash) && !this.#seeds.has(infoHash)
  }

  /** Offers these and no others. @returns those that are offered no more */
  set(torrents: readonly { readonly infoHash: string; readonly trackers: readonly string[] }[]): string[] {
    const wanted = new Map(torrents.map((torrent) => [torrent.infoHash, torrent]))
    const same = (seed: Seed) => wanted.get(seed.infoHash)?.trackers.join() === seed.trackers.join()
    const gone = [...this.#seeds.values()].filter((seed) => !same(seed)).map(({ infoHash }) => infoHash)
    for (const infoHash of gone) this.remove(infoHash)
    for (const { infoHash, trackers } of torrents) {
      if (this.#seeds.has(infoHash)) continue
      const seed: Seed = { infoHash, trackers: [...trackers], announcer: null, sink: null, torrent: null, sentBefore: 0, waiting: [] }
      this.#seeds.set(infoHash, seed)
      if (trackers.length > 0) this.#unannounced.push(seed)
    }
    if (!this.#timer) this.#announceNext()
    return gone
  }

  remove(infoHash: string): void {
    const seed = this.#seeds.get(infoHash)
    this.#seeds.delete(infoHash)
    seed?.announcer?.destroy(() => {})
    if (seed) seed.announcer = null
  }

  /** Resolves when no tracker is being told any more. */
  async close(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer)
    this.#swarm = null
    const announcers = [...this.#seeds.values()].flatMap(({ announcer }) => announcer ?? [])
    await Promise.all(announcers.map((announcer) => new Promise<void>((resolve) => announcer.destroy(resolve))))
  }

  /** Wakes one that a peer asks for; does nothing for others. Never rejects. */
  async wake(infoHash: string): Promise<void> {
    if (this.#seeds.has(infoHash)) await this.#options.wake(infoHash).catch(() => {})
  }

  /** Takes the place of a torrent's own tracker client, while its published torrent is awake: trackers hear one voice. Null for others. */
  attach(torrent: Torrent, sink: TrackerSink): Announcer | null {
    const { infoHash } = torrent
    if (!this.#options.isPublished(infoHash)) return null
    const seedNow = () => this.#seeds.get(infoHash)
    const seed = seedNow()
    if (seed) {
      Object.assign(seed, { sink, torrent })
      // once the torrent knows of its discovery
      setImmediate(() => { for (const peer of seed.waiting.splice(0)) sink.onPeer(peer) })
    }
    return {
      start() {},
      stop() {},
      complete() {},
      removeListener() {},
      update: () => seedNow()?.announcer?.update(),
      destroy: (done) => {
        const left = seedNow()
        if (left?.torrent === torrent) Object.assign(left, { sink: null, torrent: null, sentBefore: left.sentBefore + torrent.uploaded })
        done()
      },
    }
  }

  #announceNext(): void {
    this.#timer = null
    if (!this.#swarm) return
    const seed = this.#unannounced.shift()
    if (!seed) return
    if (this.#seeds.get(seed.infoHash) === seed) seed.announcer = this.#announcerOf(seed, this.#swarm)
    this.#timer = setTimeout(() => this.#announceNext(), startEveryMs).unref()
  }

  #announcerOf(seed: Seed, { client, reach }: { client: WebTorrent; reach: Reach }): Announcer {
    return announce({
      // a seeder: nothing is left to fetch, nothing was fetched
      torrent: { infoHash: seed.infoHash, announce: seed.trackers, length: 0, downloaded: 0, received: 0, destroyed: false, get uploaded() { return seed.sentBefore + (seed.torrent?.uploaded ?? 0) } },
      reach,
      port: client.torrentPort,
      peerId: client.peerId,
      onPeer: (peer, leechers) => {
        if (seed.sink) return seed.sink.onPeer(peer)
        if (leechers === 0 || seed.waiting.length >= mostWaiting || !reach.mayReach(peer.replace(/:\d+$/, '').replace(/^\[|\]$/g, ''))) return
        seed.waiting.push(peer)
        if (seed.waiting.length === 1) void this.wake(seed.infoHash).finally(() => { if (!seed.sink) seed.waiting = [] })
      },
      onAnnounced: () => seed.sink?.onAnnounced(),
    })
  }
}
