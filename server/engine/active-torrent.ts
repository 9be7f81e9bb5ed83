import type WebTorrent from 'webtorrent'
import type { Torrent } from 'webtorrent'
import type { PieceMap } from '../lib/piece-map.ts'
import type { TorrentInfo } from '../lib/torrent.ts'
import type { EngineErrorCode, EngineSettings, TorrentStats } from './contract.ts'
import { greetEarly } from './greeting.ts'
import { Requests } from './requests.ts'
import { PieceStorage } from './storage.ts'
import { torrentObject } from './torrent-object.ts'
import { byUrgency, heldBy, windowOf, type ActiveReader } from './window.ts'

export interface ActiveTorrentOptions {
  readonly client: WebTorrent
  readonly settings: EngineSettings
  readonly info: TorrentInfo
  readonly trackers: readonly string[]
  readonly peers: readonly string[]
  /** Pieces that this process has hashed itself. */
  readonly confirmed: PieceMap
  /** Settled when an earlier life of this torrent has let go of its folder. */
  readonly after: Promise<unknown>
  readonly onAvailable: (readerId: number, upTo: number) => void
  readonly onFailed: (readerId: number, code: EngineErrorCode, message: string) => void
  /** Nobody has read it for a while, or it failed: it should be closed. */
  readonly onIdle: () => void
}

/** Without any peer, trackers are asked again after this long, then after twice as long each time. */
const reannounce = { firstMs: 5_000, mostMs: 60_000 }

/** A torrent in the swarm while somebody reads it, and a little longer. Its readers' windows decide what is fetched. */
export class ActiveTorrent {
  #options: ActiveTorrentOptions
  #readers = new Map<number, ActiveReader>()
  /** Readers whose availability is being worked out, and whether to do it once more. */
  #advancing = new Map<number, boolean>()
  #storage: PieceStorage | null = null
  #torrent: Torrent | null = null
  #requests: Requests | null = null
  #ready = false
  #started: Promise<void>
  #closed = false
  #selected = ''
  #selecting = false
  #idleTimer: NodeJS.Timeout | null = null
  #announceTimer: NodeJS.Timeout | null = null

  constructor(options: ActiveTorrentOptions) {
    this.#options = options
    this.#started = this.#start().catch((error: unknown) => this.#fail(error))
    this.#announceLater(reannounce.firstMs)
  }

  want(reader: Omit<ActiveReader, 'next'>): void {
    if (this.#idleTimer) clearTimeout(this.#idleTimer)
    this.#readers.set(reader.id, { ...reader, next: reader.start })
    this.#select()
    this.#advance(reader.id)
  }

  /** Whether a reader needs the piece: from where it stands to the end of its window, and whatever it was told is there. */
  holds(piece: number): boolean {
    const { info, settings } = this.#options
    for (const reader of this.#readers.values()) {
      const { from, to } = heldBy(reader, info, settings.windowBytes)
      if (piece >= from && piece <= to) return true
    }
    return false
  }

  /** Takes note that storage has these pieces no longer: they are fetched again when a window comes to them, and peers are told. */
  lost(pieces: Iterable<number>): void {
    const torrent = this.#torrent
    for (const piece of pieces) {
      this.#options.confirmed.delete(piece)
      if (!torrent || torrent.destroyed || !this.#ready || !torrent.bitfield.get(piece)) continue
      torrent._markUnverified(piece)
      for (const wire of torrent.wires) wire.lt_donthave.donthave(piece)
      torrent._updateInterest()
    }
    this.#selected = ''
    this.#select()
  }

  progress(readerId: number, position: number): void {
    const reader = this.#readers.get(readerId)
    if (!reader || position <= reader.position) return
    reader.position = position
    this.#advance(readerId)
  }

  release(readerId: number): void {
    if (!this.#readers.delete(readerId)) return
    this.#select()
    if (this.#readers.size > 0 || this.#closed) return
    this.#idleTimer = setTimeout(this.#options.onIdle, this.#options.settings.idleMs)
  }

  /** Fails every reader. */
  fail(code: EngineErrorCode, message: string): void {
    const ids = [...this.#readers.keys()]
    this.#readers.clear()
    this.#select()
    for (const id of ids) this.#options.onFailed(id, code, message)
  }

  stats(): TorrentStats {
    const torrent = this.#torrent
    return {
      infoHash: this.#options.info.infoHash,
      peers: torrent?.numPeers ?? 0,
      readers: this.#readers.size,
      downloadSpeed: torrent?.downloadSpeed ?? 0,
      uploadSpeed: torrent?.uploadSpeed ?? 0,
      fetchedBytes: torrent?.received ?? 0,
      sentBytes: torrent?.uploaded ?? 0,
      verifiedPieces: this.#storage?.stored.count() ?? 0,
      pieces: this.#options.info.pieceHashes.length / 20,
    }
  }

  /** Leaves the swarm; resolves when nothing is written any more. */
  async close(): Promise<void> {
    this.#closed = true
    if (this.#idleTimer) clearTimeout(this.#idleTimer)
    if (this.#announceTimer) clearTimeout(this.#announceTimer)
    await this.#started
    this.#requests?.close()
    const torrent = this.#torrent
    if (torrent && !torrent.destroyed) await new Promise<void>((resolve) => torrent.destroy({ destroyStore: false }, () => resolve()))
    await this.#storage?.settled()
  }

  async #start(): Promise<void> {
    const { after, settings, info, client, trackers, peers, confirmed } = this.#options
    await after
    const storage = await PieceStorage.open(settings.dataDir, info)
    if (this.#closed) return
    this.#storage = storage
    const torrent = client.add(torrentObject(info, trackers, peers), {
      store: storage.chunkStore(),
      storeCacheSlots: 0,
      bitfield: storage.stored.bytes,
      deselect: true,
    })
    this.#torrent = torrent
    this.#requests = new Requests(torrent)
    greetEarly(torrent)
    // It would hash a piece or two of each file; `#advance` confirms each piece before it is first given away.
    torrent._verifyPieces = (done) => done(null)
    torrent.on('verified', (piece: number) => {
      confirmed.add(piece)
      for (const id of this.#readers.keys()) this.#advance(id)
    })
    torrent.on('error', (error: unknown) => this.#fail(error))
    torrent.once('ready', () => {
      this.#ready = true
      this.#select()
      for (const id of this.#readers.keys()) this.#advance(id)
    })
  }

  #fail(error: unknown): void {
    if (this.#closed) return
    const systemCode = error instanceof Error && 'code' in error ? String(error.code) : ''
    const code = ['ENOSPC', 'EDQUOT'].includes(systemCode) ? 'storage_full' : /^E[A-Z]+$/.test(systemCode) ? 'storage_failed' : 'internal'
    this.fail(code, error instanceof Error ? error.message : String(error))
    this.#options.onIdle()
  }

  /** Says how far a reader's bytes are there, a window ahead at most. Pieces from an earlier process are confirmed first. */
  #advance(readerId: number): void {
    if (!this.#ready) return
    if (this.#advancing.has(readerId)) return void this.#advancing.set(readerId, true)
    this.#advancing.set(readerId, false)
    void this.#advanceNow(readerId).catch((error: unknown) => this.#fail(error)).finally(() => {
      const again = this.#advancing.get(readerId)
      this.#advancing.delete(readerId)
      if (again) this.#advance(readerId)
    })
  }

  async #advanceNow(readerId: number): Promise<void> {
    const { info, confirmed, onAvailable, settings } = this.#options
    const reader = this.#readers.get(readerId)
    const offset = info.files[reader?.fileIndex ?? 0]?.offset ?? 0
    const storage = this.#storage
    if (!reader || !storage) return
    const before = reader.next
    while (reader.next < reader.end && this.#readers.get(readerId) === reader) {
      const piece = Math.floor((offset + reader.next) / info.pieceLength)
      if (piece > windowOf(reader, info, settings.windowBytes).to || !this.#has(piece)) break
      if (!confirmed.has(piece)) {
        if (!(await storage.check(piece))) {
          this.lost([piece])
          break
        }
        confirmed.add(piece)
      }
      reader.next = Math.min(reader.end, (piece + 1) * info.pieceLength - offset)
    }
    if (this.#readers.get(readerId) !== reader) return
    if (reader.next > before) onAvailable(readerId, reader.next)
    this.#select()
  }

  #has(piece: number): boolean {
    return (this.#storage?.stored.has(piece) && this.#torrent?.bitfield.get(piece)) ?? false
  }

  /** Has what the readers' windows lack asked for, and nothing else; once for all that happens at the same time. */
  #select(): void {
    if (this.#selecting) return
    this.#selecting = true
    queueMicrotask(() => {
      this.#selecting = false
      this.#selectNow()
    })
  }

  #selectNow(): void {
    const torrent = this.#torrent
    if (!torrent || torrent.destroyed || !this.#ready) return
    const { info, settings } = this.#options
    const lacking = [...this.#readers.values()].flatMap((reader) => {
      const { from, to } = windowOf(reader, info, settings.windowBytes)
      for (let head = from; head <= to; head += 1) if (!this.#has(head)) return { from: head, to }
      return []
    })
    const selected = lacking.map(({ from, to }) => `${from}-${to}`).join()
    if (selected === this.#selected) return
    this.#selected = selected
    this.#requests?.want(byUrgency(lacking), lacking.map(({ from }) => from))
  }

  #announceLater(delayMs: number): void {
    this.#announceTimer = setTimeout(() => {
      const starving = this.#readers.size > 0 && this.#torrent?.numPeers === 0
      if (starving) this.#torrent?.discovery?.tracker?.update()
      this.#announceLater(starving ? Math.min(delayMs * 2, reannounce.mostMs) : reannounce.firstMs)
    }, delayMs)
  }
}
