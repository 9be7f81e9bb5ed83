import { readdir, rm, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { infoHashPattern } from '../lib/infohash.ts'
import { EngineError, type CacheStats } from './contract.ts'
import { FreeSpace } from './free-space.ts'
import { MapFile, mapName } from './map-file.ts'
import { charge, growthOf, Ledger, type Entry, type SegmentKeeper, type Share } from './ledger.ts'
import { segmentBytes, segmentName, torrentFolder, type SegmentOfFile } from './segments.ts'
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

/** No room, and nothing that could go. */
export class StorageFull extends EngineError {
  constructor(message: string, options?: ErrorOptions) {
    super('storage_full', message, options)
  }
}

/**
 * What all torrents have on disk, segment by segment, within its budgets. A segment is charged by its length, in blocks:
 * that is what a file system without holes needs for it, and what a sum over the disk finds, also after a crash.
 */
export class Cache {
  readonly #dataDir: string
  readonly #onEvent: CacheOptions['onEvent']
  readonly #free: FreeSpace
  readonly #ledger: Ledger
  /** What was said of torrents before the scan came to them. */
  #saidPublished = new Map<string, boolean>()
  #isScanned = false
  #scanned: Promise<void>
  /** One makes room at a time: each would drop a segment where one was enough, and a closed torrent's map has one writer. */
  #turn: Promise<void> = Promise.resolve()
  #isFull = false
  #leaving = 0
  #evictions = 0

  /** Begins to look through the folder: the first write waits until it has been, nothing else does. */
  constructor({ dataDir, cacheBytes, publishedBytes, freeSpaceBytes, onEvent }: CacheOptions) {
    this.#dataDir = dataDir
    this.#onEvent = onEvent
    this.#free = new FreeSpace(dataDir, freeSpaceBytes)
    this.#ledger = new Ledger(cacheBytes, publishedBytes)
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
   * Room for a segment of an adopted torrent to become so long, made by dropping what was least recently played. It stays
   * until the claim is released. `isWaitedFor`: what readers of the torrent want later may go for it. @throws StorageFull
   */
  async claim(infoHash: string, segment: SegmentOfFile, length: number, isWaitedFor: boolean): Promise<{ release(failed?: boolean): Promise<void> }> {
    await this.#scanned
    const entry = await this.#pinned(this.#ledger.shareOf(infoHash, false), segment)
    const release = async (failed = false) => {
      entry.pins -= 1
      entry.isDoubtful ||= failed
      if (entry.isDoubtful) await this.#measure(entry)
    }
    try {
      await this.#free.look(growthOf(entry, length))
      if (this.#fits(entry, length)) this.#grow(entry, length)
      else await this.#inTurn(() => this.#makeRoom(entry, length, isWaitedFor))
    } catch (error) {
      await release(true)
      throw error
    }
    return { release }
  }

  /** Room among what is published for something that has no info-hash yet, under a name until it has. It may grow. @throws StorageFull */
  async reserve(name: string, bytes: number): Promise<void> {
    await this.#scanned
    const share = this.#ledger.shareOf(name, true)
    const [entry] = share.segments.size > 0 ? share.segments.values() : [this.#ledger.add(share, { fileIndex: 0, segment: 0 }, 0, Date.now())]
    if (!entry) return
    await this.#free.look(growthOf(entry, bytes))
    if (this.#fits(entry, bytes)) this.#grow(entry, bytes)
    else await this.#inTurn(() => this.#makeRoom(entry, bytes, false))
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
    return this.#evictions
  }

  /** Drops one segment because the disk said that it is full, whatever was reckoned, unless one went `since`. @throws StorageFull */
  async relieve(since: number): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#evictions === since) await this.#evict(this.#victim() ?? this.#full('The disk is full.'))
    })
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

  /** Refuses at once what `claim` would refuse, as far as is known. @throws StorageFull */
  demandRoom(infoHash: string, segment: SegmentOfFile, length: number): void {
    const share = this.#ledger.shares.get(infoHash)
    if (!this.#isScanned || !share) return
    const entry = share.segments.get(segmentName(segment)) ?? { length: 0, share, name: segmentName(segment) }
    if (this.#fits(entry, length) || this.#leaving > 0) return
    // What is being written can go as soon as it is: `claim` will see.
    if (![...share.segments.values()].some(({ pins }) => pins > 0)) this.#victimFor(entry, length, true)
  }

  /** Whether there is room, or may be made without taking it from a reader, as far as is known. */
  hasRoom(infoHash: string, segment: SegmentOfFile, length: number): boolean {
    const share = this.#ledger.shares.get(infoHash)
    if (!this.#isScanned || !share) return true
    const entry = share.segments.get(segmentName(segment)) ?? { length: 0, share }
    return this.#fits(entry, length) || (!this.#isPublishedOver(entry, length) && (this.#leaving > 0 || this.#victim() !== null))
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
    return this.#inTurn(async () => {
      let bytes = 0
      for (const entry of [...(this.#ledger.shares.get(infoHash)?.segments.values() ?? [])]) {
        if ((fileIndex !== undefined && entry.fileIndex !== fileIndex) || !isFree(entry)) continue
        bytes += charge(entry.length)
        await this.#evict(entry)
      }
      return bytes
    })
  }

  /** Deletes all of a torrent that is closed: first what says that it is there. */
  async remove(infoHash: string): Promise<void> {
    await this.#scanned
    const share = this.#ledger.shares.get(infoHash)
    const entries = [...(share?.segments.values() ?? [])]
    const before = Promise.allSettled(entries.flatMap(({ leaving }) => leaving ?? []))
    const folder = join(this.#dataDir, torrentFolder(infoHash))
    const removal = before.then(async () => {
      await rm(join(folder, mapName), { force: true }).catch(() => {}) // as when the folder is a file: the next says it
      await rm(folder, { recursive: true, force: true, maxRetries: 3 })
    })
    for (const entry of entries) entry.leaving = removal
    try {
      await removal
      for (const entry of entries) this.#ledger.forget(entry)
      if (share && !share.keeper) this.#ledger.shares.delete(infoHash)
    } catch (error) {
      for (const entry of entries) entry.leaving = null
      throw error
    }
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
      evictions: this.#evictions,
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

  async #pinned(share: Share, segment: SegmentOfFile): Promise<Entry> {
    for (;;) {
      const entry = share.segments.get(segmentName(segment)) ?? this.#ledger.add(share, segment, 0, Date.now())
      if (!entry.leaving) {
        entry.pins += 1
        return entry
      }
      await entry.leaving.catch(() => {})
    }
  }

  async #makeRoom(entry: Entry, length: number, isWaitedFor: boolean): Promise<void> {
    while (!this.#fits(entry, length)) await this.#evict(this.#victimFor(entry, length, isWaitedFor))
    this.#grow(entry, length) // at once, before another looks
  }

  #victimFor(entry: Pick<Entry, 'length' | 'share' | 'name'>, length: number, isWaitedFor: boolean): Entry {
    const growth = growthOf(entry, length)
    const isPublished = entry.share.pool === this.#ledger.published
    if (this.#isPublishedOver(entry, length)) this.#full('PUBLISHED_BYTES are used up.')
    // In the end, what a reader of the same torrent wants later goes before what one wants now.
    const victim = this.#victim() ?? (isWaitedFor && !isPublished ? [...entry.share.segments.values()].find((other) => other.name !== entry.name && isLater(other)) : null)
    return victim ?? this.#full(this.#free.allows(growth) ? 'CACHE_BYTES are used up by what is playing.' : 'The disk has no more than FREE_SPACE_BYTES free.')
  }

  #full(message: string): never {
    if (!this.#isFull) this.#onEvent({ event: 'storage_full', detail: message })
    this.#isFull = true
    throw new StorageFull(message)
  }

  #fits(entry: Pick<Entry, 'length' | 'share'>, length: number): boolean {
    const growth = growthOf(entry, length)
    const { usedBytes, budgetBytes } = entry.share.pool
    return growth === 0 || (usedBytes + growth <= budgetBytes && this.#free.allows(growth))
  }

  #isPublishedOver(entry: Pick<Entry, 'length' | 'share'>, length: number): boolean {
    const { published } = this.#ledger
    return entry.share.pool === published && published.usedBytes + growthOf(entry, length) > published.budgetBytes
  }

  #grow(entry: Entry, length: number): void {
    const growth = growthOf(entry, length)
    if (growth > 0) this.#isFull = false
    this.#free.take(growth)
    this.#ledger.resize(entry, Math.max(entry.length, length))
  }

  /** The least recently played that nobody needs. */
  #victim(): Entry | null {
    for (const entry of this.#ledger.viewers.entries) if (isFree(entry)) return entry
    return null
  }

  /** Map first, then the file: whenever the process dies, the map says nothing that is not there. */
  async #evict(entry: Entry): Promise<void> {
    const { share } = entry
    const folder = join(this.#dataDir, torrentFolder(share.infoHash))
    this.#leaving += 1
    entry.leaving = (async () => {
      // A map that cannot be written does not keep the file: what is missing is left out of it when it is read.
      await (share.keeper ? share.keeper.strike(entry) : strikeClosed(folder, entry)).catch(() => {})
      const blocks = await stat(join(folder, entry.name)).then((found) => found.blocks * 512, () => 0)
      await rm(join(folder, entry.name), { recursive: true, force: true })
      this.#free.take(-blocks)
      this.#evictions += 1
      // The last one takes the map along. Who opens the torrent meanwhile waits for this.
      if (share.segments.size === 1 && !share.keeper) await rm(join(folder, mapName), { force: true }).then(() => rmdir(folder)).catch(() => {})
    })()
    try {
      await entry.leaving
      this.#ledger.forget(entry)
      share.keeper?.gone(entry)
      if (share.segments.size === 0 && !share.keeper) this.#ledger.shares.delete(share.infoHash)
    } catch (error) {
      entry.leaving = null
      this.#ledger.touch(entry, Date.now()) // others first, the next time
      throw new EngineError('storage_failed', `A segment could not be deleted: ${String(error)}`, { cause: error })
    } finally {
      this.#leaving -= 1
    }
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

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work)
    this.#turn = done.then(() => {}, () => {})
    return done
  }
}

const isIdle = ({ pins, leaving }: Entry) => pins === 0 && !leaving
const isFree = (entry: Entry) => isIdle(entry) && !entry.share.keeper?.holds(entry)
const isLater = (entry: Entry) => isIdle(entry) && !entry.share.keeper?.promises(entry)
const changedAt = ({ changedNs }: StoredSegment) => Number(changedNs / 1_000_000n)

/** Strikes a segment of a torrent that is not open. */
async function strikeClosed(folder: string, segment: SegmentOfFile): Promise<void> {
  const map = await MapFile.read(folder)
  if (!map) return
  // Without a record (the engine died before it was written) nothing says which pieces are in it: then none is claimed.
  const { from, to } = map.records.get(segmentName(segment)) ?? { from: 0, to: map.pieces.pieces - 1 }
  for (let piece = from; piece <= to; piece += 1) map.strike(piece)
  map.forget(segmentName(segment))
  await map.save()
}
