import type { TorrentInfo } from '../lib/torrent.ts'

/** A reader as the engine sees it; positions are bytes of the file, `end` excluded. */
export interface ActiveReader {
  readonly id: number
  readonly fileIndex: number
  readonly end: number
  /** Where it stands. */
  position: number
  /** Everything of its want before this has been called available. */
  next: number
}

/** Pieces, both included. `head` is what the reader waits for. */
export interface PieceWindow { readonly head: number; readonly from: number; readonly to: number }

const smallestWindow = 1024 * 1024
/** A window is this part of its file at most: some minutes of a film, and little of a short clip. */
const partOfFile = 16

/**
 * The pieces that a reader may have fetched now: from where it stands to a bounded way ahead. Null when it has all it wants.
 * The bound holds however slowly it reads; webtorrent alone would fetch to the end of the range.
 */
export function windowOf(reader: ActiveReader, info: TorrentInfo, mostBytes: number): PieceWindow | null {
  const file = info.files[reader.fileIndex]
  if (!file || reader.next >= reader.end) return null
  const aim = Math.max(smallestWindow, 4 * info.pieceLength, Math.floor(file.lengthBytes / partOfFile))
  const bytes = Math.max(Math.min(aim, mostBytes), 2 * info.pieceLength)
  const from = Math.max(reader.position, 0)
  const last = Math.min(reader.end, from + bytes) - 1
  const head = pieceAt(reader.next)
  const to = pieceAt(Math.max(last, reader.position))
  return head > to ? null : { head, from: Math.min(pieceAt(from), head), to }

  function pieceAt(position: number): number {
    return Math.floor(((file?.offset ?? 0) + position) / info.pieceLength)
  }
}
