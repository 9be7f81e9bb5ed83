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
  return { from, to: Math.max(to, promisedTo(reader, info).to) }
}

/** What a reader was told is there, from where it stands; `to` lies before `from` when that is nothing. */
export function promisedTo({ fileIndex, position, next }: ActiveReader, { files, pieceLength }: TorrentInfo): PieceSpan {
  const offset = files[fileIndex]?.offset ?? 0
  return { from: Math.floor((offset + position) / pieceLength), to: next > position ? Math.floor((offset + next - 1) / pieceLength) : -1 }
}

/** Kinds of file whose index may lie at the end: a player that begins one goes there next. */
const indexedAtEnd = /\.(mp4|m4v|m4a|mov|mkv|webm|avi)$/i
/** The index of a film of two hours, most often; the rest of a larger one comes as its reader asks for it. */
const tailBytes = 1024 * 1024
/** Who has read on so far looks for no index any more: then the segment that the tail lies in serves others. */
const looksForIndexBytes = 8 * 1024 * 1024

/** The end of a film that is read from its start to its end; null where there is none to fetch ahead. */
export function tailOf({ fileIndex, start, end, position }: ActiveReader, info: TorrentInfo): PieceSpan | null {
  const file = info.files[fileIndex]
  if (!file || start > 0 || position > looksForIndexBytes || end < file.lengthBytes || end <= tailBytes || !indexedAtEnd.test(file.path)) return null
  const pieceAt = (position: number) => Math.floor((file.offset + position) / info.pieceLength)
  return { from: pieceAt(end - tailBytes), to: pieceAt(end - 1) }
}

/** So many of each window's pieces come before any tail. */
const beforeTails = 4

/** The pieces of several windows, each once: those that are next for their readers first; then `tails`, then what lies further ahead. */
export function byUrgency(windows: readonly PieceSpan[], tails: readonly number[] = []): number[] {
  const pieces = new Set<number>()
  const longest = Math.max(beforeTails, ...windows.map(({ from, to }) => to - from + 1))
  for (let ahead = 0; ahead < longest; ahead += 1) {
    if (ahead === beforeTails) for (const piece of tails) pieces.add(piece)
    for (const { from, to } of windows) if (from + ahead <= to) pieces.add(from + ahead)
  }
  for (const piece of tails) pieces.add(piece)
  return [...pieces]
}

function aheadOf({ fileIndex, bytesPerSecond, start, next }: ActiveReader, { files, pieceLength }: TorrentInfo, mostBytes: number): number {
  const aim = bytesPerSecond === undefined
    ? Math.min(Math.max(unknown.smallest, 4 * pieceLength, Math.floor((files[fileIndex]?.lengthBytes ?? 0) / unknown.partOfFile)), unknown.largest)
    : Math.max(smallestKnown, 4 * pieceLength, Math.ceil(bytesPerSecond * secondsAhead))
  return Math.max(Math.min(aim, mostBytes, next === start ? firstBytes : Infinity), 2 * pieceLength)
}
