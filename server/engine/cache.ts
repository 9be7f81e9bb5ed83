import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { infoHashPattern } from '../lib/infohash.ts'
import type { CacheStats } from './contract.ts'
import { Evictor } from './evictor.ts'
import { FreeSpace } from './free-space.ts'
import { charge, Ledger, type Entry, type SegmentKeeper } from './ledger.ts'
import { MapFile } from './map-file.ts'
import { isFree, Room, type Need } from './room.ts'
import { segmentBytes, segmentName, torrentFolder, type SegmentOfFile, type SegmentSpan } from './segments.ts'
import { storedSegments, type StoredSegment } from './stored-segments.ts'

export interface CacheOptions {
  readonly dataDir: string
  /** What viewers have had fetched: the least recently played goes when it is used up. */
  readonly cacheBytes: number
  /** What the operator published: never dropped for room. */
  readonly publishedBytes: number
  /** Left free on the disk for others. */
  readonly freeSpaceBytes: number
  readonly onEvent: (event: { event: string; detail: string }) => void
}

/**
 * What all torrents have on disk, segment by segment, within its budgets. A segment is charged by its length, in blocks:
 * that is what a file system without holes needs for it, and what a sum over the disk finds, also after a crash.
 */
export class Cache {
  readonly #dataDir: string
  readonly #free: FreeSpace
  readonly #ledger: Ledger
  readonly #evictor: Evictor
  readonly #room: Room
  /** What was said of torrents before the scan came to them. */
  #saidPublished = new Map<string, boolean>()
  #isScanned = false
  #scanned: Promise<void>

  /** Begins to look through the folder: the first write waits until it has been, nothing else does. */
  constructor({ dataDir, cacheBytes, publishedBytes, freeSpaceBytes, onEvent }: CacheOptions) {
    this.#dataDir = dataDir
    const free = this.#free = new FreeSpace(dataDir, freeSpaceBytes)
    const ledger = this.#ledger = new Ledger(cacheBytes, publishedBytes)
    const evictor = this.#evictor = new Evictor({ dataDir, ledger, free, onChange: () => this.#room.changed() })
    this.#room = new Room({ ledger, free, evictor, onEvent })
    this.#scanned = this.#scan()
  }

  /** Says whose budget a torrent counts against. */
  setPublished(infoHash: string, published: boolean): void {
    if (!this.#isScanned) this.#saidPublished.set(infoHash, published)
    const share = this.#ledger.shares.get(infoHash)
    if (share) this.#ledger.move(share, published)
  }

  /** A torrent is being opened: from now on it is asked. Resolves when none of its segments is on its way out. */
  async adopt(infoHash: string, published: boolean, keeper: SegmentKeeper): Promise<void> {
    const share = this.#ledger.shareOf(infoHash, published)
    share.keeper = keeper
    this.setPublished(infoHash, published)
    await Promise.allSettled([...share.segments.values()].flatMap(({ leaving }) => leaving ?? []))
  }

  /** What an adopted torrent found in its folder. */
  enter(infoHash: string, segments: readonly (StoredSegment & { readonly playedAt: number })[]): void {
    const share = this.#ledger.shares.get(infoHash)
    if (!share) return
    const found = new Set(segments.map(({ name }) => name))
    for (const entry of [...share.segments.values()]) if (!found.has(entry.name)) this.#ledger.forget(entry)
    for (const segment of segments) {
      const entry = share.segments.get(segment.name)
      if (entry) this.#ledger.resize(entry, segment.size)
      else this.#ledger.add(share, segment, segment.size, segment.playedAt)
    }
  }

  /** The torrent is closed; its data stays. */
  disown(infoHash: string, keeper: SegmentKeeper): void {
    const share = this.#ledger.shares.get(infoHash)
    if (share?.keeper !== keeper) return
    share.keeper = null
    if (share.segments.size === 0) this.#ledger.shares.delete(infoHash)
  }

  /**
   * Room for a piece of an adopted torrent, made by dropping what was least recently played. It stays until the claim is
   * released. `isWaitedFor`: what readers of the torrent want later may go for it. @throws StorageFull
   */
  async claim(infoHash: string, spans: readonly SegmentSpan[], isWaitedFor: () => boolean): Promise<{ release(failed?: boolean): Promise<void> }> {
    await this.#scanned
    const entries = await this.#room.take({ share: this.#ledger.shareOf(infoHash, false), spans, isWaitedFor })
    const release = async (failed = false) => {
      for (const entry of entries) {
        entry.pins -= 1
        entry.isDoubtful ||= failed
        if (entry.isDoubtful) await this.#measure(entry)
      }
      this.#room.changed()
    }
    return { release }
  }

  /** Room among what is published for something that has no info-hash yet, under a name until it has. It may grow. @throws StorageFull */
  async reserve(name: string, bytes: number): Promise<void> {
    await this.#scanned
    const whole = { path: name, fileIndex: 0, segment: 0, offset: 0, length: bytes }
    const entries = await this.#room.take({ share: this.#ledger.shareOf(name, true), spans: [whole], isWaitedFor: () => false })
    for (const entry of entries) entry.pins -= 1
    this.#room.changed()
  }

  /** What was reserved under a name has become these segments of a published torrent, or nothing. */
  settle(name: string, becomes: { readonly infoHash: string; readonly segments: readonly StoredSegment[] } | null): void {
    for (const entry of [...(this.#ledger.shares.get(name)?.segments.values() ?? [])]) this.#ledger.forget(entry)
    this.#ledger.shares.delete(name)
    if (!becomes) return
    const share = this.#ledger.shareOf(becomes.infoHash, true)
    this.setPublished(becomes.infoHash, true)
    for (const segment of becomes.segments) this.#ledger.add(share, segment, segment.size, Date.now())
  }

  /** Segments dropped so far. */
  get evictions(): number {
    return this.#evictor.evictions
  }

  /** Drops one segment because the disk said that it is full, whatever was reckoned, unless one went `since`. @throws StorageFull */
  relieve(since: number): Promise<void> {
    return this.#room.relieve(since)
  }

  /** A segment was not found as it should be: its length is looked up. */
  async doubt(infoHash: string, segment: SegmentOfFile): Promise<void> {
    const entry = this.#ledger.shares.get(infoHash)?.segments.get(segmentName(segment))
    if (!entry) return
    entry.isDoubtful = true
    await this.#measure(entry)
  }

  /** Asks the disk what it has free, if that is due or it was little. */
  async refresh(): Promise<void> {
    await this.#free.look(segmentBytes)
  }

  /** Refuses at once what `claim` of a piece that is waited for would refuse, as far as is known. @throws StorageFull */
  demandRoom(infoHash: string, spans: readonly SegmentSpan[]): void {
    const need = this.#needOf(infoHash, spans, true)
    if (need) this.#room.demand(need)
  }

  /** Whether there is room, or may be made without taking it from a reader, as far as is known. */
  hasRoom(infoHash: string, spans: readonly SegmentSpan[]): boolean {
    const need = this.#needOf(infoHash, spans, false)
    return !need || this.#room.has(need)
  }

  /** A reader went through it. */
  played(infoHash: string, segment: SegmentOfFile, at: number): void {
    const entry = this.#ledger.shares.get(infoHash)?.segments.get(segmentName(segment))
    if (!entry) return
    entry.wasPlayed = true
    this.#ledger.touch(entry, at)
  }

  /** Bytes were fetched into it: that counts as long as nobody has played it. */
  fetched(infoHash: string, segment: SegmentOfFile, at: number): void {
    const entry = this.#ledger.shares.get(infoHash)?.segments.get(segmentName(segment))
    if (entry && !entry.wasPlayed) this.#ledger.touch(entry, at)
  }

  /** Drops what no reader needs of a torrent, or of one file of it; says how many bytes that freed. */
  async evict(infoHash: string, fileIndex?: number): Promise<number> {
    await this.#scanned
    return this.#evictor.inTurn(async () => {
      let bytes = 0
      for (const entry of [...(this.#ledger.shares.get(infoHash)?.segments.values() ?? [])]) {
        if ((fileIndex !== undefined && entry.fileIndex !== fileIndex) || !isFree(entry)) continue
        bytes += charge(entry.length)
        await this.#evictor.evict(entry)
      }
      return bytes
    })
  }

  /** Deletes all of a torrent that is closed: first what says that it is there. */
  async remove(infoHash: string): Promise<void> {
    await this.#scanned
    await this.#evictor.remove(infoHash)
  }

  async stats(): Promise<CacheStats> {
    await this.#scanned
    const free = await this.#free.ask()
    return {
      usedBytes: this.#ledger.viewers.usedBytes,
      budgetBytes: this.#ledger.viewers.budgetBytes,
      publishedBytes: this.#ledger.published.usedBytes,
      freeBytes: Number.isFinite(free) ? free : null,
      segments: this.#ledger.viewers.entries.size + this.#ledger.published.entries.size,
      evictions: this.evictions,
    }
  }

  /** Torrent by torrent, some files at a time: it must not stand in the way of the first start. */
  async #scan(): Promise<void> {
    for (const infoHash of await readdir(this.#dataDir).catch(() => [])) {
      if (!infoHashPattern.test(infoHash) || this.#ledger.shares.has(infoHash)) continue
      const folder = join(this.#dataDir, torrentFolder(infoHash))
      const [segments, map] = await Promise.all([storedSegments(folder), MapFile.read(folder)])
      if (segments.length === 0 || this.#ledger.shares.has(infoHash)) continue // opened meanwhile: it has entered what it found
      const share = this.#ledger.shareOf(infoHash, this.#saidPublished.get(infoHash) ?? map?.published ?? false)
      for (const segment of segments) this.#ledger.add(share, segment, segment.size, map?.records.get(segment.name)?.playedAt ?? changedAt(segment))
    }
    this.#ledger.sort(this.#ledger.viewers)
    this.#isScanned = true
    this.#saidPublished.clear()
  }

  /** Null where nothing is known: before the scan is done, and for a torrent that was not adopted. */
  #needOf(infoHash: string, spans: readonly SegmentSpan[], isWaitedFor: boolean): Need | null {
    const share = this.#ledger.shares.get(infoHash)
    return this.#isScanned && share ? { share, spans, isWaitedFor: () => isWaitedFor } : null
  }

  /** Looks up how long it is when nobody writes to it. */
  async #measure(entry: Entry): Promise<void> {
    if (entry.pins > 0 || entry.leaving) return
    const found = await stat(join(this.#dataDir, torrentFolder(entry.share.infoHash), entry.name)).catch(() => null)
    if (entry.pins > 0 || entry.leaving || entry.share.segments.get(entry.name) !== entry) return
    entry.isDoubtful = false
    this.#ledger.resize(entry, found?.isFile() ? found.size : 0)
    if (!found) this.#ledger.forget(entry)
  }
}

const changedAt = ({ changedNs }: StoredSegment) => Number(changedNs / 1_000_000n)
