import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { buildInfo, pieceLengthFor } from '../lib/new-torrent.ts'
import { buildTorrentFile, parseInfo, torrentLimits, TorrentRefused, type TorrentInfo } from '../lib/torrent.ts'
import type { EngineClient } from './client.ts'
import { EngineError } from './contract.ts'
import { segmentBytes, stagedPath } from './segments.ts'

/** A file to be published. `sizeBytes` null: a stream whose length is not known before its end. */
export interface OwnFile {
  /** Inside its folder; of a single file, its name. */
  readonly path: readonly string[]
  readonly sizeBytes: number | null
  /** Its bytes, from the first to the last; a chunk may be overwritten once the next is asked for. */
  read(): AsyncIterable<Uint8Array>
}

export interface PublishOrder {
  /** Unlike any other's: what is staged lies under it. */
  readonly id: string
  /** Of the torrent. */
  readonly name: string
  /** A single file is a torrent without a folder. */
  readonly isFolder: boolean
  readonly files: readonly OwnFile[]
  readonly private: boolean
  readonly signal?: AbortSignal | undefined
  /** Told what was read so far. */
  readonly onBytes?: (total: number) => void
  /** Told what it has become before it is published; what it throws keeps it from being so. */
  readonly beforehand?: (info: TorrentInfo) => Promise<void>
}

type Engine = Pick<EngineClient, 'dataDir' | 'stage' | 'publish' | 'discard'>

/** Pieces being hashed at a time: each is in memory once for us and once for the thread that hashes it. */
const mostHashing = 4

/**
 * Makes a torrent of files and puts their bytes where the engine keeps what is published, reading each once: pieces are hashed
 * beside the main thread while their bytes are written, in memory that does not grow with the files (a few pieces). Room for all
 * whose length is known is taken at once; for a stream, segment by segment. Whatever fails, nothing is left.
 * @throws EngineError `storage_full`, `not_staged` when the engine died meanwhile; TorrentRefused for names, numbers or sizes of
 * files that no torrent may have; what `read`, `beforehand` or the signal throws
 */
export async function publishFiles(engine: Engine, order: PublishOrder): Promise<TorrentInfo> {
  const { id, name, files, isFolder, signal, beforehand } = order
  if (files.length === 0 || files.length > torrentLimits.files) throw new TorrentRefused(`has ${files.length} files`)
  try {
    const room = new Room(engine, id, files)
    await room.take()
    const pieceLength = pieceLengthFor(room.knownBytes())
    const pieces = new PieceHashes(pieceLength)
    let total = 0
    for (const [fileIndex, file] of files.entries()) {
      await using out = new SegmentWriter(engine.dataDir, id, fileIndex)
      for await (const chunk of file.read()) {
        signal?.throwIfAborted()
        await room.grow(fileIndex, out.length + chunk.length)
        await out.write(chunk)
        await pieces.add(chunk)
        total += chunk.length
        order.onBytes?.(total)
      }
      room.settle(fileIndex, out.length)
    }
    const listed = files.map(({ path }, index) => ({ path, lengthBytes: room.lengths[index] ?? 0 }))
    const info = parseInfo(buildInfo({ name, files: isFolder ? listed : null, sizeBytes: total, pieceLength, pieceHashes: await pieces.finish(), private: order.private }))
    signal?.throwIfAborted()
    await beforehand?.(info)
    await engine.publish({ id, infoHash: info.infoHash, torrent: buildTorrentFile(info.infoBytes, []) })
    return info
  } catch (error) {
    // an engine that is gone throws it away when it comes back
    await engine.discard(id).catch(() => {})
    throw error
  }
}

/** What is set aside for the files, told to the engine before it is written. */
class Room {
  readonly lengths: number[]
  #engine: Engine
  #id: string
  #files: readonly OwnFile[]

  constructor(engine: Engine, id: string, files: readonly OwnFile[]) {
    this.#engine = engine
    this.#id = id
    this.#files = files
    this.lengths = files.map(({ sizeBytes }) => sizeBytes ?? 0)
  }

  take(): Promise<void> {
    return this.#engine.stage({ id: this.#id, lengths: this.lengths })
  }

  /** Null where not every length is known. */
  knownBytes(): number | null {
    return this.#files.some(({ sizeBytes }) => sizeBytes === null) ? null : this.lengths.reduce((sum, length) => sum + length, 0)
  }

  async grow(fileIndex: number, length: number): Promise<void> {
    const sizeBytes = this.#files[fileIndex]?.sizeBytes ?? null
    if (sizeBytes !== null && length > sizeBytes) throw new TorrentRefused('has a file that is longer than was said')
    if (length <= (this.lengths[fileIndex] ?? 0)) return
    this.lengths[fileIndex] = Math.ceil(length / segmentBytes) * segmentBytes
    await this.take()
  }

  /** It has ended. */
  settle(fileIndex: number, length: number): void {
    const sizeBytes = this.#files[fileIndex]?.sizeBytes ?? null
    if (sizeBytes !== null && length !== sizeBytes) throw new TorrentRefused('has a file that is shorter than was said')
    this.lengths[fileIndex] = length
  }
}

/** Writes a file as segments, each on the disk for good before the next is begun. */
class SegmentWriter implements AsyncDisposable {
  length = 0
  #dataDir: string
  #id: string
  #fileIndex: number
  #open: FileHandle | null = null

  constructor(dataDir: string, id: string, fileIndex: number) {
    this.#dataDir = dataDir
    this.#id = id
    this.#fileIndex = fileIndex
  }

  async write(chunk: Uint8Array): Promise<void> {
    for (let done = 0; done < chunk.length;) {
      const within = this.length % segmentBytes
      this.#open ??= await this.#begin()
      const { bytesWritten } = await this.#open.write(chunk, done, Math.min(chunk.length - done, segmentBytes - within), within).catch(asEngineError)
      done += bytesWritten
      this.length += bytesWritten
      if (this.length % segmentBytes === 0) await this.#finish()
    }
  }

  #begin(): Promise<FileHandle> {
    const path = stagedPath(this.#id, { fileIndex: this.#fileIndex, segment: Math.floor(this.length / segmentBytes) })
    return open(join(this.#dataDir, path), 'wx', 0o600).catch(asEngineError)
  }

  async #finish(): Promise<void> {
    const file = this.#open
    this.#open = null
    try {
      await file?.datasync().catch(asEngineError)
    } finally {
      await file?.close()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#finish()
  }
}

function asEngineError(error: unknown): never {
  const code = error instanceof Error && 'code' in error ? error.code : null
  if (code === 'ENOSPC' || code === 'EDQUOT') throw new EngineError('storage_full', 'The disk is full.', { cause: error })
  // the engine empties the folder when it starts
  if (code === 'ENOENT') throw new EngineError('not_staged', 'The engine was started anew while this was being published.', { cause: error })
  throw new EngineError('storage_failed', `The disk failed: ${String(error)}`, { cause: error })
}

/** SHA-1 of one piece after another, by the threads of WebCrypto: half a second of hashing a GiB is not the API's to wait for. */
class PieceHashes {
  #pieceLength: number
  #piece: Uint8Array<ArrayBuffer>
  #filled = 0
  #hashes: Promise<ArrayBuffer>[] = []

  constructor(pieceLength: number) {
    this.#pieceLength = pieceLength
    this.#piece = new Uint8Array(pieceLength)
  }

  async add(chunk: Uint8Array): Promise<void> {
    for (let done = 0; done < chunk.length;) {
      const taken = Math.min(chunk.length - done, this.#pieceLength - this.#filled)
      this.#piece.set(chunk.subarray(done, done + taken), this.#filled)
      done += taken
      this.#filled += taken
      if (this.#filled === this.#pieceLength) await this.#hash()
    }
  }

  /** All of them, one after another. */
  async finish(): Promise<Uint8Array> {
    if (this.#filled > 0) await this.#hash()
    return Buffer.concat((await Promise.all(this.#hashes)).map((hash) => new Uint8Array(hash)))
  }

  async #hash(): Promise<void> {
    // digest takes a copy: the memory of the piece is free again at once
    const hash = crypto.subtle.digest('SHA-1', this.#piece.subarray(0, this.#filled))
    hash.catch(() => {}) // `finish` hears of it
    this.#hashes.push(hash)
    if (this.#hashes.length * 20 > torrentLimits.fileBytes) throw new TorrentRefused('has too many pieces')
    this.#filled = 0
    await this.#hashes.at(-mostHashing)
  }
}
