import fc from 'fast-check'
import { expect, it, test } from 'vitest'
import type { TorrentInfo } from '../lib/torrent.ts'
import { windowOf } from './window.ts'

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
const reading = (start: number, position = start, next = start, end = 8000 * MiB) => ({ id: 1, fileIndex: 0, end, position, next })

test.each([
  ['at the start', reading(0), { head: 0, from: 0, to: 15 }],
  ['where a seek went', reading(4000 * MiB), { head: 4000, from: 4000, to: 4015 }],
  ['inside a piece', reading(4000 * MiB + 5), { head: 4000, from: 4000, to: 4016 }],
  ['ahead of the reader', reading(0, 3 * MiB, 9 * MiB), { head: 9, from: 3, to: 18 }],
  ['at the end', reading(7999 * MiB), { head: 7999, from: 7999, to: 7999 }],
  ['no further than the range', reading(0, 0, 0, 2 * MiB), { head: 0, from: 0, to: 1 }],
  ['nothing when all ahead is there', reading(0, 0, 16 * MiB), null],
  ['nothing when the range is', reading(0, 0, 8000 * MiB), null],
])('%s', (_where, reader, expected) => expect(windowOf(reader, film, 16 * MiB)).toEqual(expected))

test('a small file has a small window, large pieces at least two', () => {
  expect(windowOf(reading(0, 0, 0, 64 * MiB), torrentOf(MiB, 64 * MiB), 16 * MiB)).toEqual({ head: 0, from: 0, to: 3 })
  expect(windowOf(reading(0, 0, 0, 640 * MiB), torrentOf(32 * MiB, 640 * MiB), 16 * MiB)).toEqual({ head: 0, from: 0, to: 1 })
})

it('lies inside the torrent, covers what the reader waits for, and is bounded, for every reader', () => {
  fc.assert(fc.property(
    fc.constantFrom(1024, 16_384, MiB), fc.array(fc.nat(64 * MiB), { minLength: 1, maxLength: 5 }), fc.nat(4), fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 16 * MiB }),
    (pieceLength, lengths, at, one, other, mostBytes) => {
      const info = torrentOf(pieceLength, ...lengths)
      const file = info.files[at % info.files.length]
      if (!file || file.lengthBytes === 0) return
      const [position, next] = [Math.floor(one * (file.lengthBytes - 1)), Math.floor(other * (file.lengthBytes - 1))].sort((a, b) => a - b)
      if (position === undefined || next === undefined) return
      const window = windowOf({ id: 1, fileIndex: file.index, end: file.lengthBytes, position, next }, info, mostBytes)
      if (!window) {
        expect(next).toBeGreaterThan(position) // never null for one who has nothing yet
        return
      }
      expect(window.head).toBe(Math.floor((file.offset + next) / pieceLength))
      expect(window.from).toBeLessThanOrEqual(window.head)
      expect(window.to).toBeGreaterThanOrEqual(window.head)
      expect(window.to).toBeLessThan(info.pieceHashes.length / 20)
      expect((window.to - window.from - 1) * pieceLength).toBeLessThanOrEqual(Math.max(mostBytes, 2 * pieceLength))
    },
  ))
})
