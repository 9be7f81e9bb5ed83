import { constants, open, mkdir, readFile, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createHash } from 'node:crypto'
import type { ChunkStore } from 'webtorrent'
import { PieceMap } from '../lib/piece-map.ts'
import type { TorrentInfo } from '../lib/torrent.ts'
import { segmentSpans, torrentFolder, type SegmentSpan } from './segments.ts'

/** Beside the segments: which pieces are there, one bit each. */
const mapName = 'verified'

/**
 * A torrent's pieces on disk, as segments of its files, with the map of those that are there. The map outlives the
 * process, so nothing is hashed at the start; it is written after the data but never waits for the disk: what it says
 * is a claim until `check` has confirmed it once.
 */
export class PieceStorage {
  /** Pieces written by this process, or claimed by the map of an earlier one. */
  readonly stored: PieceMap
  readonly folder: string
  #dataDir: string
  #info: TorrentInfo
  #saving: Promise<void> | null = null
  #unsaved = false
  #busy = new Set<Promise<unknown>>()

  /** Reads the map; pieces whose segments are missing or too short are left out of it. */
  static async open(dataDir: string, info: TorrentInfo): Promise<PieceStorage> {
    const folder = join(dataDir, torrentFolder(info.infoHash))
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const claimed = await readFile(join(folder, mapName)).catch(() => undefined)
    const storage = new PieceStorage(dataDir, folder, info, claimed)
    if (claimed) await storage.#leaveOutShort()
    return storage
  }

  static async remove(dataDir: string, infoHash: string): Promise<void> {
    await rm(join(dataDir, torrentFolder(infoHash)), { recursive: true, force: true, maxRetries: 3 })
  }

  private constructor(dataDir: string, folder: string, info: TorrentInfo, claimed: Uint8Array | undefined) {
    this.#dataDir = dataDir
    this.folder = folder
    this.#info = info
    this.stored = new PieceMap(info.pieceHashes.length / 20, claimed)
  }

  pieceLength(piece: number): number {
    return Math.min(this.#info.pieceLength, this.#info.sizeBytes - piece * this.#info.pieceLength)
  }

  async write(piece: number, bytes: Uint8Array): Promise<void> {
    let taken = 0
    for (const span of this.#spans(piece, 0, bytes.length)) {
      const part = bytes.subarray(taken, taken + span.length)
      taken += span.length
      if (span.path === null) continue
      await using file = await open(join(this.#dataDir, span.path), constants.O_RDWR | constants.O_CREAT, 0o600)
      for (let done = 0; done < part.length;) done += (await file.write(part, done, part.length - done, span.offset + done)).bytesWritten
    }
    this.stored.add(piece)
    this.#save()
  }

  /** Rejects when the bytes are not all there. Padding reads as zeros. */
  async read(piece: number, offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length)
    let at = 0
    for (const span of this.#spans(piece, offset, length)) {
      if (span.path !== null) {
        await using file = await open(join(this.#dataDir, span.path))
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

  /** Whether a claimed piece is what its hash says. One that is not is struck from the map. */
  async check(piece: number): Promise<boolean> {
    const bytes = await this.read(piece, 0, this.pieceLength(piece)).catch(() => null)
    const expected = this.#info.pieceHashes.subarray(piece * 20, piece * 20 + 20)
    const right = bytes !== null && createHash('sha1').update(bytes).digest().equals(expected)
    if (!right) {
      this.stored.delete(piece)
      this.#save()
    }
    return right
  }

  /** Resolves when nothing is being written any more, the map included. */
  async settled(): Promise<void> {
    while (this.#busy.size > 0 || this.#saving) await Promise.allSettled([...this.#busy, this.#saving])
  }

  /** As webtorrent wants it. */
  chunkStore(): new (chunkLength: number) => ChunkStore {
    const { write, read, settled } = { write: this.write.bind(this), read: this.read.bind(this), settled: this.settled.bind(this) }
    const track = <T>(work: Promise<T>, done: (error: Error | null, value?: T) => void) => {
      this.#busy.add(work)
      void work.finally(() => this.#busy.delete(work)).then((value) => done(null, value), (error: Error) => done(error))
    }
    const whole = (piece: number, offset: number) => this.pieceLength(piece) - offset
    return class implements ChunkStore {
      readonly chunkLength: number
      constructor(chunkLength: number) {
        this.chunkLength = chunkLength
      }
      put(piece: number, bytes: Uint8Array, done: (error?: Error | null) => void) {
        track(write(piece, bytes), (error) => done(error))
      }
      get(piece: number, options: { offset?: number; length?: number } | null | undefined, done: (error: Error | null, bytes?: Uint8Array) => void) {
        const offset = options?.offset ?? 0
        const left = whole(piece, offset)
        const length = options?.length ?? left
        // A peer asks for what it likes: only what lies inside the piece is read.
        if (offset < 0 || length <= 0 || length > left) return queueMicrotask(() => done(new Error('outside the piece')))
        track(read(piece, offset, length), done)
      }
      close(done: (error?: Error | null) => void) {
        void settled().then(() => done(null))
      }
      destroy(done: (error?: Error | null) => void) {
        this.close(done)
      }
    }
  }

  /** Where a stretch of a piece lies; a null path is padding, which is not kept. */
  #spans(piece: number, offset: number, length: number): (SegmentSpan | { path: null; length: number })[] {
    const { files, infoHash, pieceLength } = this.#info
    const start = piece * pieceLength + offset
    const end = start + length
    const spans: (SegmentSpan | { path: null; length: number })[] = []
    for (let index = fileAt(files, start); index < files.length; index += 1) {
      const file = files[index]
      if (!file || file.offset >= end) break
      const from = Math.max(start, file.offset)
      const taken = Math.min(end, file.offset + file.lengthBytes) - from
      if (taken <= 0) continue
      if (file.padding) spans.push({ path: null, length: taken })
      else spans.push(...segmentSpans(infoHash, { fileIndex: index, offset: from - file.offset, length: taken }))
    }
    return spans
  }

  async #leaveOutShort(): Promise<void> {
    const sizes = new Map<string, number>()
    for (const name of await readdir(this.folder)) {
      const { size } = await stat(join(this.folder, name))
      sizes.set(join(torrentFolder(this.#info.infoHash), name), size)
    }
    for (let piece = 0; piece < this.stored.pieces; piece += 1) {
      if (!this.stored.has(piece)) continue
      const spans = this.#spans(piece, 0, this.pieceLength(piece))
      if (spans.some((span) => span.path !== null && (sizes.get(span.path) ?? 0) < span.offset + span.length)) this.stored.delete(piece)
    }
  }

  /** Writes the map, again when it has changed meanwhile. A failure costs a fetch after a restart, no more. */
  #save(): void {
    this.#unsaved = true
    this.#saving ??= this.#writeMap().catch(() => {}).finally(() => {
      this.#saving = null
      // asked for since `#writeMap` looked last
      if (this.#unsaved) this.#save()
    })
  }

  async #writeMap(): Promise<void> {
    while (this.#unsaved) {
      this.#unsaved = false
      await using file = await open(join(this.folder, mapName), constants.O_RDWR | constants.O_CREAT, 0o600)
      await file.write(this.stored.bytes, 0, this.stored.bytes.length, 0)
    }
  }
}

/** The last file that begins at or before a position: by halves, as torrents of thousands of files exist. */
function fileAt(files: TorrentInfo['files'], position: number): number {
  let [low, high] = [0, files.length - 1]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((files[middle]?.offset ?? 0) <= position) low = middle
    else high = middle - 1
  }
  return low
}
