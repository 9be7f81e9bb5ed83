import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { buildInfo, pieceLengthFor } from './new-torrent.ts'
import { buildTorrentFile, parseInfo, parseTorrentFile, torrentLimits } from './torrent.ts'

const [KiB, MiB, GiB] = [1024, 1024 ** 2, 1024 ** 3]

describe('the length of pieces', () => {
  test.each([
    [1, 64 * KiB],
    [128 * MiB, 64 * KiB],
    [128 * MiB + 1, 128 * KiB],
    [512 * MiB, 256 * KiB],
    [GiB, 512 * KiB],
    [GiB + 1, MiB],
    [4 * GiB, MiB],
    [32 * GiB, MiB],
    [32 * GiB + 1, 2 * MiB],
    [1024 * GiB, 32 * MiB],
    [100 * 1024 * GiB, 64 * MiB],
    [null, MiB],
  ])('of %s bytes is %i', (size, length) => {
    expect(pieceLengthFor(size)).toBe(length)
  })

  test('never makes a torrent that we would refuse to read', () => {
    for (let size = 1; size < 2 * 1024 * GiB; size *= 3) {
      expect(pieceLengthFor(size)).toBeLessThanOrEqual(torrentLimits.maxPieceLength)
      expect(Math.ceil(size / pieceLengthFor(size)) * 20).toBeLessThan(torrentLimits.fileBytes / 2)
    }
  })
})

describe('an info dictionary', () => {
  const pieceHashes = createHash('sha1').update('a piece').digest()
  const base = { name: 'Ein Film – été', sizeBytes: 10, pieceLength: 64 * KiB, pieceHashes, private: false }

  test('of one file is read as it was written', () => {
    expect(parseInfo(buildInfo({ ...base, files: null }))).toMatchObject({ name: base.name, pieceLength: 64 * KiB, private: false, sizeBytes: 10, files: [{ path: base.name, lengthBytes: 10 }] })
  })

  test('of a folder keeps the order and the empty files', () => {
    const files = [{ path: ['b', 'film.mp4'], lengthBytes: 10 }, { path: ['a.txt'], lengthBytes: 0 }]
    const { files: read, ...info } = parseInfo(buildInfo({ ...base, files, private: true }))
    expect(info).toMatchObject({ private: true })
    expect(read).toMatchObject([{ path: 'b/film.mp4', lengthBytes: 10 }, { path: 'a.txt', lengthBytes: 0 }])
  })

  test('goes out with trackers and web seeds around it, which do not change its hash', () => {
    const info = buildInfo({ ...base, files: null })
    const [bare, dressed] = [parseTorrentFile(buildTorrentFile(info, [])), parseTorrentFile(buildTorrentFile(info, ['http://tracker.example/announce'], ['https://example.org/web-seed/x/']))]
    expect(dressed).toMatchObject({ infoHash: bare.infoHash, trackers: ['http://tracker.example/announce'], webSeeds: ['https://example.org/web-seed/x/'] })
    expect(bare).toMatchObject({ trackers: [], webSeeds: [] })
  })
})
