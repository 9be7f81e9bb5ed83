import { segmentName, type SegmentOfFile } from './segments.ts'

/** A torrent that is open: asked before a segment of it is dropped, and told. */
export interface SegmentKeeper {
  /** Whether a reader needs bytes of it, now or soon. */
  holds(segment: SegmentOfFile): boolean
  /** Whether a reader was told that bytes of it are there. */
  promises(segment: SegmentOfFile): boolean
  /** Strikes its pieces from the map, on disk too: after it, the file may go at any moment. */
  strike(segment: SegmentOfFile): Promise<void>
  /** Its file is gone. */
  gone(segment: SegmentOfFile): void
}

export interface Share {
  readonly infoHash: string
  readonly segments: Map<string, Entry>
  keeper: SegmentKeeper | null
  pool: Pool
}
export interface Entry extends SegmentOfFile {
  readonly share: Share
  readonly name: string
  length: number
  playedAt: number
  wasPlayed: boolean
  /** Writes on their way. */
  pins: number
  /** A write to it failed: its length is to be looked up. */
  isDoubtful: boolean
  leaving: Promise<void> | null
}
/** `entries` in the order in which they were last played. */
export interface Pool { readonly budgetBytes: number; usedBytes: number; readonly entries: Set<Entry> }

const blockBytes = 4096
/** What a segment of such a length costs: its blocks. */
export const charge = (length: number) => Math.ceil(length / blockBytes) * blockBytes
export const growthOf = ({ length: now }: Pick<Entry, 'length'>, length: number) => Math.max(charge(length) - charge(now), 0)

/** Who has which segments, by torrent and by budget; each change costs the same however many there are. */
export class Ledger {
  readonly viewers: Pool
  readonly published: Pool
  readonly shares = new Map<string, Share>()

  constructor(viewersBytes: number, publishedBytes: number) {
    this.viewers = { budgetBytes: viewersBytes, usedBytes: 0, entries: new Set() }
    this.published = { budgetBytes: publishedBytes, usedBytes: 0, entries: new Set() }
  }

  /** Counts a torrent against the other budget. */
  move(share: Share, published: boolean): void {
    const pool = published ? this.published : this.viewers
    if (share.pool === pool) return
    const entries = [...share.segments.values()]
    for (const entry of entries) this.#leavePool(entry)
    share.pool = pool
    for (const entry of entries) this.#joinPool(entry)
  }

  resize(entry: Entry, length: number): void {
    entry.share.pool.usedBytes += charge(length) - charge(entry.length)
    entry.length = length
  }

  shareOf(infoHash: string, published: boolean): Share {
    let share = this.shares.get(infoHash)
    if (!share) this.shares.set(infoHash, share = { infoHash, segments: new Map(), keeper: null, pool: published ? this.published : this.viewers })
    return share
  }

  add(share: Share, { fileIndex, segment }: SegmentOfFile, length: number, playedAt: number): Entry {
    const name = segmentName({ fileIndex, segment })
    const entry: Entry = { share, fileIndex, segment, name, length, playedAt, wasPlayed: false, pins: 0, isDoubtful: false, leaving: null }
    share.segments.set(name, entry)
    this.#joinPool(entry)
    return entry
  }

  forget(entry: Entry): void {
    this.#leavePool(entry)
    entry.share.segments.delete(entry.name)
  }

  #joinPool(entry: Entry): void {
    entry.share.pool.entries.add(entry)
    entry.share.pool.usedBytes += charge(entry.length)
  }

  #leavePool(entry: Entry): void {
    if (entry.share.pool.entries.delete(entry)) entry.share.pool.usedBytes -= charge(entry.length)
  }

  touch(entry: Entry, at: number): void {
    entry.playedAt = at
    if (entry.share.pool.entries.delete(entry)) entry.share.pool.entries.add(entry)
  }

  sort({ entries }: Pool): void {
    const sorted = [...entries].sort((one, other) => one.playedAt - other.playedAt)
    entries.clear()
    for (const entry of sorted) entries.add(entry)
  }
}
