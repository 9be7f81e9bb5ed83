import type WebTorrent from 'webtorrent'
import type { Torrent } from 'webtorrent'
import { bufferedStretches } from '../lib/buffered.ts'
import type { PieceMap } from '../lib/piece-map.ts'
import type { TorrentInfo } from '../lib/torrent.ts'
import type { EngineErrorCode, EngineReply, EngineSettings, TorrentStats } from './contract.ts'
import { PieceStorage } from './storage.ts'
import { torrentObject } from './torrent-object.ts'
import { windowOf, type ActiveReader, type PieceWindow } from './window.ts'

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

/** A file in more stretches than this is told by its longest. */
const mostStretches = 256
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
  #ready = false
  #started: Promise<void>
  #closed = false
  #selected = ''
  #idleTimer: NodeJS.Timeout | null = null
  #announceTimer: NodeJS.Timeout | null = null

  constructor(options: ActiveTorrentOptions) {
    this.#options = options
    this.#started = this.#start().catch((error: unknown) => this.#fail(error))
    this.#announceLater(reannounce.firstMs)
  }

  want(reader: Omit<ActiveReader, 'next'> & { readonly start: number }): void {
    if (this.#idleTimer) clearTimeout(this.#idleTimer)
    this.#readers.set(reader.id, { ...reader, next: reader.start })
    this.#select()
    this.#advance(reader.id)
  }

  progress(readerId: number, position: number): void {
    const reader = this.#readers.get(readerId)
    if (!reader || position <= reader.position) return
    reader.position = position
    this.#select()
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

  /** Says how far a reader's bytes are there. Pieces from an earlier process are confirmed first, a window ahead at most. */
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
      if (!storage.stored.has(piece) || !this.#torrent?.bitfield.get(piece)) break
      if (!confirmed.has(piece)) {
        if (piece > (windowOf(reader, info, settings.windowBytes)?.to ?? -1)) break
        if (await storage.check(piece)) confirmed.add(piece)
        else {
          if (!this.#torrent.destroyed) this.#torrent._markUnverified(piece)
          this.#selected = ''
          break
        }
      }
      reader.next = Math.min(reader.end, (piece + 1) * info.pieceLength - offset)
    }
    if (this.#readers.get(readerId) !== reader) return
    if (reader.next > before) onAvailable(readerId, reader.next)
    this.#select()
  }

  /** Makes webtorrent want the windows of the readers, and nothing else; takes back what it has asked peers for beyond them. */
  #select(): void {
    const torrent = this.#torrent
    if (!torrent || torrent.destroyed || !this.#ready) return
    const { info, settings } = this.#options
    const windows = [...this.#readers.values()].flatMap((reader) => windowOf(reader, info, settings.windowBytes) ?? [])
    const selected = windows.map(({ head, to }) => `${head}-${to}`).join()
    if (selected === this.#selected) return
    this.#selected = selected
    torrent._selections.clear()
    torrent._critical.length = 0
    cancelBeyond(torrent, windows)
    for (const { head, to } of windows) {
      const urgent = Math.min(head + 1, to)
      torrent.critical(head, urgent)
      torrent._select(head, urgent, 2, undefined, true)
      torrent._select(head, to, 1, undefined, true)
    }
    if (windows.length === 0) torrent._updateSelections()
  }

  #announceLater(delayMs: number): void {
    this.#announceTimer = setTimeout(() => {
      const starving = this.#readers.size > 0 && this.#torrent?.numPeers === 0
      if (starving) this.#torrent?.discovery?.tracker?.update()
      this.#announceLater(starving ? Math.min(delayMs * 2, reannounce.mostMs) : reannounce.firstMs)
    }, delayMs)
  }
}

/** CANCELs requests that no window covers: a seek would wait behind them. */
function cancelBeyond(torrent: Torrent, windows: readonly PieceWindow[]): void {
  for (const wire of torrent.wires) {
    for (const { piece, offset, length } of [...wire.requests]) {
      if (!windows.some(({ from, to }) => piece >= from && piece <= to)) wire.cancel(piece, offset, length)
    }
  }
}
