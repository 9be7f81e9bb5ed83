/**
 * The map of a torrent's stored data, in a file beside its segments. It is changed in place, so that a piece costs some
 * bytes however large the torrent is:
 *
 *   32 bytes  magic, pieces, flags
 *   1 bit     a piece, in the order of BEP 3, padded to 32 bytes
 *   32 bytes  a segment: file, when it was last played, its number, its pieces, its size and time of change
 *
 * A process can be killed between any two of its writes, and inside one only between pages of memory: a record never
 * crosses one. What a write brings is in the order of need: records before the bits that rely on them. It does not wait for
 * the disk: after a loss of power the file may be anything, which is why a bit is a claim until the piece is hashed.
 */
import { constants, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PieceMap } from '../lib/piece-map.ts'
import { segmentName, type SegmentOfFile } from './segments.ts'

export const mapName = 'verified'

export interface SegmentRecord extends SegmentOfFile {
  /** Its pieces, both included. */
  readonly from: number
  readonly to: number
  /** Milliseconds of the clock at which it was last played, or fetched when it never was. */
  playedAt: number
  /** As they were when it was last written; null while it is being written. */
  sealed: { readonly size: number; readonly changedNs: bigint } | null
}

const magic = 0x74_73_6d_31 // tsm1
const headBytes = 32
const recordBytes = 32
const publishedFlag = 1
const padded = (bytes: number) => Math.ceil(bytes / recordBytes) * recordBytes

export class MapFile {
  readonly pieces: PieceMap
  /** By name. */
  readonly records = new Map<string, SegmentRecord>()
  #path: string
  #published: boolean
  #slots = new Map<string, number>()
  #free: number[] = []
  #image = Buffer.alloc(0)
  #isNew: boolean
  #changed = { head: false, pieces: new Extent(), records: new Extent() }
  #queued: Promise<void> | null = null
  #last: Promise<void> = Promise.resolve()

  /** Null when there is none, or none that can be read, or one of another number of pieces than `pieces`. */
  static async read(folder: string, pieces?: number): Promise<MapFile | null> {
    const bytes = await readFile(join(folder, mapName)).catch(() => null)
    if (!bytes || bytes.length < headBytes || bytes.readUInt32BE(0) !== magic) return null
    const found = bytes.readUInt32BE(4)
    const recordsAt = headBytes + padded(Math.ceil(found / 8))
    if ((pieces !== undefined && found !== pieces) || bytes.length < recordsAt) return null
    const map = new MapFile(folder, found, bytes.subarray(headBytes, headBytes + Math.ceil(found / 8)))
    map.#published = (bytes.readUInt32BE(8) & publishedFlag) !== 0
    map.#readRecords(bytes.subarray(recordsAt))
    return map
  }

  constructor(folder: string, pieces: number, bits?: Uint8Array) {
    this.#path = join(folder, mapName)
    this.#isNew = bits === undefined
    this.#published = false
    this.pieces = new PieceMap(pieces, bits)
  }

  get published(): boolean {
    return this.#published
  }

  set published(published: boolean) {
    this.#changed.head ||= published !== this.#published
    this.#published = published
  }

  mark(piece: number): void {
    this.pieces.add(piece)
    this.#changed.pieces.include(piece >> 3)
  }

  strike(piece: number): void {
    this.pieces.delete(piece)
    this.#changed.pieces.include(piece >> 3)
  }

  /** Enters a segment, or what is new about it. */
  record(record: SegmentRecord): void {
    const name = segmentName(record)
    let slot = this.#slots.get(name)
    if (slot === undefined) {
      slot = this.#free.pop() ?? this.#slots.size
      this.#slots.set(name, slot)
    }
    this.records.set(name, record)
    if (this.#image.length < (slot + 1) * recordBytes) this.#image = Buffer.concat([this.#image], Math.max(this.#image.length * 2, (slot + 1) * recordBytes))
    writeRecord(this.#image.subarray(slot * recordBytes), record)
    this.#changed.records.include(slot)
  }

  forget(name: string): void {
    const slot = this.#slots.get(name)
    if (slot === undefined) return
    this.records.delete(name)
    this.#slots.delete(name)
    this.#free.push(slot)
    this.#image.fill(0, slot * recordBytes, (slot + 1) * recordBytes)
    this.#changed.records.include(slot)
  }

  /** Resolves when everything until now is written; rejects when it could not be. Several calls at a time are one write. */
  save(): Promise<void> {
    this.#queued ??= this.#last = this.#last.catch(() => {}).then(() => {
      this.#queued = null
      return this.#write()
    })
    return this.#queued
  }

  /** Resolves when nothing is being written any more. */
  async settled(): Promise<void> {
    await this.#last.catch(() => {})
  }

  async #write(): Promise<void> {
    const { head, pieces, records } = this.#changed
    if (!this.#isNew && !head && pieces.isEmpty && records.isEmpty) return
    const whole = this.#isNew
    this.#changed = { head: false, pieces: new Extent(), records: new Extent() }
    this.#isNew = false
    // As all is now: what changes while this writes comes with the next.
    const bits = Buffer.from(whole ? this.pieces.bytes : this.pieces.bytes.subarray(pieces.from, pieces.to + 1))
    const image = Buffer.from(whole ? this.#image : this.#image.subarray(records.from * recordBytes, (records.to + 1) * recordBytes))
    const recordsAt = headBytes + padded(this.pieces.bytes.length)
    try {
      await using file = await open(this.#path, whole ? constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC : constants.O_RDWR, 0o600)
      if (whole) return await writeAll(file, Buffer.concat([this.#head(), bits, Buffer.alloc(recordsAt - headBytes - bits.length), image]), 0)
      if (head) await writeAll(file, this.#head(), 0)
      if (!records.isEmpty) await writeAll(file, image, recordsAt + records.from * recordBytes)
      if (!pieces.isEmpty) await writeAll(file, bits, headBytes + pieces.from)
    } catch (error) {
      this.#isNew = true // whatever was written of it, or became of the file
      if (whole) throw error
      await this.#write()
    }
  }

  #head(): Buffer {
    const head = Buffer.alloc(headBytes)
    head.writeUInt32BE(magic, 0)
    head.writeUInt32BE(this.pieces.pieces, 4)
    head.writeUInt32BE(this.#published ? publishedFlag : 0, 8)
    return head
  }

  #readRecords(bytes: Buffer): void {
    this.#image = Buffer.from(bytes.subarray(0, bytes.length - (bytes.length % recordBytes)))
    for (let slot = 0; slot < this.#image.length / recordBytes; slot += 1) {
      const record = readRecord(this.#image.subarray(slot * recordBytes), this.pieces.pieces)
      const name = record && segmentName(record)
      if (record && name && !this.#slots.has(name)) {
        this.#slots.set(name, slot)
        this.records.set(name, record)
      } else this.#free.push(slot)
    }
  }
}

function writeRecord(bytes: Buffer, { fileIndex, segment, from, to, playedAt, sealed }: SegmentRecord): void {
  bytes.writeUInt16BE(fileIndex, 0)
  bytes.writeUIntBE(playedAt, 2, 6)
  bytes.writeUInt32BE(segment, 8)
  bytes.writeUInt32BE(from, 12)
  bytes.writeUInt32BE(to, 16)
  bytes.writeUInt32BE(sealed?.size ?? 0, 20)
  bytes.writeBigUInt64BE(sealed?.changedNs ?? 0n, 24)
}

/** Null for an empty place, and for what no torrent of so many pieces has. */
function readRecord(bytes: Buffer, pieces: number): SegmentRecord | null {
  const playedAt = bytes.readUIntBE(2, 6)
  const [from, to, size, changedNs] = [bytes.readUInt32BE(12), bytes.readUInt32BE(16), bytes.readUInt32BE(20), bytes.readBigUInt64BE(24)]
  if (playedAt === 0 || from > to || to >= pieces) return null
  return { fileIndex: bytes.readUInt16BE(0), segment: bytes.readUInt32BE(8), from, to, playedAt, sealed: size > 0 ? { size, changedNs } : null }
}

async function writeAll(file: { write(bytes: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesWritten: number }> }, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;) done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten
}

/** The least stretch that holds what was included. */
class Extent {
  from = Infinity
  to = -1

  get isEmpty(): boolean {
    return this.to < 0
  }

  include(at: number): void {
    this.from = Math.min(this.from, at)
    this.to = Math.max(this.to, at)
  }
}
