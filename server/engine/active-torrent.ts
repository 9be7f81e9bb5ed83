import type WebTorrent from 'webtorrent'
import type { Torrent } from 'webtorrent'
import { isPublicAddress } from '../lib/addresses.ts'
import type { PieceMap } from '../lib/piece-map.ts'
import type { TorrentInfo } from '../lib/torrent.ts'
import { StorageFull, type Cache } from './cache.ts'
import { chunkStoreOf } from './chunk-store.ts'
import { EngineError, type EngineErrorCode, type EngineSettings, type TorrentStats } from './contract.ts'
import { encryptOnRefusal } from './encryption.ts'
import { greetEarly } from './greeting.ts'
import { piecesOfSegment } from './piece-spans.ts'
import { GoodPeers, partsOf } from './remembered-peers.ts'
import { Requests } from './requests.ts'
import { segmentBytes } from './segments.ts'
import { PieceStorage } from './storage.ts'
import { torrentObject } from './torrent-object.ts'
import { byUrgency, heldBy, promisedTo, tailOf, windowOf, type ActiveReader, type PieceSpan } from './window.ts'

export interface ActiveTorrentOptions {
  readonly client: WebTorrent
  readonly settings: EngineSettings
  readonly info: TorrentInfo
  readonly trackers: readonly string[]
  readonly peers: readonly string[]
  readonly cache: Cache
  readonly published: boolean
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
  /** Had no room though verified. */
  #unstorable = new Set<number>()
  #selecting = false
  #idleTimer: NodeJS.Timeout | null = null
  /** When it is let go, by `performance.now()`, if nobody reads it until then. */
  #idleAt = 0
  #good: GoodPeers | null = null
  #announceTimer: NodeJS.Timeout | null = null

  constructor(options: ActiveTorrentOptions) {
    this.#options = options
    this.#started = this.#start().catch((error: unknown) => this.#fail(error))
    this.#announceLater(reannounce.firstMs)
  }

  /** Stays in the swarm for so long though nobody reads it: its peers are connected when somebody does. */
  keep(forMs: number): void {
    if (this.#readers.size === 0 && performance.now() + forMs > this.#idleAt) this.#idleIn(forMs)
  }

  want(reader: Omit<ActiveReader, 'next'>): void {
    if (this.#idleTimer) clearTimeout(this.#idleTimer)
    this.#readers.set(reader.id, { ...reader, next: reader.start })
    this.#storage?.played(reader.fileIndex, reader.position, reader.position + 1)
    this.#unstorable.clear()
    this.#select()
    this.#advance(reader.id)
  }

  /** What is said to be in the segment at a position is to be looked at again before it is given away. */
  doubt(fileIndex: number, position: number): void {
    const { from, to } = piecesOfSegment(this.#options.info, fileIndex, Math.floor(position / segmentBytes))
    for (let piece = from; piece <= to; piece += 1) this.#options.confirmed.delete(piece)
  }

  /** Whether a reader needs the piece: from where it stands to the end of its window, whatever it was told is there, and its tail. */
  holds(piece: number): boolean {
    const { info, settings } = this.#options
    return this.#someReader((reader) => isWithin(piece, heldBy(reader, info, settings.windowBytes)) || isWithin(piece, tailOf(reader, info)))
  }

  /** Whether a reader was told that the piece is there. */
  promises(piece: number): boolean {
    return this.#someReader((reader) => isWithin(piece, promisedTo(reader, this.#options.info)))
  }

  /** Whether it is the piece that a reader waits for, or will next. */
  waitsFor(piece: number): boolean {
    return this.#someReader((reader) => this.#isNext(reader, piece))
  }

  /** Takes note that storage has these pieces no longer: they are fetched again when a window comes to them, and peers are told. */
  lost(pieces: Iterable<number>): void {
    const torrent = this.#torrent
    const wasWhole = torrent !== null && this.#ready && isWhole(torrent)
    for (const piece of pieces) {
      this.#options.confirmed.delete(piece)
      if (!torrent || torrent.destroyed || !this.#ready || !torrent.bitfield.get(piece)) continue
      torrent._markUnverified(piece)
      for (const wire of torrent.wires) wire.lt_donthave.donthave(piece)
      torrent._updateInterest()
    }
    if (torrent && wasWhole && !isWhole(torrent)) meetAgain(torrent)
    this.#selected = ''
    this.#select()
  }

  progress(readerId: number, position: number): void {
    const reader = this.#readers.get(readerId)
    if (!reader || position <= reader.position) return
    this.#storage?.played(reader.fileIndex, reader.position, position)
    reader.position = position
    this.#unstorable.clear()
    this.#advance(readerId)
  }

  release(readerId: number): void {
    if (!this.#readers.delete(readerId)) return
    this.#select()
    if (this.#readers.size > 0 || this.#closed) return
    this.#idleIn(this.#options.settings.idleMs)
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
    await Promise.all([this.#storage?.close(), this.#good?.settled()])
  }

  async #start(): Promise<void> {
    const { after, settings, info, client, trackers, peers, cache, published, confirmed } = this.#options
    await after
    const storage = await PieceStorage.open({
      dataDir: settings.dataDir, info, cache, published, confirmed,
      holds: (piece) => this.holds(piece),
      promises: (piece) => this.promises(piece),
      waitsFor: (piece) => this.waitsFor(piece),
      onLost: (pieces) => this.lost(pieces),
    })
    this.#storage = storage
    // a private torrent has its peers from its trackers alone (BEP 27)
    const good = info.private ? null : await GoodPeers.of(storage.folder)
    const known = good?.addresses.filter((peer) => settings.allowPrivateAddresses || isPublicAddress(partsOf(peer)?.host ?? '')) ?? []
    if (this.#closed) return
    this.#good = good
    const torrent = client.add(torrentObject(info, trackers, [...peers, ...known]), {
      store: chunkStoreOf(storage),
      storeCacheSlots: 0,
      bitfield: storage.stored.bytes,
      deselect: true,
    })
    this.#torrent = torrent
    this.#requests = new Requests(torrent)
    greetEarly(torrent)
    encryptOnRefusal(torrent)
    // It would hash a piece or two of each file; `#advance` confirms each piece before it is first given away.
    torrent._verifyPieces = (done) => done(null)
    const destroy = torrent._destroy.bind(torrent)
    torrent._destroy = (error, ...rest) => (error instanceof StorageFull && 'piece' in error ? this.#onFull(Number(error.piece), error) : destroy(error, ...rest))
    torrent.on('verified', (piece: number) => {
      // Dropped between its write and this: once webtorrent has told peers that it is there, they are told that it is not.
      if (!storage.stored.has(piece)) return queueMicrotask(() => this.lost([piece]))
      confirmed.add(piece)
      const sources = this.#requests?.takeSources(piece) ?? []
      good?.add(sources)
      for (const id of this.#readers.keys()) this.#advance(id)
    })
    torrent.on('error', (error: unknown) => this.#fail(error))
    torrent.once('ready', () => {
      this.#ready = true
      this.lost(this.#lostMeanwhile(storage.stored))
      for (const id of this.#readers.keys()) this.#advance(id)
    })
  }

  /** What webtorrent was told is there, and is not any more now that it is ready. */
  #lostMeanwhile(stored: PieceMap): number[] {
    return Array.from({ length: stored.pieces }, (_, piece) => piece).filter((piece) => this.#torrent?.bitfield.get(piece) && !stored.has(piece))
  }

  /** A verified piece had no room: who waits for it is told. What was wanted for later is wanted again when readers have moved. */
  #onFull(piece: number, error: StorageFull): void {
    if (!this.#torrent?.destroyed) this.#torrent?._markUnverified(piece)
    if (this.waitsFor(piece)) this.#failWhere((reader) => this.#isNext(reader, piece), error)
    else {
      this.#unstorable.add(piece)
      this.#selected = ''
      this.#select()
    }
  }

  #someReader(isOne: (reader: ActiveReader) => boolean): boolean {
    for (const reader of this.#readers.values()) if (isOne(reader)) return true
    return false
  }

  #isNext({ fileIndex, next }: ActiveReader, piece: number): boolean {
    const { files, pieceLength } = this.#options.info
    return Math.floor(((files[fileIndex]?.offset ?? 0) + next) / pieceLength) === piece
  }

  #failWhere(isHit: (reader: ActiveReader) => boolean, { code, message }: StorageFull): void {
    for (const reader of [...this.#readers.values()].filter(isHit)) {
      this.release(reader.id)
      this.#options.onFailed(reader.id, code, message)
    }
  }

  #fail(error: unknown): void {
    if (this.#closed) return
    const systemCode = error instanceof Error && 'code' in error ? String(error.code) : ''
    const code = ['ENOSPC', 'EDQUOT'].includes(systemCode) ? 'storage_full' : /^E[A-Z]+$/.test(systemCode) ? 'storage_failed' : 'internal'
    this.fail(error instanceof EngineError ? error.code : code, error instanceof Error ? error.message : String(error))
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
    const wanted = [...this.#readers.values()].flatMap((reader) => {
      const { from, to } = windowOf(reader, info, settings.windowBytes)
      for (let head = from; head <= to; head += 1) if (!this.#has(head)) return { reader, from: head, to }
      return []
    })
    const tails = [...this.#readers.values()].flatMap((reader) => (reader.next === reader.start ? [] : lackingOf(tailOf(reader, info), (piece) => this.#has(piece))))
    const selected = [...wanted.map(({ from, to }) => `${from}-${to}`), ...tails].join()
    if (selected === this.#selected) return
    this.#selected = selected
    const lacking = wanted.filter(({ reader, from }) => this.#hasRoom(reader, from)).map(({ from, to }) => ({ from, to: this.#isStorable(to) ? to : from }))
    this.#requests?.want(byUrgency(lacking, tails.filter((piece) => this.#isStorable(piece))), lacking.map(({ from }) => from))
  }

  /** Whether there is room for what is wanted later, too. */
  #isStorable(piece: number): boolean {
    return !this.#unstorable.has(piece) && (this.#storage?.hasRoom(piece) ?? true)
  }

  #idleIn(ms: number): void {
    if (this.#idleTimer) clearTimeout(this.#idleTimer)
    this.#idleAt = performance.now() + ms
    this.#idleTimer = setTimeout(this.#options.onIdle, ms)
  }

  /** Nothing is fetched that could not be stored: a reader whose next piece has no room is told so. */
  #hasRoom(reader: ActiveReader, piece: number): boolean {
    try {
      this.#storage?.demandRoom(piece)
      return true
    } catch (error) {
      if (!(error instanceof StorageFull)) throw error
      queueMicrotask(() => this.#failWhere((other) => other === reader, error))
      return false
    }
  }

  #announceLater(delayMs: number): void {
    this.#announceTimer = setTimeout(() => {
      const starving = this.#readers.size > 0 && this.#torrent?.numPeers === 0
      if (starving) this.#torrent?.discovery?.tracker?.update()
      this.#announceLater(starving ? Math.min(delayMs * 2, reannounce.mostMs) : reannounce.firstMs)
    }, delayMs)
  }
}

const isWithin = (piece: number, span: PieceSpan | null) => span !== null && piece >= span.from && piece <= span.to
const isWhole = ({ bitfield, pieces }: Torrent) => pieces.every((_, piece) => bitfield.get(piece))

/** Who has taken us for a seeder chokes us for good (webtorrent does, whatever it is told later): such peers are called anew. */
function meetAgain(torrent: Torrent): void {
  for (const peer of [...torrent._peers.values()]) {
    if (!peer.wire) continue
    torrent.removePeer(peer)
    if (peer.type === 'tcpOutgoing') torrent.addPeer(peer.addr)
  }
}

function lackingOf(span: PieceSpan | null, has: (piece: number) => boolean): number[] {
  if (!span) return []
  return Array.from({ length: span.to - span.from + 1 }, (_, at) => span.from + at).filter((piece) => !has(piece))
}
