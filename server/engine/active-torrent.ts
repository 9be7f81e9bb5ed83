import type WebTorrent from 'webtorrent'
import type { Torrent } from 'webtorrent'
import { isPublicAddress } from '../lib/addresses.ts'
import { bufferedStretches } from '../lib/buffered.ts'
import type { PieceMap } from '../lib/piece-map.ts'
import type { TorrentInfo } from '../lib/torrent.ts'
import { ActiveReaders } from './active-readers.ts'
import { Availability } from './availability.ts'
import type { Cache } from './cache.ts'
import { chunkStoreOf } from './chunk-store.ts'
import { EngineError, type EngineErrorCode, type EngineReply, type EngineSettings, type TorrentStats } from './contract.ts'
import { encryptOnRefusal } from './encryption.ts'
import { greetEarly } from './greeting.ts'
import { PieceSelection } from './piece-selection.ts'
import { piecesOfSegment } from './piece-spans.ts'
import { receiveInPlace } from './receive.ts'
import { GoodPeers, partsOf } from './remembered-peers.ts'
import { Requests } from './requests.ts'
import { StorageFull } from './room.ts'
import { segmentBytes } from './segments.ts'
import { PieceStorage } from './storage.ts'
import { torrentObject } from './torrent-object.ts'
import type { ActiveReader } from './window.ts'

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

/** A file in more stretches than this is told by its longest. */
const mostStretches = 256
/** Without any peer, trackers are asked again after this long, then after twice as long each time. */
const reannounce = { firstMs: 5_000, mostMs: 60_000 }

/**
 * A torrent in the swarm while somebody reads it, and a little longer: from its folder to its peers and back. Who reads it
 * is in `ActiveReaders`, what they are told in `Availability`, what is fetched for them in `PieceSelection`.
 */
export class ActiveTorrent {
  readonly #options: ActiveTorrentOptions
  readonly #readers: ActiveReaders
  readonly #started: Promise<void>
  #storage: PieceStorage | null = null
  #torrent: Torrent | null = null
  #requests: Requests | null = null
  /** These two are there from when webtorrent is ready. */
  #availability: Availability | null = null
  #selection: PieceSelection | null = null
  #good: GoodPeers | null = null
  #closed = false
  #idleTimer: NodeJS.Timeout | null = null
  /** When it is let go, by `performance.now()`, if nobody reads it until then. */
  #idleAt = 0
  #announceTimer: NodeJS.Timeout | null = null

  constructor(options: ActiveTorrentOptions) {
    this.#options = options
    this.#readers = new ActiveReaders(options.info, options.settings.windowBytes)
    this.#started = this.#start().catch((error: unknown) => this.#fail(error))
    this.#announceLater(reannounce.firstMs)
  }

  /** Stays in the swarm for so long though nobody reads it: its peers are connected when somebody does. */
  keep(forMs: number): void {
    if (this.#readers.size === 0 && performance.now() + forMs > this.#idleAt) this.#idleIn(forMs)
  }

  want(reader: Omit<ActiveReader, 'next'>): void {
    if (this.#idleTimer) clearTimeout(this.#idleTimer)
    this.#readers.add(reader)
    this.#storage?.played(reader.fileIndex, reader.position, reader.position + 1)
    this.#selection?.readersMoved()
    this.#selection?.update()
    this.#availability?.advance(reader.id)
  }

  progress(readerId: number, position: number): void {
    const reader = this.#readers.get(readerId)
    if (!reader || position <= reader.position) return
    this.#storage?.played(reader.fileIndex, reader.position, position)
    reader.position = position
    this.#selection?.readersMoved()
    this.#availability?.advance(readerId)
  }

  release(readerId: number): void {
    if (!this.#readers.delete(readerId)) return
    this.#selection?.update()
    if (this.#readers.size > 0 || this.#closed) return
    this.#idleIn(this.#options.settings.idleMs)
  }

  /** Fails every reader. */
  fail(code: EngineErrorCode, message: string): void {
    const readers = [...this.#readers]
    for (const { id } of readers) this.#readers.delete(id)
    this.#selection?.update()
    for (const { id } of readers) this.#options.onFailed(id, code, message)
  }

  /** What is said to be in the segment at a position is to be looked at again before it is given away. */
  doubt(fileIndex: number, position: number): void {
    const { from, to } = piecesOfSegment(this.#options.info, fileIndex, Math.floor(position / segmentBytes))
    for (let piece = from; piece <= to; piece += 1) this.#options.confirmed.delete(piece)
  }

  /** Takes note that storage has these pieces no longer: they are fetched again when a window comes to them, and peers are told. */
  lost(pieces: Iterable<number>): void {
    const torrent = this.#torrent
    const wasWhole = torrent !== null && this.#selection !== null && isWhole(torrent)
    for (const piece of pieces) {
      this.#options.confirmed.delete(piece)
      if (!torrent || torrent.destroyed || !this.#selection || !torrent.bitfield.get(piece)) continue
      torrent._markUnverified(piece)
      for (const wire of torrent.wires) wire.lt_donthave.donthave(piece)
      torrent._updateInterest()
    }
    if (torrent && wasWhole && !isWhole(torrent)) meetAgain(torrent)
    this.#selection?.renew()
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

  /** Null where there is no such file, or before it is known what is on disk. */
  buffered(fileIndex: number): EngineReply<'buffered'> {
    const { files, pieceLength } = this.#options.info
    const [file, storage] = [files[fileIndex], this.#storage]
    if (!file || !storage) return null
    const { peers, downloadSpeed, uploadSpeed } = this.stats()
    return { peers, downloadSpeed, uploadSpeed, stretches: bufferedStretches((piece) => storage.stored.has(piece), file, pieceLength, mostStretches) }
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
      holds: (pieces) => this.#readers.holds(pieces),
      promises: (pieces) => this.#readers.promises(pieces),
      waitsFor: (piece) => this.#readers.waitsFor(piece),
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
    receiveInPlace(torrent, info.pieceLength)
    const requests = new Requests(torrent)
    this.#requests = requests
    greetEarly(torrent)
    encryptOnRefusal(torrent)
    // It would hash a piece or two of each file; `Availability` has each piece confirmed before it is first given away.
    torrent._verifyPieces = (done) => done(null)
    const destroy = torrent._destroy.bind(torrent)
    torrent._destroy = (error, ...rest) => {
      if (!(error instanceof StorageFull && 'piece' in error)) return destroy(error, ...rest)
      if (!torrent.destroyed) torrent._markUnverified(Number(error.piece))
      this.#selection?.refused(Number(error.piece), error)
    }
    torrent.on('verified', (piece: number) => {
      // Dropped between its write and this: once webtorrent has told peers that it is there, they are told that it is not.
      if (!storage.stored.has(piece)) return queueMicrotask(() => this.lost([piece]))
      confirmed.add(piece)
      const sources = requests.takeSources(piece)
      good?.add(sources)
      this.#availability?.advanceAll()
    })
    torrent.on('error', (error: unknown) => this.#fail(error))
    torrent.once('ready', () => this.#onReady(torrent, storage, requests))
  }

  #onReady(torrent: Torrent, storage: PieceStorage, requests: Requests): void {
    const { info, settings: { windowBytes }, confirmed, onAvailable } = this.#options
    const readers = this.#readers
    const has = (piece: number) => storage.stored.has(piece) && torrent.bitfield.get(piece)
    const selection = new PieceSelection({ torrent, info, windowBytes, readers, storage, requests, has, onNoRoom: (reader, error) => this.#failReader(reader, error) })
    this.#selection = selection
    this.#availability = new Availability({
      info, windowBytes, readers, has, onAvailable,
      isConfirmed: (piece) => confirmed.has(piece),
      confirm: (piece) => this.#confirm(storage, piece),
      onAdvanced: () => selection.update(),
      onError: (error) => this.#fail(error),
    })
    // What webtorrent was told is there, and is not any more now that it is ready.
    this.lost(Array.from({ length: storage.stored.pieces }, (_, piece) => piece).filter((piece) => torrent.bitfield.get(piece) && !storage.stored.has(piece)))
    this.#availability.advanceAll()
  }

  async #confirm(storage: PieceStorage, piece: number): Promise<boolean> {
    const isRight = await storage.check(piece)
    if (isRight) this.#options.confirmed.add(piece)
    else this.lost([piece])
    return isRight
  }

  #failReader(reader: ActiveReader, { code, message }: StorageFull): void {
    if (!this.#readers.includes(reader)) return
    this.release(reader.id)
    this.#options.onFailed(reader.id, code, message)
  }

  #fail(error: unknown): void {
    if (this.#closed) return
    const systemCode = error instanceof Error && 'code' in error ? String(error.code) : ''
    const code = ['ENOSPC', 'EDQUOT'].includes(systemCode) ? 'storage_full' : /^E[A-Z]+$/.test(systemCode) ? 'storage_failed' : 'internal'
    this.fail(error instanceof EngineError ? error.code : code, error instanceof Error ? error.message : String(error))
    this.#options.onIdle()
  }

  #idleIn(ms: number): void {
    if (this.#idleTimer) clearTimeout(this.#idleTimer)
    this.#idleAt = performance.now() + ms
    this.#idleTimer = setTimeout(this.#options.onIdle, ms)
  }

  #announceLater(delayMs: number): void {
    this.#announceTimer = setTimeout(() => {
      const starving = this.#readers.size > 0 && this.#torrent?.numPeers === 0
      if (starving) this.#torrent?.discovery?.tracker?.update()
      this.#announceLater(starving ? Math.min(delayMs * 2, reannounce.mostMs) : reannounce.firstMs)
    }, delayMs)
  }
}

const isWhole = ({ bitfield, pieces }: Torrent) => pieces.every((_, piece) => bitfield.get(piece))

/** Who has taken us for a seeder chokes us for good (webtorrent does, whatever it is told later): such peers are called anew. */
function meetAgain(torrent: Torrent): void {
  for (const peer of [...torrent._peers.values()]) {
    if (!peer.wire) continue
    torrent.removePeer(peer)
    if (peer.type === 'tcpOutgoing') torrent.addPeer(peer.addr)
  }
}
