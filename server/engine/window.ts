import type { TorrentInfo } from '../lib/torrent.ts'

/** A reader as the engine sees it; positions are bytes of the file, `end` excluded. `start` is where its want began. */
export interface ActiveReader {
  readonly id: number
  readonly fileIndex: number
  readonly start: number
  readonly end: number
  /** How fast the file plays; undefined when nobody knows. */
  readonly bytesPerSecond?: number | undefined
  /** Where it stands. */
  position: number
  /** Everything of its want before this has been called available. */
  next: number
}

/** Pieces, both included. */
export interface PieceSpan { readonly from: number; readonly to: number }

/**
 * Half a minute of play: it outlasts a lost peer, the call to another and a tracker asked again (5 s each at most), and is
 * all that is wasted on a viewer who leaves.
 */
const secondsAhead = 30
/**
 * As long as a reader has got nothing, little is asked for besides what it waits for: what comes in behind its first piece
 * kept that piece from being hashed and stored, 5 ms of work, for 60 ms on a fast line.
 */
const firstBytes = 1024 * 1024
/** A reader may be faster than play (a copy, a probe): this much keeps a wire of 50 MB/s busy over 80 ms of round trip. */
const smallestKnown = 4 * 1024 * 1024
/** Without a rate: a sixteenth of the file is some minutes of a film, and little of a short clip. */
const unknown = { smallest: 1024 * 1024, partOfFile: 16, largest: 8 * 1024 * 1024 }

/**
 * The pieces that a reader may have fetched now: from where it stands (or, when it waits ahead, from what it lacks) to a bounded way ahead.
 * The bound holds however slowly it reads; webtorrent alone would fetch to the end of the range.
 */
export function windowOf(reader: ActiveReader, info: TorrentInfo, mostBytes: number): PieceSpan {
  const offset = info.files[reader.fileIndex]?.offset ?? 0
  const last = Math.min(reader.end, reader.position + aheadOf(reader, info, mostBytes)) - 1
  const pieceAt = (position: number) => Math.floor((offset + Math.min(position, reader.end - 1)) / info.pieceLength)
  return { from: pieceAt(Math.min(reader.position, reader.next)), to: pieceAt(last) }
}

/** What may not be dropped under a reader: its window, and what it was told is there. */
export function heldBy(reader: ActiveReader, info: TorrentInfo, mostBytes: number): PieceSpan {
  const { from, to } = windowOf(reader, info, mostBytes)
  const promised = Math.floor(((info.files[reader.fileIndex]?.offset ?? 0) + reader.next - 1) / info.pieceLength)
  return { from, to: Math.max(to, promised) }
}

/** The pieces of several windows, each once: those that are next for their readers first. */
export function byUrgency(windows: readonly PieceSpan[]): number[] {
  const pieces = new Set<number>()
  const longest = Math.max(0, ...windows.map(({ from, to }) => to - from + 1))
  for (let ahead = 0; ahead < longest; ahead += 1) {
    for (const { from, to } of windows) if (from + ahead <= to) pieces.add(from + ahead)
  }
  return [...pieces]
}

function aheadOf({ fileIndex, bytesPerSecond, start, next }: ActiveReader, { files, pieceLength }: TorrentInfo, mostBytes: number): number {
  const aim = bytesPerSecond === undefined
    ? Math.min(Math.max(unknown.smallest, 4 * pieceLength, Math.floor((files[fileIndex]?.lengthBytes ?? 0) / unknown.partOfFile)), unknown.largest)
    : Math.max(smallestKnown, 4 * pieceLength, Math.ceil(bytesPerSecond * secondsAhead))
  return Math.max(Math.min(aim, mostBytes, next === start ? firstBytes : Infinity), 2 * pieceLength)
}
