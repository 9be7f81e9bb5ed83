import type { TorrentInfo } from '../lib/torrent.ts'
import { heldBy, promisedTo, tailOf, type ActiveReader, type PieceSpan } from './window.ts'

/** Who reads a torrent, and what of it they need. */
export class ActiveReaders implements Iterable<ActiveReader> {
  readonly #byId = new Map<number, ActiveReader>()
  readonly #info: TorrentInfo
  readonly #windowBytes: number

  constructor(info: TorrentInfo, windowBytes: number) {
    this.#info = info
    this.#windowBytes = windowBytes
  }

  get size(): number {
    return this.#byId.size
  }

  /** As they are now: they may come and go while it is walked through. */
  [Symbol.iterator](): Iterator<ActiveReader> {
    return [...this.#byId.values()].values()
  }

  get(id: number): ActiveReader | undefined {
    return this.#byId.get(id)
  }

  /** Takes the place of an earlier one of the same id. */
  add(reader: Omit<ActiveReader, 'next'>): void {
    this.#byId.set(reader.id, { ...reader, next: reader.start })
  }

  /** Whether there was such a reader. */
  delete(id: number): boolean {
    return this.#byId.delete(id)
  }

  /** Whether this one still reads: another of its id may have taken its place. */
  includes(reader: ActiveReader): boolean {
    return this.#byId.get(reader.id) === reader
  }

  /** Whether a reader needs one of the pieces: from where it stands to the end of its window, whatever it was told is there, and its tail. */
  holds(pieces: PieceSpan): boolean {
    return this.#some((reader) => overlap(pieces, heldBy(reader, this.#info, this.#windowBytes)) || overlap(pieces, tailOf(reader, this.#info)))
  }

  /** Whether a reader was told that one of the pieces is there. */
  promises(pieces: PieceSpan): boolean {
    return this.#some((reader) => overlap(pieces, promisedTo(reader, this.#info)))
  }

  /** Whether it is the piece that a reader waits for, or will next. */
  waitsFor(piece: number): boolean {
    return this.#some((reader) => this.#isNext(reader, piece))
  }

  /** Whether it is the first piece that the reader was not told of. */
  #isNext({ fileIndex, next }: ActiveReader, piece: number): boolean {
    const { files, pieceLength } = this.#info
    return Math.floor(((files[fileIndex]?.offset ?? 0) + next) / pieceLength) === piece
  }

  /** Whether this reader has used all it was told of, and cannot go on without the piece. */
  standsBefore(reader: ActiveReader, piece: number): boolean {
    return reader.position >= reader.next && this.#isNext(reader, piece)
  }

  #some(isOne: (reader: ActiveReader) => boolean): boolean {
    for (const reader of this.#byId.values()) if (isOne(reader)) return true
    return false
  }
}

const overlap = (one: PieceSpan, other: PieceSpan | null) => other !== null && one.from <= other.to && other.from <= one.to
