import { EngineError } from './contract.ts'
import type { Evictor } from './evictor.ts'
import type { FreeSpace } from './free-space.ts'
import { charge, growthOf, type Entry, type Ledger, type Share } from './ledger.ts'
import { segmentName, type SegmentSpan } from './segments.ts'

/** No room, and nothing that could go. */
export class StorageFull extends EngineError {
  /** Whether what readers of the torrent want later could have gone for it, too. */
  readonly wasWaitedFor: boolean

  constructor(message: string, { wasWaitedFor = true, ...options }: ErrorOptions & { readonly wasWaitedFor?: boolean } = {}) {
    super('storage_full', message, options)
    this.wasWaitedFor = wasWaitedFor
  }
}

/** A piece that is to be written: the stretches of its torrent's segments that it fills. */
export interface Need {
  readonly share: Share
  readonly spans: readonly SegmentSpan[]
  /** Whether a reader waits for it now: then what readers of the torrent want later may go for it. */
  readonly isWaitedFor: () => boolean
}

export interface RoomOptions {
  readonly ledger: Ledger
  readonly free: FreeSpace
  readonly evictor: Evictor
  readonly onEvent: (event: { event: string; detail: string }) => void
}

/**
 * Room within the budgets, given out piece by piece, in the order in which it was asked for. Where there is none it is
 * made, by dropping what was played least recently; where that is just being written, its writer is waited for. Waiting
 * ends: a piece is given room in all its segments at once, so that whoever has some waits for nobody, and while one waits
 * no other is given any.
 */
export class Room {
  readonly #ledger: Ledger
  readonly #free: FreeSpace
  readonly #evictor: Evictor
  readonly #onEvent: RoomOptions['onEvent']
  #queue: Promise<unknown> = Promise.resolve()
  #changed = Promise.withResolvers<void>()
  #isFull = false

  constructor({ ledger, free, evictor, onEvent }: RoomOptions) {
    this.#ledger = ledger
    this.#free = free
    this.#evictor = evictor
    this.#onEvent = onEvent
  }

  /** Grows a piece's segments so that it fits into them, and pins them. @throws StorageFull when nothing that could go is left */
  take(need: Need): Promise<Entry[]> {
    const taken = this.#queue.then(() => this.#make(need))
    this.#queue = taken.catch(() => {})
    return taken
  }

  /** Who waits looks again: something is not written any more, or gone. */
  changed(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }

  /** Refuses what `take` would refuse, as far as is known. @throws StorageFull */
  demand(need: Need): void {
    if (!this.#fits(need) && !this.#victimFor(need) && !this.#isComingFree(need)) this.#refuse(need)
  }

  /** Whether there is room, or may be made without taking it from a reader, as far as is known. */
  has(need: Need): boolean {
    if (this.#isBeyond(need)) return false
    const own = ownEntries(need)
    let freed = 0
    for (const entry of this.#ledger.viewers.entries) {
      if (this.#fits(need, freed)) return true
      if (!own.includes(entry) && (entry.leaving || isFree(entry))) freed += charge(entry.length)
    }
    return this.#fits(need, freed)
  }

  /** Drops one segment because the disk said that it is full, whatever was reckoned, unless one went `since`. @throws StorageFull */
  async relieve(since: number): Promise<void> {
    await this.#evictor.inTurn(async () => {
      if (this.#evictor.evictions !== since) return
      await this.#evictor.evict(this.#victim() ?? this.#full('The disk is full.', true))
    })
  }

  async #make(need: Need): Promise<Entry[]> {
    await this.#free.look(growth(need))
    for (;;) {
      await Promise.allSettled(ownEntries(need).flatMap(({ leaving }) => leaving ?? []))
      if (!isSettled(need)) continue
      if (this.#fits(need)) return this.#grow(need) // at once, before another looks
      if (this.#victimFor(need)) await this.#evictor.inTurn(async () => {
        const victim = this.#fits(need) ? null : this.#victimFor(need) // as it is when its turn has come
        if (victim) await this.#evictor.evict(victim)
      })
      else if (this.#isComingFree(need)) await this.#changed.promise
      else this.#refuse(need)
    }
  }

  #grow(need: Need): Entry[] {
    const { share, spans } = need
    const bytes = growth(need)
    if (bytes > 0) this.#isFull = false
    this.#free.take(bytes)
    return spans.map((span) => {
      const entry = share.segments.get(segmentName(span)) ?? this.#ledger.add(share, span, 0, Date.now())
      entry.pins += 1
      this.#ledger.resize(entry, Math.max(entry.length, endOf(span)))
      return entry
    })
  }

  /** Whether there is room for it once so many bytes of what viewers have are gone. */
  #fits(need: Need, freed = 0): boolean {
    const bytes = growth(need)
    const { pool } = need.share
    const used = pool.usedBytes - (pool === this.#ledger.viewers ? freed : 0)
    return bytes === 0 || (used + bytes <= pool.budgetBytes && this.#free.allows(bytes - freed))
  }

  /** Whether its budget is too small for it, whatever went. */
  #isBeyond(need: Need): boolean {
    const { pool } = need.share
    if (pool === this.#ledger.published) return pool.usedBytes + growth(need) > pool.budgetBytes
    return sum(need.spans, (span) => charge(endOf(span))) > pool.budgetBytes
  }

  /** The least recently played that nobody needs; in the end, what a reader of the same torrent wants later goes before what one wants now. */
  #victimFor(need: Need): Entry | null {
    if (this.#isBeyond(need)) return null
    const own = ownEntries(need)
    return this.#victim(own) ?? this.#laterFor(need).find(isIdle) ?? null
  }

  #victim(but: readonly Entry[] = []): Entry | null {
    for (const entry of this.#ledger.viewers.entries) if (isFree(entry) && !but.includes(entry)) return entry
    return null
  }

  /** What goes only for a piece that is waited for: segments of its torrent, and last those of its own that need not be as long as they are. */
  #laterFor({ share, spans, isWaitedFor }: Need): Entry[] {
    if (share.pool !== this.#ledger.viewers || !isWaitedFor()) return []
    const needed = new Map(spans.map((span) => [segmentName(span), endOf(span)]))
    const later = [...share.segments.values()].filter(isLater)
    return [...later.filter(({ name }) => !needed.has(name)), ...later.filter(({ name, length }) => length > (needed.get(name) ?? Infinity))]
  }

  /** Whether something that could go for it is just being written, or on its way out. */
  #isComingFree(need: Need): boolean {
    if (this.#isBeyond(need)) return false
    const own = ownEntries(need)
    for (const entry of this.#ledger.viewers.entries) if (entry.leaving || (entry.pins > 0 && !own.includes(entry) && isUnneeded(entry))) return true
    return this.#laterFor(need).some(({ pins }) => pins > 0)
  }

  #refuse(need: Need): never {
    const { pool } = need.share
    const isOverBudget = pool.usedBytes + growth(need) > pool.budgetBytes
    const why = isOverBudget && pool === this.#ledger.published ? 'PUBLISHED_BYTES are used up.'
      : this.#isBeyond(need) ? 'CACHE_BYTES are less than one piece needs.'
        : this.#free.allows(growth(need)) ? 'CACHE_BYTES are used up by what is playing.' : 'The disk has no more than FREE_SPACE_BYTES free.'
    return this.#full(why, need.isWaitedFor())
  }

  #full(message: string, wasWaitedFor: boolean): never {
    if (!this.#isFull) this.#onEvent({ event: 'storage_full', detail: message })
    this.#isFull = true
    throw new StorageFull(message, { wasWaitedFor })
  }
}

const isIdle = ({ pins, leaving }: Entry) => pins === 0 && !leaving
const isUnneeded = (entry: Entry) => !entry.share.keeper?.holds(entry)
const isLater = (entry: Entry) => !entry.share.keeper?.promises(entry)
/** Nobody writes it, nobody needs it. */
export const isFree = (entry: Entry) => isIdle(entry) && isUnneeded(entry)

const sum = <T>(all: readonly T[], of: (one: T) => number) => all.reduce((total, one) => total + of(one), 0)
const endOf = ({ offset, length }: SegmentSpan) => offset + length
const ownEntries = ({ share, spans }: Need) => spans.flatMap((span) => share.segments.get(segmentName(span)) ?? [])
/** None of its segments is on its way out. */
const isSettled = (need: Need) => ownEntries(need).every(({ leaving }) => !leaving)
const growth = ({ share, spans }: Need) => sum(spans, (span) => growthOf(share.segments.get(segmentName(span)) ?? { length: 0 }, endOf(span)))
