import { createHash } from 'node:crypto'
import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import type { PieceMap } from '../lib/piece-map.ts'
import type { TorrentInfo } from '../lib/torrent.ts'
import type { Cache } from './cache.ts'
import type { PieceSource } from './chunk-store.ts'
import type { SegmentKeeper } from './ledger.ts'
import { MapFile } from './map-file.ts'
import { lengthOfPiece, piecesOfSegment, pieceSpans } from './piece-spans.ts'
import { StorageFull } from './room.ts'
import { Seals } from './seals.ts'
import { SegmentFiles } from './segment-files.ts'
import { segmentBytes, segmentName, torrentFolder, type SegmentOfFile, type SegmentSpan } from './segments.ts'
import { storedMap } from './stored-map.ts'
import type { PieceSpan } from './window.ts'

export interface StorageOptions {
  readonly dataDir: string
  readonly info: TorrentInfo
  readonly cache: Cache
  readonly published: boolean
  /** Pieces that this process has hashed itself. */
  readonly confirmed: PieceMap
  /** Whether a reader needs one of these pieces: what they are in is not dropped. */
  readonly holds: (pieces: PieceSpan) => boolean
  /** Whether a reader was told that one of these pieces is there. */
  readonly promises: (pieces: PieceSpan) => boolean
  /** Whether a reader waits for it, or will next: for it goes what is wanted later. */
  readonly waitsFor: (piece: number) => boolean
  /** Told of pieces that were there and are not any more. */
  readonly onLost: (pieces: readonly number[]) => void
}

/** Segments dropped for one write because the disk was full, however much it was reckoned to have. */
const mostReliefs = 3
/** The map is written so long after a change, with all that has changed by then. A crash costs what was fetched meanwhile. */
const saveMs = 25

/**
 * A torrent's pieces on disk, as segments of its files, with the map of those that are there. The map outlives the
 * process, so nothing is hashed at the start: segments are compared with the size and time of change it has of them, and
 * what it says is a claim until `check` has confirmed it once, piece by piece, as a first byte need not wait for 32 MiB.
 */
export class PieceStorage implements SegmentKeeper, PieceSource {
  readonly folder: string
  #options: StorageOptions
  #map: MapFile
  #seals: Seals
  #files: SegmentFiles
  #saveTimer: NodeJS.Timeout | null = null
  #busy = new Set<Promise<unknown>>()
  #checking = new Map<number, Promise<boolean>>()
  #isOpen = false

  /** Reads the map; pieces whose segments are missing, too short or not as the map knows them are left out of it. */
  static async open(options: StorageOptions): Promise<PieceStorage> {
    const { info, cache, published, confirmed } = options
    const storage = new PieceStorage(options)
    await cache.adopt(info.infoHash, published, storage)
    try {
      await mkdir(storage.folder, { recursive: true, mode: 0o700 })
      await storage.#load()
    } catch (error) {
      cache.disown(info.infoHash, storage)
      throw error
    }
    for (let piece = 0; piece < confirmed.pieces; piece += 1) if (!storage.stored.has(piece)) confirmed.delete(piece)
    storage.#isOpen = true
    return storage
  }

  private constructor(options: StorageOptions) {
    this.#options = options
    this.folder = join(options.dataDir, torrentFolder(options.info.infoHash))
    this.#map = new MapFile(this.folder, options.info.pieceHashes.length / 20)
    this.#seals = new Seals(options.info, this.folder, this.#map)
    this.#files = new SegmentFiles(this.folder)
  }

  /** Pieces written by this process, or claimed by the map of an earlier one. */
  get stored(): PieceMap {
    return this.#map.pieces
  }

  /**
   * Writes a verified piece, after room was made for it. The bytes must not change before it resolves.
   * @throws StorageFull when nothing could be dropped: then the piece is not there, whatever was written of it
   */
  write(piece: number, bytes: Uint8Array): Promise<void> {
    return this.#counted(this.#write(piece, bytes))
  }

  async #write(piece: number, bytes: Uint8Array): Promise<void> {
    const { info, cache } = this.#options
    const parts: { readonly span: SegmentSpan; readonly bytes: Uint8Array }[] = []
    let taken = 0
    for (const span of pieceSpans(info, piece, 0, bytes.length)) {
      if (span.path !== null) parts.push({ span, bytes: bytes.subarray(taken, taken + span.length) })
      taken += span.length
    }
    const claim = await cache.claim(info.infoHash, parts.map(({ span }) => span), () => this.#options.waitsFor(piece))
    let isWritten = false
    try {
      await this.#seals.open(parts.map(({ span }) => span))
      for (const part of parts) await this.#writePart(part.span, part.bytes)
      this.#map.mark(piece)
      isWritten = true
    } finally {
      await claim.release(!isWritten)
    }
    const now = Date.now()
    for (const { span } of parts) cache.fetched(info.infoHash, span, now)
    for (const { span } of parts) await this.#seals.closeIfWhole(span, () => this.#files.close(span))
    this.#save()
  }

  /** Rejects when the bytes are not all there. Padding reads as zeros. */
  async read(piece: number, offset: number, length: number): Promise<Uint8Array> {
    const { dataDir, info } = this.#options
    const bytes = new Uint8Array(length)
    let at = 0
    for (const span of pieceSpans(info, piece, offset, length)) {
      if (span.path !== null) {
        await using file = await open(join(dataDir, span.path))
        for (let done = 0; done < span.length;) {
          const { bytesRead } = await file.read(bytes, at + done, span.length - done, span.offset + done)
          if (bytesRead === 0) throw new Error(`${span.path} is cut short`)
          done += bytesRead
        }
      }
      at += span.length
    }
    return bytes
  }

  /** Whether a claimed piece is what its hash says. One that is not is struck from the map. Asked by several at a time, it is read once. */
  check(piece: number): Promise<boolean> {
    let checking = this.#checking.get(piece)
    if (!checking) {
      checking = this.#counted(this.#check(piece)).finally(() => this.#checking.delete(piece))
      this.#checking.set(piece, checking)
    }
    return checking
  }

  async #check(piece: number): Promise<boolean> {
    const { info, cache } = this.#options
    const bytes = await this.read(piece, 0, this.lengthOf(piece)).catch(() => null)
    const expected = info.pieceHashes.subarray(piece * 20, piece * 20 + 20)
    const right = bytes !== null && createHash('sha1').update(bytes).digest().equals(expected)
    if (!right) {
      this.#map.strike(piece)
      this.#save()
      for (const span of pieceSpans(info, piece, 0, this.lengthOf(piece))) {
        if (span.path === null) continue
        await this.#files.close(span) // the file that is open may be there no longer
        await cache.doubt(info.infoHash, span)
      }
    }
    return right && this.stored.has(piece) // it may have been dropped meanwhile
  }

  lengthOf(piece: number): number {
    return lengthOfPiece(this.#options.info, piece)
  }

  /** Refuses at once what `write` of a piece that is waited for would refuse, as far as is known. @throws StorageFull */
  demandRoom(piece: number): void {
    this.#options.cache.demandRoom(this.#options.info.infoHash, this.#storedSpans(piece, piece))
  }

  /** Whether there is room for pieces, both included, that nobody waits for yet, as far as is known. */
  hasRoom(from: number, to = from): boolean {
    return this.#options.cache.hasRoom(this.#options.info.infoHash, this.#storedSpans(from, to))
  }

  /** A reader has gone from one position of a file to another. */
  played(fileIndex: number, from: number, to: number): void {
    const { info, cache } = this.#options
    const now = Date.now()
    for (let segment = Math.floor(from / segmentBytes); segment * segmentBytes < to; segment += 1) {
      cache.played(info.infoHash, { fileIndex, segment }, now)
      const record = this.#map.records.get(segmentName({ fileIndex, segment }))
      if (record) this.#map.record({ ...record, playedAt: now }) // written with what is written next: a crash may cost it
    }
  }

  holds(segment: SegmentOfFile): boolean {
    return !this.#isOpen || this.#options.holds(this.#piecesOf(segment))
  }

  promises(segment: SegmentOfFile): boolean {
    return !this.#isOpen || this.#options.promises(this.#piecesOf(segment))
  }

  async strike(segment: SegmentOfFile): Promise<void> {
    const { from, to } = this.#piecesOf(segment)
    const lost: number[] = []
    for (let piece = from; piece <= to; piece += 1) {
      if (!this.stored.has(piece)) continue
      this.#map.strike(piece)
      lost.push(piece)
    }
    this.#options.onLost(lost)
    await this.#files.close(segment) // nobody writes to it now: a file that goes gives its room back once it is closed
    await this.#map.save()
  }

  gone(segment: SegmentOfFile): void {
    if (!this.#isOpen) return
    this.#map.forget(segmentName(segment))
    this.#save()
  }

  /** Resolves when nothing is being written any more, the map included. */
  async settled(): Promise<void> {
    while (this.#busy.size > 0) await Promise.allSettled(this.#busy)
    if (this.#saveTimer) this.#saveNow()
    await this.#map.settled()
  }

  /** Writes down how the segments are left, and lets go of them. */
  async close(): Promise<void> {
    await this.settled()
    await this.#files.closeAll()
    await this.#seals.closeAll()
    await this.#map.save().catch(() => {})
    this.#options.cache.disown(this.#options.info.infoHash, this)
    this.#isOpen = false
  }

  /** Bytes for a peer: it gets nothing that has not been hashed either. */
  async give(piece: number, offset: number, length: number): Promise<Uint8Array> {
    const { confirmed, onLost } = this.#options
    if (!confirmed.has(piece)) {
      if (!(await this.check(piece))) {
        onLost([piece])
        throw new Error('damaged')
      }
      confirmed.add(piece)
    }
    return this.read(piece, offset, length)
  }

  async #load(): Promise<void> {
    const { info, cache, published } = this.#options
    const { map, segments } = await storedMap(this.folder, info, published)
    this.#map = map
    this.#seals = new Seals(info, this.folder, map)
    const now = Date.now()
    cache.enter(info.infoHash, segments.map((segment) => ({ ...segment, playedAt: map.records.get(segment.name)?.playedAt ?? now })))
  }

  async #writePart(span: SegmentSpan, bytes: Uint8Array): Promise<void> {
    const { cache } = this.#options
    for (let attempt = 1; ; attempt += 1) {
      const { evictions } = cache
      try {
        return await this.#files.write(span, bytes, span.offset)
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? error.code : null
        if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error
        // A segment less makes room for a piece. Where it does not, the fault is another, and the rest is worth keeping.
        if (attempt > mostReliefs) throw new StorageFull('The disk is full.', { cause: error })
        await cache.relieve(evictions)
      }
    }
  }

  /** Where pieces lie, both included, but for padding. */
  #storedSpans(from: number, to: number): SegmentSpan[] {
    const { info } = this.#options
    return pieceSpans(info, from, 0, (to - from) * info.pieceLength + this.lengthOf(to)).filter((span) => span.path !== null)
  }

  #counted<T>(work: Promise<T>): Promise<T> {
    const counted = work.finally(() => this.#busy.delete(counted))
    this.#busy.add(counted)
    return counted
  }

  #piecesOf({ fileIndex, segment }: SegmentOfFile): PieceSpan {
    return piecesOfSegment(this.#options.info, fileIndex, segment)
  }

  /** A failure costs a fetch after a restart, no more. */
  #save(): void {
    this.#saveTimer ??= setTimeout(() => this.#saveNow(), saveMs)
  }

  #saveNow(): void {
    if (this.#saveTimer) clearTimeout(this.#saveTimer)
    this.#saveTimer = null
    void this.#map.save().catch(() => {})
  }
}
