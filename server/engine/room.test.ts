import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encodeBencode } from '../lib/bencode.ts'
import { PieceMap } from '../lib/piece-map.ts'
import { parseInfo, type TorrentInfo } from '../lib/torrent.ts'
import { storedBytes } from '../test/disk.ts'
import { torrentOf } from '../test/local-torrent.ts'
import { ActiveReaders } from './active-readers.ts'
import { Availability } from './availability.ts'
import { Cache } from './cache.ts'
import { PieceSelection } from './piece-selection.ts'
import { lengthOfPiece } from './piece-spans.ts'
import { StorageFull } from './room.ts'
import { segmentBytes, segmentSpans } from './segments.ts'
import { PieceStorage, type StorageOptions } from './storage.ts'

const KiB = 1024
const MiB = 1024 * KiB

let dataDir: string
let cache: Cache
beforeEach(async () => { dataDir = await mkdtemp(join(tmpdir(), 'room-')) })
afterEach(() => rm(dataDir, { recursive: true, force: true }))

function openCache(cacheBytes: number): void {
  cache = new Cache({ dataDir, cacheBytes, publishedBytes: 0, freeSpaceBytes: 0, onEvent: () => {} })
}

function open(info: TorrentInfo, options: Partial<StorageOptions> = {}): Promise<PieceStorage> {
  return PieceStorage.open({ dataDir, info, cache, published: false, confirmed: new PieceMap(info.pieceHashes.length / 20), holds: () => false, promises: () => false, waitsFor: () => true, onLost: () => {}, ...options })
}

describe('what is just being written', () => {
  const piece = 64 * KiB
  it('is waited for, and goes when it is there', async () => {
    openCache(2 * piece)
    const torrents = ['one', 'other'].map((name) => torrentOf(piece, Array.from({ length: 12 }, () => ({ length: piece })), name))
    const storages = await Promise.all(torrents.map(({ info }) => open(info)))
    let most = 0
    await Promise.all(torrents.flatMap((torrent, at) => Array.from({ length: 12 }, async (_, index) => {
      await storages[at]?.write(index, torrent.piece(index))
      most = Math.max(most, storedBytes(dataDir))
    })))
    expect(most).toBe(2 * piece)
    expect(await cache.stats()).toMatchObject({ usedBytes: storedBytes(dataDir), evictions: 22 })
  })

  it('by pieces that each need several segments, and all the room there is: none waits for another that waits', async () => {
    openCache(6 * 16 * KiB)
    const torrents = ['one', 'other', 'third'].map((name) => torrentOf(piece, Array.from({ length: 24 }, () => ({ length: 16 * KiB - 1 })), name))
    const storages = await Promise.all(torrents.map(({ info }) => open(info)))
    await Promise.all(torrents.flatMap((torrent, at) => [5, 0, 3, 1, 4, 2, 1, 5].map(async (index) => storages[at]?.write(index, torrent.piece(index)))))
    const { usedBytes } = await cache.stats()
    expect(usedBytes).toBe(storedBytes(dataDir))
    expect(usedBytes).toBeLessThanOrEqual(6 * 16 * KiB)
  })

  it('is not waited for where it would stay: then there is no room at once', async () => {
    openCache(piece)
    const { info, piece: bytesOf } = torrentOf(piece, Array.from({ length: 2 }, () => ({ length: piece })))
    const storage = await open(info, { holds: () => true, promises: () => true })
    const [first, second] = await Promise.allSettled([storage.write(0, bytesOf(0)), storage.write(1, bytesOf(1))])
    expect(first.status).toBe('fulfilled')
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'storage_full' } })
  })

  it('serves those who wait in the order in which they came, however little the last one needs', async () => {
    openCache(4 * piece)
    const { info } = torrentOf(piece, [{ length: 4 * piece }, { length: 4 * piece }, { length: piece }])
    await open(info)
    const given: string[] = []
    const claim = async (name: string, fileIndex: number, length: number) => {
      const claimed = await cache.claim(info.infoHash, segmentSpans(info.infoHash, { fileIndex, offset: 0, length }), () => true)
      given.push(name)
      return claimed
    }
    const first = await claim('first', 0, 3 * piece)
    const large = claim('large', 1, 4 * piece)
    const small = claim('small', 2, piece) // for which there would be room
    const same = claim('same', 0, piece) // which needs none
    await cache.stats()
    expect(given).toEqual(['first'])
    await first.release()
    await (await large).release()
    await (await small).release()
    await (await same).release()
    expect(given).toEqual(['first', 'large', 'small', 'same'])
  })

  it('may be a segment of the piece’s own that is longer than need be', async () => {
    openCache(5 * piece)
    const { info, piece: bytesOf } = torrentOf(piece, [{ length: 3 * piece + 1000 }, { length: 3 * piece }])
    const storage = await open(info)
    await Promise.all([4, 5].map((index) => storage.write(index, bytesOf(index))))
    await storage.write(3, bytesOf(3)) // the end of the first, the beginning of the second
    expect([3, 4, 5].filter((index) => storage.stored.has(index))).toEqual([3])
    expect((await cache.stats()).usedBytes).toBe(storedBytes(dataDir))
  })

  it('makes no room for what would never fit: nothing goes in vain', async () => {
    openCache(2 * piece)
    const { info, piece: bytesOf } = torrentOf(piece, [{ length: piece }, { length: piece }])
    const storage = await open(info)
    await storage.write(0, bytesOf(0))
    await expect(cache.claim(info.infoHash, segmentSpans(info.infoHash, { fileIndex: 1, offset: 0, length: 3 * piece }), () => true)).rejects.toThrow(StorageFull)
    expect(storage.stored.has(0)).toBe(true)
  })
})

/** A film behind some bytes of something else, so that its pieces lie across its segments. */
function filmOf(name: string, pieceLength: number, before: number, lengthBytes: number): TorrentInfo {
  const files = [before, lengthBytes].map((length, index) => new Map<string, unknown>([['length', length], ['path', [index === 0 ? 'before.txt' : 'film.mkv']]]))
  const pieces = Buffer.alloc(Math.ceil((before + lengthBytes) / pieceLength) * 20)
  return parseInfo(encodeBencode(new Map<string, never>(Object.entries({ files, name, 'piece length': pieceLength, pieces }) as [string, never][])))
}

interface Viewing {
  readonly info: TorrentInfo
  readonly windowBytes: number
  /** Says how many of so many come next: which piece, how far it is read. */
  readonly below: (many: number) => number
}

/** Plays a film as an active torrent does, with pieces that come several at a time and in any order. Rejects with what its reader is told. */
async function watch({ info, windowBytes, below }: Viewing): Promise<void> {
  const [zeros, end] = [new Uint8Array(info.pieceLength), info.files[1]?.lengthBytes ?? 0]
  const over = Promise.withResolvers<void>()
  const readers = new ActiveReaders(info, windowBytes)
  const arriving = new Set<number>()
  let order: readonly number[] = []
  let isOver = false
  const storage = await open(info, {
    holds: (pieces) => readers.holds(pieces),
    promises: (pieces) => readers.promises(pieces),
    waitsFor: (piece) => readers.waitsFor(piece),
    onLost: () => selection.renew(),
  })
  const has = (piece: number) => storage.stored.has(piece)
  const fetch = () => {
    while (!isOver && arriving.size < 6) {
      const next = order.filter((one) => !has(one) && !arriving.has(one)).slice(0, 8)
      const piece = next[below(next.length)]
      if (piece === undefined) return
      arriving.add(piece)
      storage.write(piece, zeros.subarray(0, lengthOfPiece(info, piece)))
        .then(() => availability.advanceAll(), (error: unknown) => (error instanceof StorageFull ? selection.refused(piece, error) : over.reject(error)))
        .finally(() => {
          arriving.delete(piece)
          fetch()
        })
    }
  }
  const selection: PieceSelection = new PieceSelection({
    info, windowBytes, readers, storage, has,
    torrent: { destroyed: false },
    requests: { want: (pieces) => { order = pieces; fetch() } },
    onNoRoom: (_reader, error) => over.reject(error),
  })
  const availability: Availability = new Availability({
    info, windowBytes, readers, has,
    isConfirmed: () => true,
    confirm: () => Promise.resolve(true),
    onAvailable: (id, upTo) => setImmediate(() => {
      const reader = readers.get(id)
      if (!reader || upTo <= reader.position) return
      storage.played(1, reader.position, upTo)
      reader.position = upTo - (upTo < end && upTo < reader.next ? below(upTo - reader.position) : 0)
      if (reader.position === end) return over.resolve()
      selection.readersMoved()
      availability.advance(id)
    }),
    onAdvanced: () => selection.update(),
    onError: over.reject,
  })
  readers.add({ id: 1, fileIndex: 1, start: 0, end, position: 0, bytesPerSecond: windowBytes })
  availability.advance(1)
  await over.promise.finally(() => { isOver = true })
  readers.delete(1)
  await storage.close()
}

describe('as much room as decision 0025 asks for', () => {
  const film = fc.record({
    pieceLength: fc.constantFrom(1 * MiB, 3 * MiB, 8 * MiB),
    before: fc.integer({ min: 1, max: 16 * MiB }),
    lengthBytes: fc.integer({ min: 3 * segmentBytes, max: 4 * segmentBytes }),
    windowBytes: fc.constantFrom(1 * MiB, 12 * MiB, 24 * MiB),
  })
  const chance = fc.infiniteStream(fc.nat())
  const belowOf = (chances: fc.Stream<number>) => (many: number) => (chances.next().value ?? 0) % Math.max(many, 1)

  it('a segment and a piece: one reader plays a film of any size', { timeout: 120_000 }, async () => {
    await fc.assert(fc.asyncProperty(film, chance, async ({ pieceLength, before, lengthBytes, windowBytes }, chances) => {
      openCache(segmentBytes + pieceLength)
      await watch({ info: filmOf('film', pieceLength, before, lengthBytes), windowBytes, below: belowOf(chances) })
      const { usedBytes, evictions } = await cache.stats()
      expect(evictions).toBeGreaterThanOrEqual(2)
      expect(usedBytes).toBe(storedBytes(dataDir))
      expect(usedBytes).toBeLessThanOrEqual(segmentBytes + pieceLength)
    }), { numRuns: 6 })
  })

  it('a segment, what is read ahead, the end of a film and some: for each of several readers, none of whom is refused', { timeout: 120_000 }, async () => {
    await fc.assert(fc.asyncProperty(fc.array(film, { minLength: 2, maxLength: 3 }), chance, async (films, chances) => {
      const budget = films.reduce((sum, { pieceLength, windowBytes }) => sum + segmentBytes + 10 * MiB + Math.max(windowBytes, 2 * pieceLength) + 2 * pieceLength, 0)
      openCache(budget)
      await Promise.all(films.map(({ pieceLength, before, lengthBytes, windowBytes }, index) =>
        watch({ info: filmOf(`film ${index}`, pieceLength, before, lengthBytes), windowBytes, below: belowOf(chances) })))
      const { usedBytes } = await cache.stats()
      expect(usedBytes).toBe(storedBytes(dataDir))
      expect(usedBytes).toBeLessThanOrEqual(budget)
    }), { numRuns: 4 })
  })
})
