import type { Torrent } from 'webtorrent'
import type { TorrentInfo } from '../lib/torrent.ts'
import type { ActiveReaders } from './active-readers.ts'
import { StorageFull } from './cache.ts'
import type { Requests } from './requests.ts'
import type { PieceStorage } from './storage.ts'
import { byUrgency, tailOf, windowOf, type ActiveReader, type PieceSpan } from './window.ts'

export interface PieceSelectionOptions {
  readonly torrent: Torrent
  readonly info: TorrentInfo
  readonly windowBytes: number
  readonly readers: ActiveReaders
  readonly storage: PieceStorage
  readonly requests: Requests
  /** Whether a piece is stored. */
  readonly has: (piece: number) => boolean
  /** There is no room for the next piece of this reader. */
  readonly onNoRoom: (reader: ActiveReader, error: StorageFull) => void
}

/** Which pieces are asked of peers: what the readers' windows and tails lack and storage has room for, the most urgent first. */
export class PieceSelection {
  readonly #options: PieceSelectionOptions
  /** What was wanted the last time. */
  #selected = ''
  /** Had no room though verified. */
  readonly #unstorable = new Set<number>()
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

  /** A verified piece that nobody waits for had no room: it is not asked for until readers have moved. */
  postpone(piece: number): void {
    this.#unstorable.add(piece)
    this.renew()
  }

  /** Readers have moved: with the next update, there may be room for what was postponed. */
  retryPostponed(): void {
    this.#unstorable.clear()
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
    const lacking = wanted.filter(({ reader, from }) => this.#hasRoom(reader, from)).map(({ from, to }) => ({ from, to: this.#isStorable(to) ? to : from }))
    requests.want(byUrgency(lacking, tails.filter((piece) => this.#isStorable(piece))), lacking.map(({ from }) => from))
  }

  /** Whether there is room for what is wanted later, too. */
  #isStorable(piece: number): boolean {
    return !this.#unstorable.has(piece) && this.#options.storage.hasRoom(piece)
  }

  /** Nothing is fetched that could not be stored: a reader whose next piece has no room is told so. */
  #hasRoom(reader: ActiveReader, piece: number): boolean {
    try {
      this.#options.storage.demandRoom(piece)
      return true
    } catch (error) {
      if (!(error instanceof StorageFull)) throw error
      queueMicrotask(() => this.#options.onNoRoom(reader, error))
      return false
    }
  }
}

function lackingOf(span: PieceSpan | null, has: (piece: number) => boolean): number[] {
  if (!span) return []
  return Array.from({ length: span.to - span.from + 1 }, (_, at) => span.from + at).filter((piece) => !has(piece))
}
