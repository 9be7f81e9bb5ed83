import fc from 'fast-check'
import { expect, it, test } from 'vitest'
import type { TorrentInfo } from '../lib/torrent.ts'
import { byUrgency, heldBy, tailOf, windowOf } from './window.ts'

const MiB = 1024 * 1024

function torrentOf(pieceLength: number, ...lengths: number[]): TorrentInfo {
  let offset = 0
  const files = lengths.map((lengthBytes, index) => {
    const file = { index, path: `${index}`, lengthBytes, offset, padding: false }
    offset += lengthBytes
    return file
  })
  return { infoHash: '0'.repeat(40), infoBytes: new Uint8Array(), name: 'x', pieceLength, pieceHashes: new Uint8Array(Math.ceil(offset / pieceLength) * 20), files, sizeBytes: offset, private: false }
}

const film = torrentOf(MiB, 8000 * MiB)
const reading = (start: number, position = start, next = start, end = 8000 * MiB) => ({ id: 1, fileIndex: 0, start: -1, end, position, next })

test.each([
  ['at the start', reading(0), { from: 0, to: 7 }],
  ['where a seek went', reading(4000 * MiB), { from: 4000, to: 4007 }],
  ['inside a piece', reading(4000 * MiB + 5), { from: 4000, to: 4008 }],
  ['however much lies ready', reading(0, 3 * MiB, 9 * MiB), { from: 3, to: 10 }],
  ['ahead of what it has', reading(0, 9 * MiB, 3 * MiB), { from: 3, to: 16 }],
  ['at the end', reading(7999 * MiB), { from: 7999, to: 7999 }],
  ['at the end, of one that has read it all', reading(8000 * MiB), { from: 7999, to: 7999 }],
  ['no further than the range', reading(0, 0, 0, 2 * MiB), { from: 0, to: 1 }],
])('%s', (_where, reader, expected) => expect(windowOf(reader, film, 16 * MiB)).toEqual(expected))

test.each([
  ['half a minute of play', 500_000, { from: 0, to: 14 }],
  ['no more than is allowed, however fast it plays', 5_000_000, { from: 0, to: 15 }],
  ['enough for a reader faster than play, however slowly it plays', 2_000, { from: 0, to: 3 }],
])('at a known rate: %s', (_what, bytesPerSecond, expected) => expect(windowOf({ ...reading(0), bytesPerSecond }, film, 16 * MiB)).toEqual(expected))

test('until a reader has got something, its window is small', () => {
  expect(windowOf({ ...reading(4 * MiB), start: 4 * MiB }, film, 16 * MiB)).toEqual({ from: 4, to: 5 })
  expect(windowOf({ ...reading(0), start: 0 }, torrentOf(MiB / 4, 640 * MiB), 16 * MiB)).toEqual({ from: 0, to: 3 })
})

test('a small file has a small window, large pieces at least two', () => {
  expect(windowOf(reading(0, 0, 0, 64 * MiB), torrentOf(MiB, 64 * MiB), 16 * MiB)).toEqual({ from: 0, to: 3 })
  expect(windowOf(reading(0, 0, 0, 640 * MiB), torrentOf(32 * MiB, 640 * MiB), 16 * MiB)).toEqual({ from: 0, to: 1 })
})

test('what a reader holds is its window and what it was told is there, from where it stands', () => {
  expect(heldBy(reading(0, 3 * MiB, 5 * MiB), film, 16 * MiB)).toEqual({ from: 3, to: 10 })
  expect(heldBy(reading(0, 3 * MiB, 20 * MiB), film, 16 * MiB)).toEqual({ from: 3, to: 19 })
  expect(heldBy(reading(0, 3 * MiB, 20 * MiB + 1), film, 16 * MiB)).toEqual({ from: 3, to: 20 })
})

test('several windows are fetched side by side, what they share once', () => {
  expect(byUrgency([{ from: 5, to: 8 }, { from: 7, to: 8 }, { from: 0, to: 0 }])).toEqual([5, 7, 0, 6, 8])
  expect(byUrgency([])).toEqual([])
  expect(byUrgency([{ from: 0, to: 5 }], [90, 91])).toEqual([0, 1, 2, 3, 90, 91, 4, 5])
  expect(byUrgency([{ from: 0, to: 1 }], [90, 91])).toEqual([0, 1, 90, 91])
})

test.each([
  ['a film read from its start has one', 'film.MP4', reading(0), { from: 7999, to: 7999 }],
  ['not once it is read from elsewhere', 'film.mp4', { ...reading(0), start: 1 }, null],
  ['nor when its start alone is asked for', 'film.mp4', reading(0, 0, 0, 4 * MiB), null],
  ['nor when it has been read for a while', 'film.mp4', reading(0, 8 * MiB + 1), null],
  ['nor has a file of another kind', 'film.ts', reading(0), null],
])('the tail: %s', (_what, path, reader, expected) => {
  expect(tailOf({ ...reader, start: reader.start === -1 ? 0 : reader.start }, { ...film, files: film.files.map((file) => ({ ...file, path })) })).toEqual(expected)
})

it('lies inside the torrent, begins where the reader stands, and is bounded, for every reader', () => {
  fc.assert(fc.property(
    fc.constantFrom(1024, 16_384, MiB), fc.array(fc.nat(64 * MiB), { minLength: 1, maxLength: 5 }), fc.nat(4), fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 16 * MiB }), fc.option(fc.integer({ min: 1, max: 10_000_000 }), { nil: undefined }),
    (pieceLength, lengths, at, part, mostBytes, bytesPerSecond) => {
      const info = torrentOf(pieceLength, ...lengths)
      const file = info.files[at % info.files.length]
      if (!file || file.lengthBytes === 0) return
      const position = Math.floor(part * (file.lengthBytes - 1))
      const window = windowOf({ id: 1, fileIndex: file.index, start: -1, end: file.lengthBytes, position, next: position, bytesPerSecond }, info, mostBytes)
      expect(window.from).toBe(Math.floor((file.offset + position) / pieceLength))
      expect(window.to).toBeGreaterThanOrEqual(window.from)
      expect(window.to).toBeLessThan(info.pieceHashes.length / 20)
      expect((window.to - window.from - 1) * pieceLength).toBeLessThanOrEqual(Math.max(mostBytes, 2 * pieceLength))
    },
  ))
})
