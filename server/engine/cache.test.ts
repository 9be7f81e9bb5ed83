import { readdir, readFile, rm, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PieceMap } from '../lib/piece-map.ts'
import { blockBytes, segmentsIn, storedBytes } from '../test/disk.ts'
import { torrentOf, type LocalTorrent } from '../test/local-torrent.ts'
import { Cache, type CacheOptions } from './cache.ts'
import { MapFile } from './map-file.ts'
import { StorageFull } from './room.ts'
import { segmentBytes } from './segments.ts'
import { PieceStorage, type StorageOptions } from './storage.ts'
import type { PieceSpan } from './window.ts'

const KiB = 1024
const piece = 64 * KiB

let dataDir: string
let cache: Cache
let events: { event: string; detail: string }[]
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'cache-'))
  events = []
})
afterEach(() => rm(dataDir, { recursive: true, force: true }))

function openCache(options: Partial<CacheOptions> = {}): Cache {
  return (cache = new Cache({ dataDir, cacheBytes: 1024 ** 3, publishedBytes: 0, freeSpaceBytes: 0, onEvent: (event) => events.push(event), ...options }))
}

function open({ info }: LocalTorrent, options: Partial<StorageOptions> = {}): Promise<PieceStorage> {
  return PieceStorage.open({ dataDir, info, cache, published: false, confirmed: new PieceMap(info.pieceHashes.length / 20), holds: () => false, promises: () => false, waitsFor: () => true, onLost: () => {}, ...options })
}

/** Whether one of some pieces is among these. */
const among = (pieces: () => readonly number[]) => ({ from, to }: PieceSpan) => pieces().some((piece) => piece >= from && piece <= to)
/** So many files of one piece each, so that each segment is one piece. */
const files = (count: number, name?: string) => torrentOf(piece, Array.from({ length: count }, () => ({ length: piece })), name)
const there = ({ stored }: PieceStorage) => Array.from({ length: stored.pieces }, (_, index) => index).filter((index) => stored.has(index))
const fill = async (storage: PieceStorage, torrent: LocalTorrent, which: number[]) => {
  for (const index of which) {
    await storage.write(index, torrent.piece(index))
    // What came in the same millisecond has no order, once it is read from the map.
    for (const at = Date.now(); Date.now() === at;) await new Promise(setImmediate)
  }
}
/** A reader goes through a whole file. */
const play = (storage: PieceStorage, ...indexes: number[]) => {
  for (const index of indexes) storage.played(index, 0, piece)
}
/** What is claimed is there and right; what is there is accounted for. */
async function expectSound(...stored: [PieceStorage, LocalTorrent][]) {
  for (const [storage, torrent] of stored) {
    for (const index of there(storage)) expect(Buffer.from(await storage.read(index, 0, storage.lengthOf(index))).equals(torrent.piece(index))).toBe(true)
  }
  const { usedBytes, publishedBytes } = await cache.stats()
  expect(usedBytes + publishedBytes).toBe(storedBytes(dataDir))
}

describe('room is made', () => {
  it('by dropping what was played least recently; what nobody played counts from its fetch', async () => {
    openCache({ cacheBytes: 4 * piece })
    const torrent = files(8)
    const storage = await open(torrent)
    await fill(storage, torrent, [0, 1, 2, 3])
    play(storage, 1, 0)
    for (const [next, left] of [[4, [0, 1, 3, 4]], [5, [0, 1, 4, 5]], [6, [0, 4, 5, 6]], [7, [4, 5, 6, 7]]] as const) {
      await fill(storage, torrent, [next])
      expect(there(storage)).toEqual(left)
      expect(segmentsIn(dataDir)).toEqual(left.map((index) => `${torrent.info.infoHash}/${index}-0`))
    }
    expect(await cache.stats()).toMatchObject({ usedBytes: 4 * piece, budgetBytes: 4 * piece, segments: 4, evictions: 4 })
  })

  it('and fetching more of what was played does not make it younger', async () => {
    openCache({ cacheBytes: 5 * piece })
    const torrent = torrentOf(piece, [{ length: 4 * piece }, { length: piece }, { length: piece }, { length: piece }])
    const storage = await open(torrent)
    await fill(storage, torrent, [0])
    storage.played(0, 0, piece)
    await fill(storage, torrent, [4, 1, 2, 3]) // the second file is fetched, then the rest of the first
    await fill(storage, torrent, [5])
    expect(there(storage)).toEqual([4, 5])
  })

  it('across torrents, and whoever has lost something is told', async () => {
    openCache({ cacheBytes: 3 * piece })
    const [one, other] = [files(3, 'one'), files(3, 'other')]
    const lost: number[] = []
    const first = await open(one, { onLost: (pieces) => lost.push(...pieces) })
    const second = await open(other)
    await fill(first, one, [0, 1, 2])
    play(first, 0)
    await fill(second, other, [0, 1])
    expect([lost, there(first), there(second)]).toEqual([[1, 2], [0], [0, 1]])
    await expectSound([first, one], [second, other])
  })

  it('never of what a reader holds: then there is none, nothing has changed, and there is again when it lets go', async () => {
    openCache({ cacheBytes: 3 * piece })
    const torrent = files(5)
    let held = [0, 1, 2]
    const storage = await open(torrent, { holds: among(() => held), promises: among(() => held) })
    await fill(storage, torrent, [0, 1, 2])
    const before = await cache.stats()
    expect(() => storage.demandRoom(3)).toThrow(StorageFull)
    for (let time = 0; time < 3; time += 1) await expect(storage.write(3, torrent.piece(3))).rejects.toMatchObject({ code: 'storage_full' })
    expect(await cache.stats()).toEqual({ ...before, freeBytes: expect.any(Number) as number })
    expect(there(storage)).toEqual([0, 1, 2])
    expect(segmentsIn(dataDir)).toHaveLength(3)
    expect(events.map(({ event }) => event)).toEqual(['storage_full']) // once, however often it is asked
    held = [1, 2]
    expect(() => storage.demandRoom(3)).not.toThrow()
    await fill(storage, torrent, [3])
    expect(there(storage)).toEqual([1, 2, 3])
    held = [1, 2, 3]
    await expect(storage.write(4, torrent.piece(4))).rejects.toThrow(StorageFull)
    expect(events).toHaveLength(2)
    await expectSound([storage, torrent])
  })

  it('of what a reader wants later only in the end, when one of the same torrent wants something now; never of what it was told is there', async () => {
    openCache({ cacheBytes: 3 * piece })
    const torrent = files(5)
    let isWaitedFor = false
    const storage = await open(torrent, { holds: () => true, promises: among(() => [0]), waitsFor: () => isWaitedFor })
    await fill(storage, torrent, [0, 1, 2])
    expect(storage.hasRoom(3)).toBe(false)
    await expect(storage.write(3, torrent.piece(3))).rejects.toThrow(StorageFull)
    isWaitedFor = true
    await fill(storage, torrent, [3, 4])
    expect(there(storage)).toEqual([0, 3, 4])
    const other = files(1, 'other')
    await expect((await open(other)).write(0, other.piece(0))).rejects.toThrow(StorageFull)
    expect(there(storage)).toEqual([0, 3, 4])
  })

  it('of a piece in two segments, neither goes while it is held, and it is lost with either', async () => {
    openCache({ cacheBytes: 6 * piece })
    const torrent = torrentOf(piece, [{ length: piece + 1000 }, { length: piece }, { length: 4 * piece }])
    let held = [1]
    const storage = await open(torrent, { holds: among(() => held), promises: among(() => held) })
    await fill(storage, torrent, [0, 1])
    await fill(storage, torrent, [3, 4])
    await expect(storage.write(5, torrent.piece(5))).rejects.toThrow(StorageFull)
    held = []
    await fill(storage, torrent, [5])
    expect(there(storage)).toEqual([3, 4, 5])
    await expectSound([storage, torrent])
  })

  it('before a piece that needs more than one segment, whole or not at all', async () => {
    openCache({ cacheBytes: 2 * blockBytes })
    const torrent = torrentOf(piece, Array.from({ length: 3 }, () => ({ length: 1000 })))
    const storage = await open(torrent)
    await expect(storage.write(0, torrent.piece(0))).rejects.toThrow(StorageFull)
    expect(there(storage)).toEqual([])
    await expectSound([storage, torrent])
  })
})

describe('what the operator published', () => {
  it('has a budget of its own: viewers do not push it out, nor does it take theirs', async () => {
    openCache({ cacheBytes: 2 * piece, publishedBytes: 2 * piece })
    const [own, theirs] = [files(3, 'own'), files(5, 'theirs')]
    const published = await open(own, { published: true })
    const watched = await open(theirs)
    await fill(published, own, [0, 1])
    await fill(watched, theirs, [0, 1, 2, 3])
    expect([there(published), there(watched)]).toEqual([[0, 1], [2, 3]])
    await expect(published.write(2, own.piece(2))).rejects.toThrow('PUBLISHED_BYTES')
    expect(published.hasRoom(2)).toBe(false)
    expect(there(watched)).toEqual([2, 3])
    expect(await cache.stats()).toMatchObject({ usedBytes: 2 * piece, publishedBytes: 2 * piece, segments: 4 })
    await expectSound([published, own], [watched, theirs])
  })

  it('is known as such after a restart, until the server says otherwise', async () => {
    openCache({ publishedBytes: 2 * piece })
    const own = files(2)
    const published = await open(own, { published: true })
    await fill(published, own, [0, 1])
    await published.close()
    openCache({ publishedBytes: 2 * piece })
    expect(await cache.stats()).toMatchObject({ usedBytes: 0, publishedBytes: 2 * piece })
    cache.setPublished(own.info.infoHash, false)
    expect(await cache.stats()).toMatchObject({ usedBytes: 2 * piece, publishedBytes: 0 })
    openCache({ publishedBytes: 2 * piece })
    cache.setPublished(own.info.infoHash, false) // also before the scan has come to it
    expect(await cache.stats()).toMatchObject({ usedBytes: 2 * piece, publishedBytes: 0 })
  })
})

describe('the accounting', () => {
  it('is what a sum over the disk says, with everything under way at once', async () => {
    openCache({ cacheBytes: 8 * piece })
    // files that share pieces, tiny ones, an empty one, padding, and writes out of order that leave holes
    const layouts = [[{ length: 5 * piece + 17 }, { length: 0 }, { length: 1 }, { length: 100, padding: true }, { length: 3 * piece }], [{ length: 4 * piece }], Array.from({ length: 40 }, () => ({ length: 5000 }))]
    const torrents = layouts.map((layout, index) => torrentOf(piece, layout, `t${index}`))
    const storages = await Promise.all(torrents.map((torrent) => open(torrent)))
    const work = Array.from({ length: 60 }, (_, turn) => torrents.map((torrent, at) => ({ torrent, storage: storages[at], index: (turn * 7) % (torrent.info.pieceHashes.length / 20) }))).flat()
    const over: number[] = []
    for (let from = 0; from < work.length; from += 8) {
      await Promise.all(work.slice(from, from + 8).map(async ({ torrent, storage, index }) => storage?.write(index, torrent.piece(index))))
      over.push(Math.max(storedBytes(dataDir) - 8 * piece, 0))
    }
    expect(Math.max(...over)).toBe(0)
    await expectSound(...storages.map((storage, at) => [storage, torrents[at]] as [PieceStorage, LocalTorrent]))
    expect((await cache.stats()).evictions).toBeGreaterThan(10)
  })

  it('counts a segment by its length, holes included, and never twice', async () => {
    openCache()
    const torrent = torrentOf(piece, [{ length: segmentBytes + 10 * piece }])
    const storage = await open(torrent)
    await fill(storage, torrent, [9, 9, 3])
    expect((await cache.stats()).usedBytes).toBe(10 * piece)
    await fill(storage, torrent, [segmentBytes / piece + 1])
    expect(await cache.stats()).toMatchObject({ usedBytes: 12 * piece, segments: 2 })
    await expectSound([storage, torrent])
  })

  it('holds after a restart, for closed torrents too, whose segments go map first', async () => {
    openCache()
    const torrent = files(6)
    const before = await open(torrent)
    await fill(before, torrent, [0, 1, 2, 3])
    play(before, 0)
    await before.close()
    openCache({ cacheBytes: 3 * piece })
    const other = files(2, 'other')
    const storage = await open(other)
    await fill(storage, other, [0])
    expect(segmentsIn(dataDir).filter((path) => path.startsWith(torrent.info.infoHash))).toHaveLength(2)
    const map = await MapFile.read(join(dataDir, torrent.info.infoHash))
    expect(Array.from({ length: 6 }, (_, index) => map?.pieces.has(index))).toEqual([true, false, false, true, false, false])
    const again = await open(torrent)
    expect(there(again)).toEqual([0, 3])
    await expectSound([again, torrent], [storage, other])
  })

  it('of a closed torrent that is dropped whole, nothing is left', async () => {
    openCache({ cacheBytes: 2 * piece })
    const [one, other] = [files(2, 'one'), files(2, 'other')]
    const before = await open(one)
    await fill(before, one, [0, 1])
    await before.close()
    await fill(await open(other), other, [0, 1])
    expect(await readdir(dataDir)).toEqual([other.info.infoHash])
  })

  it('knows the same content in two torrents as two', async () => {
    openCache({ cacheBytes: 3 * piece })
    const [one, twin] = [files(2, 'one'), files(2, 'twin')]
    const [first, second] = [await open(one), await open(twin)]
    await fill(first, one, [0, 1])
    await fill(second, twin, [0, 1])
    expect([there(first), there(second)]).toEqual([[1], [0, 1]])
    await second.close()
    await cache.remove(twin.info.infoHash)
    expect(await cache.stats()).toMatchObject({ usedBytes: piece, segments: 1 })
    await expectSound([first, one])
  })

  it('follows what was deleted or cut by other hands', async () => {
    openCache()
    const torrent = files(3)
    const storage = await open(torrent)
    await fill(storage, torrent, [0, 1, 2])
    await rm(join(storage.folder, '1-0'))
    expect(await storage.check(1)).toBe(false)
    await expectSound([storage, torrent])
    await fill(storage, torrent, [1])
    expect(await readFile(join(storage.folder, '1-0'))).toEqual(Buffer.from(torrent.piece(1)))
    await expectSound([storage, torrent])
  })
})

describe('dropping on request', () => {
  it('frees a torrent, or one file of it, but for what is held', async () => {
    openCache()
    const torrent = files(4)
    const storage = await open(torrent, { holds: among(() => [0]) })
    await fill(storage, torrent, [0, 1, 2])
    expect(await cache.evict(torrent.info.infoHash, 2)).toBe(piece)
    expect(there(storage)).toEqual([0, 1])
    expect(await cache.evict(torrent.info.infoHash)).toBe(piece)
    expect(await cache.evict('0'.repeat(40))).toBe(0)
    expect(there(storage)).toEqual([0])
    await expectSound([storage, torrent])
  })
})

describe('500 known titles', () => {
  it('do not stand in the way of one that is opened, and are all counted before the first is dropped', async () => {
    openCache()
    const titles = Array.from({ length: 500 }, (_, index) => torrentOf(blockBytes, [{ length: blockBytes }], `title ${index}`))
    for (const title of titles) {
      const storage = await open(title)
      await fill(storage, title, [0])
      await storage.close()
    }
    openCache({ cacheBytes: 500 * blockBytes })
    const [first, oldest] = [titles[250], titles[0]]
    if (!first || !oldest) throw new Error('there are 500')
    const counted = cache.stats().then(() => 'counted')
    const opened = open(first).then(async (storage) => ((await storage.check(0)) ? 'opened' : 'damaged'))
    expect(await Promise.race([counted, opened])).toBe('opened')
    const other = torrentOf(blockBytes, [{ length: blockBytes }], 'one more')
    await fill(await open(other), other, [0])
    expect(await cache.stats()).toMatchObject({ usedBytes: 500 * blockBytes, segments: 500, evictions: 1 })
    expect(await readdir(dataDir)).not.toContain(oldest.info.infoHash)
    expect(storedBytes(dataDir)).toBe(500 * blockBytes)
  })
})
