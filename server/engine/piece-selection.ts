import type { Torrent } from 'webtorrent'
import type { TorrentInfo } from '../lib/torrent.ts'
import type { ActiveReaders } from './active-readers.ts'
import type { Requests } from './requests.ts'
import { StorageFull } from './room.ts'
import type { PieceStorage } from './storage.ts'
import { byUrgency, tailOf, windowOf, type ActiveReader, type PieceSpan } from './window.ts'

export interface PieceSelectionOptions {
  readonly torrent: Pick<Torrent, 'destroyed'>
  readonly info: TorrentInfo
  readonly windowBytes: number
  readonly readers: ActiveReaders
  readonly storage: PieceStorage
  readonly requests: Pick<Requests, 'want'>
  /** Whether a piece is stored. */
  readonly has: (piece: number) => boolean
  /** There is no room for the piece that this reader cannot go on without. */
  readonly onNoRoom: (reader: ActiveReader, error: StorageFull) => void
}

/** Which pieces are asked of peers: what the readers' windows and tails lack and storage has room for, the most urgent first. */
export class PieceSelection {
  readonly #options: PieceSelectionOptions
  /** What was wanted the last time. */
  #selected = ''
  /** Had no room though verified. */
  readonly #unstorable = new Set<number>()
  /** Something was left out, as there was no room for it. */
  #isShort = false
  #isDue = false

  constructor(options: PieceSelectionOptions) {
    this.#options = options
  }

  /** Has what the readers' windows lack asked for, and nothing else; once for all that happens at the same time. */
  update(): void {
    if (this.#isDue) return
    this.#isDue = true
    queueMicrotask(() => {
      this.#isDue = false
      if (!this.#options.torrent.destroyed) this.#update()
    })
  }

  /** Asks again, though nothing may be wanted that was not before. */
  renew(): void {
    this.#selected = ''
    this.update()
  }

  /** A verified piece had no room. Who cannot go on without it is told; others may make room by going on: until then it is left out. */
  refused(piece: number, error: StorageFull): void {
    const { readers, onNoRoom } = this.#options
    if (error.wasWaitedFor) for (const reader of readers) if (readers.standsBefore(reader, piece)) onNoRoom(reader, error)
    this.#unstorable.add(piece)
    this.renew()
  }

  /** Readers have moved: with the next update, there may be room for what was left out. */
  readersMoved(): void {
    if (!this.#isShort && this.#unstorable.size === 0) return
    this.#unstorable.clear()
    this.#selected = ''
  }

  #update(): void {
    const { info, windowBytes, readers, requests, has } = this.#options
    const wanted = [...readers].flatMap((reader) => {
      const { from, to } = windowOf(reader, info, windowBytes)
      for (let head = from; head <= to; head += 1) if (!has(head)) return { reader, from: head, to }
      return []
    })
    const tails = [...readers].flatMap((reader) => (reader.next === reader.start ? [] : lackingOf(tailOf(reader, info), has)))
    const selected = [...wanted.map(({ from, to }) => `${from}-${to}`), ...tails].join()
    if (selected === this.#selected) return
    this.#selected = selected
    const storable = wanted.filter(({ reader, from }) => this.#hasRoom(reader, from)).map(({ from, to }) => ({ from, to: this.#furthestStorable(from, to) }))
    const storableTails = tails.filter((piece) => !this.#unstorable.has(piece) && this.#options.storage.hasRoom(piece))
    this.#isShort = storable.length < wanted.length || storable.some(({ to }, at) => to !== wanted[at]?.to) || storableTails.length < tails.length
    requests.want(byUrgency(storable, storableTails), storable.map(({ from }) => from))
  }

  /** How far there is room for what is wanted later, too: found by halves. */
  #furthestStorable(from: number, to: number): number {
    if (this.#isStorable(from, to)) return to
    let [last, beyond] = [from, to]
    while (beyond - last > 1) {
      const middle = (last + beyond) >> 1
      if (this.#isStorable(from, middle)) last = middle
      else beyond = middle
    }
    return last
  }

  /** Whether there is room for all of a stretch; its first piece may be one that was postponed. */
  #isStorable(from: number, to: number): boolean {
    for (const piece of this.#unstorable) if (piece > from && piece <= to) return false
    return this.#options.storage.hasRoom(from, to)
  }

  /** Nothing is fetched that could not be stored: a reader that cannot go on is told so. Others may make room by going on. */
  #hasRoom(reader: ActiveReader, piece: number): boolean {
    try {
      this.#options.storage.demandRoom(piece)
      return true
    } catch (error) {
      if (!(error instanceof StorageFull)) throw error
      if (this.#options.readers.standsBefore(reader, piece)) queueMicrotask(() => this.#options.onNoRoom(reader, error))
      return false
    }
  }
}

function lackingOf(span: PieceSpan | null, has: (piece: number) => boolean): number[] {
  if (!span) return []
  return Array.from({ length: span.to - span.from + 1 }, (_, at) => span.from + at).filter((piece) => !has(piece))
}
