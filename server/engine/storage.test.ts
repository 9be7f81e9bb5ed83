import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encodeBencode } from '../lib/bencode.ts'
import { parseInfo, type TorrentInfo } from '../lib/torrent.ts'
import { generateBytes } from '../test/content.ts'
import { segmentBytes } from './segments.ts'
import { PieceStorage } from './storage.ts'

let dataDir: string
beforeEach(async () => { dataDir = await mkdtemp(join(tmpdir(), 'storage-')) })
afterEach(() => rm(dataDir, { recursive: true, force: true }))

/** A torrent of these files, and its bytes from end to end. */
function torrentOf(pieceLength: number, files: { length: number; padding?: boolean }[]): { info: TorrentInfo; bytes: Uint8Array; piece: (index: number) => Uint8Array } {
  const bytes = Buffer.concat(files.map(({ length, padding }, index) => (padding ? Buffer.alloc(length) : generateBytes(`storage ${index}`, 0, length))))
  const pieces = Array.from({ length: Math.ceil(bytes.length / pieceLength) }, (_, index) => bytes.subarray(index * pieceLength, (index + 1) * pieceLength))
  const info = parseInfo(encodeBencode(new Map<string, never>(Object.entries({
    files: files.map(({ length, padding }, index) => new Map<string, unknown>([['attr', padding ? 'p' : ''], ['length', length], ['path', [`f${index}`]]])),
    name: 'x',
    'piece length': pieceLength,
    pieces: Buffer.concat(pieces.map((piece) => createHash('sha1').update(piece).digest())),
  }) as [string, never][])))
  return { info, bytes, piece: (index) => pieces[index] ?? new Uint8Array() }
}

const several = () => torrentOf(1024, [{ length: 1500 }, { length: 0 }, { length: 100 }, { length: 448, padding: true }, { length: 3000 }])

async function filled(torrent: ReturnType<typeof torrentOf>): Promise<PieceStorage> {
  const storage = await PieceStorage.open(dataDir, torrent.info)
  for (let piece = 0; piece < storage.stored.pieces; piece += 1) await storage.write(piece, torrent.piece(piece))
  await storage.settled()
  return storage
}

describe('pieces', () => {
  it('are put together from files and read back, any part of them', async () => {
    const torrent = several()
    const storage = await filled(torrent)
    for (let piece = 0; piece < storage.stored.pieces; piece += 1) {
      expect(await storage.read(piece, 0, storage.pieceLength(piece))).toEqual(new Uint8Array(torrent.piece(piece)))
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
    const store = new (storage.chunkStore())(1024)
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
    const before = await PieceStorage.open(dataDir, torrent.info)
    await before.write(2, torrent.piece(2))
    await before.settled()
    const first = await PieceStorage.open(dataDir, torrent.info)
    await first.write(0, torrent.piece(0))
    await first.settled()
    const again = await PieceStorage.open(dataDir, torrent.info)
    expect([0, 1, 2, 3, 4].map((piece) => again.stored.has(piece))).toEqual([true, false, true, false, false])
  })

  it('pieces whose segment is gone or cut short are not', async () => {
    const torrent = several()
    const { folder } = await filled(torrent)
    await truncate(join(folder, '4-0'), 1500)
    await rm(join(folder, '2-0'))
    const again = await PieceStorage.open(dataDir, torrent.info)
    expect([0, 1, 2, 3, 4].map((piece) => again.stored.has(piece))).toEqual([true, false, true, false, false])
  })

  it('a piece that was changed on disk is found out, and struck for good', async () => {
    const torrent = several()
    const { folder } = await filled(torrent)
    const bytes = await readFile(join(folder, '4-0'))
    bytes.fill(0, 0, 10)
    await writeFile(join(folder, '4-0'), bytes)
    const again = await PieceStorage.open(dataDir, torrent.info)
    expect(await again.check(2)).toBe(false)
    expect(await again.check(3)).toBe(true)
    await again.settled()
    expect((await PieceStorage.open(dataDir, torrent.info)).stored.has(2)).toBe(false)
  })

  it('a map of another length means nothing', async () => {
    const torrent = several()
    const { folder } = await filled(torrent)
    await writeFile(join(folder, 'verified'), Buffer.alloc(500, 255))
    expect((await PieceStorage.open(dataDir, torrent.info)).stored.count()).toBe(0)
  })
})

it('is removed whole, and others stay', async () => {
  const one = await filled(several())
  const other = await filled(torrentOf(1024, [{ length: 10 }]))
  await PieceStorage.remove(dataDir, several().info.infoHash)
  expect(await readdir(dataDir)).toEqual([other.folder.slice(dataDir.length + 1)])
  expect(one.folder).not.toBe(other.folder)
})
