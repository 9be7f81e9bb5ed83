import { mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PieceMap } from '../lib/piece-map.ts'
import { damage } from '../test/damage.ts'
import { torrentOf, type LocalTorrent } from '../test/local-torrent.ts'
import { segmentBytes } from './segments.ts'
import { Cache } from './cache.ts'
import { chunkStoreOf } from './chunk-store.ts'
import { PieceStorage, type StorageOptions } from './storage.ts'

let dataDir: string
let cache: Cache
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'storage-'))
  cache = cacheOf()
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((storage) => storage.close()))
  await rm(dataDir, { recursive: true, force: true })
})
/** By this test, those included that it left as a killed process would. */
const opened: PieceStorage[] = []

const several = () => torrentOf(1024, [{ length: 1500 }, { length: 0 }, { length: 100 }, { length: 448, padding: true }, { length: 3000 }])

const cacheOf = () => new Cache({ dataDir, cacheBytes: 1024 ** 3, publishedBytes: 0, freeSpaceBytes: 0, onEvent: () => {} })

async function open({ info }: LocalTorrent, options: Partial<StorageOptions> = {}): Promise<PieceStorage> {
  const storage = await PieceStorage.open({ dataDir, info, cache, published: false, confirmed: new PieceMap(info.pieceHashes.length / 20), holds: () => false, promises: () => false, waitsFor: () => true, onLost: () => {}, ...options })
  opened.push(storage)
  return storage
}

const pieces = ({ stored }: PieceStorage) => Array.from({ length: stored.pieces }, (_, piece) => stored.has(piece))

/** As a new process would find it. */
async function openAnew(torrent: LocalTorrent): Promise<PieceStorage> {
  cache = cacheOf()
  return open(torrent)
}

async function filled(torrent: LocalTorrent): Promise<PieceStorage> {
  const storage = await open(torrent)
  for (let piece = 0; piece < storage.stored.pieces; piece += 1) await storage.write(piece, torrent.piece(piece))
  await storage.settled()
  return storage
}

describe('pieces', () => {
  it('are put together from files and read back, any part of them', async () => {
    const torrent = several()
    const storage = await filled(torrent)
    for (let piece = 0; piece < storage.stored.pieces; piece += 1) {
      expect(await storage.read(piece, 0, storage.lengthOf(piece))).toEqual(new Uint8Array(torrent.piece(piece)))
      expect(await storage.check(piece)).toBe(true)
    }
    expect(await storage.read(1, 400, 300)).toEqual(new Uint8Array(torrent.piece(1).subarray(400, 700)))
  })

  it('lie in files named by number, for their owner alone; padding and empty files take no room', async () => {
    const torrent = several()
    const storage = await filled(torrent)
    expect((await readdir(storage.folder)).sort()).toEqual(['0-0', '2-0', '4-0', 'verified'])
    expect(await readFile(join(storage.folder, '4-0'))).toEqual(Buffer.from(torrent.bytes.subarray(2048)))
    expect((await stat(storage.folder)).mode & 0o777).toBe(0o700)
    for (const name of await readdir(storage.folder)) expect((await stat(join(storage.folder, name))).mode & 0o777).toBe(0o600)
  })

  it('may cross from one segment to the next', async () => {
    const torrent = torrentOf(1024 * 1024, [{ length: 500_000 }, { length: segmentBytes + 600_000 }])
    const storage = await filled(torrent)
    expect((await readdir(storage.folder)).sort()).toEqual(['0-0', '1-0', '1-1', 'verified'])
    expect((await stat(join(storage.folder, '1-0'))).size).toBe(segmentBytes)
    const crossing = Math.floor((500_000 + segmentBytes) / (1024 * 1024))
    expect(await storage.check(crossing)).toBe(true)
    expect(Buffer.concat([await readFile(join(storage.folder, '1-0')), await readFile(join(storage.folder, '1-1'))]).equals(torrent.bytes.subarray(500_000))).toBe(true)
  })

  it('cannot be read beyond by a peer', async () => {
    const storage = await filled(several())
    const store = new (chunkStoreOf(storage))(1024)
    const get = (piece: number, offset: number, length: number) => new Promise((resolve, reject) => store.get(piece, { offset, length }, (error, bytes) => (error ? reject(error) : resolve(bytes?.length))))
    await expect(get(0, 0, 1024)).resolves.toBe(1024)
    for (const [piece, offset, length] of [[0, 1, 1024], [0, 1024, 1], [0, -1, 1], [4, 0, 1024], [99, 0, 1]] as const) {
      await expect(get(piece, offset, length)).rejects.toThrow('outside the piece')
    }
  })
})

describe('after a restart', () => {
  it('what was written is known', async () => {
    const torrent = several()
    const before = await openAnew(torrent)
    await before.write(2, torrent.piece(2))
    await before.settled()
    const first = await openAnew(torrent)
    await first.write(0, torrent.piece(0))
    await first.settled()
    const again = await openAnew(torrent)
    expect([0, 1, 2, 3, 4].map((piece) => again.stored.has(piece))).toEqual([true, false, true, false, false])
  })

  it.each([
    ['gone', (path: string) => rm(path)],
    ['cut short', (path: string) => truncate(path, 1500)],
    ['longer', (path: string) => truncate(path, 4000)],
    ['touched', (path: string) => utimes(path, 1, 1)],
    ['another', (path: string) => writeFile(path, Buffer.alloc(3000))],
  ])('pieces of a segment that is %s are not, others are', async (_what, change) => {
    const torrent = several()
    const before = await filled(torrent)
    await before.close()
    await change(join(before.folder, '4-0'))
    const again = await openAnew(torrent)
    expect(pieces(again)).toEqual([true, true, false, false, false])
    expect(again.holds({ fileIndex: 4, segment: 0 })).toBe(false)
  })

  it('of a segment that was being written, what it is long enough for is claimed, until its hash says otherwise', async () => {
    const torrent = several()
    const before = await open(torrent)
    for (const piece of [2, 3]) await before.write(piece, torrent.piece(piece))
    await before.settled() // and not closed: so a process is killed
    await truncate(join(before.folder, '4-0'), 1500)
    const again = await openAnew(torrent)
    expect(pieces(again)).toEqual([false, false, true, false, false])
  })

  it('a piece that was damaged on disk is found out, and struck for good', async () => {
    const torrent = several()
    const before = await filled(torrent)
    await before.close()
    await damage(join(before.folder, '4-0'), 0, 10)
    const again = await openAnew(torrent)
    expect(pieces(again)).toEqual([true, true, true, true, true])
    expect(await again.check(2)).toBe(false)
    expect(await again.check(3)).toBe(true)
    await again.settled()
    expect((await openAnew(torrent)).stored.has(2)).toBe(false)
  })

  it('a damaged piece is given to no peer, and reported', async () => {
    const torrent = several()
    const before = await filled(torrent)
    await before.close()
    await damage(join(before.folder, '4-0'), 0, 10)
    const lost: number[] = []
    cache = cacheOf()
    const again = await open(torrent, { onLost: (some) => lost.push(...some) })
    await expect(again.give(2, 500, 10)).rejects.toThrow('damaged')
    expect(await again.give(3, 0, 10)).toEqual(new Uint8Array(torrent.piece(3).subarray(0, 10)))
    expect(lost).toEqual([2])
  })

  it.each([
    ['of another length', () => Buffer.alloc(500, 255)],
    ['of another number of pieces', (map: Buffer) => Buffer.concat([map.subarray(0, 4), Buffer.from([0, 0, 0, 9]), map.subarray(8)])],
    ['cut short', (map: Buffer) => map.subarray(0, 40)],
    ['empty', () => Buffer.alloc(0)],
  ])('a map %s means nothing, and is replaced', async (_what, change) => {
    const torrent = several()
    const before = await filled(torrent)
    await before.close()
    await writeFile(join(before.folder, 'verified'), change(await readFile(join(before.folder, 'verified'))))
    const again = await openAnew(torrent)
    expect(again.stored.count()).toBe(0)
    await again.write(0, torrent.piece(0))
    await again.close()
    expect(pieces(await openAnew(torrent))).toEqual([true, false, false, false, false])
  })
})

describe('a segment that is being filled', () => {
  it('and is dropped between two pieces is made anew, not written where nobody finds it', async () => {
    const torrent = several()
    const storage = await open(torrent)
    await storage.write(3, torrent.piece(3))
    expect(await cache.evict(torrent.info.infoHash)).toBeGreaterThan(0)
    expect(storage.stored.has(3)).toBe(false)
    await storage.write(2, torrent.piece(2))
    expect(await storage.check(2)).toBe(true)
    expect((await stat(join(storage.folder, '4-0'))).size).toBe(1024)
  })

  it('and is deleted by others is found out by its hash, and comes anew', async () => {
    const torrent = several()
    const storage = await open(torrent)
    await storage.write(2, torrent.piece(2))
    await rm(storage.folder, { recursive: true })
    expect(await storage.check(2)).toBe(false)
    await storage.write(2, torrent.piece(2))
    expect(await storage.check(2)).toBe(true)
  })
})

it('is removed whole, and others stay', async () => {
  const one = await filled(several())
  const other = await filled(torrentOf(1024, [{ length: 10 }]))
  await one.close()
  await cache.remove(several().info.infoHash)
  expect(await readdir(dataDir)).toEqual([other.folder.slice(dataDir.length + 1)])
  expect(one.folder).not.toBe(other.folder)
})
