import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bufferedStretches, missingBytes } from './buffered.ts'

describe('stretches of a file that are there', () => {
  test.each<[string, number[], { offset: number; lengthBytes: number }, [number, number][]]>([
    ['none', [], { offset: 0, lengthBytes: 95 }, []],
    ['all, the last piece being short', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], { offset: 0, lengthBytes: 95 }, [[0, 95]]],
    ['two apart', [0, 1, 4], { offset: 0, lengthBytes: 95 }, [[0, 20], [40, 50]]],
    ['the end', [9], { offset: 0, lengthBytes: 95 }, [[90, 95]]],
    ['a piece shared with the file before', [1], { offset: 15, lengthBytes: 30 }, [[0, 5]]],
    ['a piece shared with the file behind', [4], { offset: 15, lengthBytes: 30 }, [[25, 30]]],
    ['pieces of other files', [0, 5], { offset: 15, lengthBytes: 30 }, []],
    ['a file within one piece', [2], { offset: 22, lengthBytes: 3 }, [[0, 3]]],
    ['an empty file', [0], { offset: 5, lengthBytes: 0 }, []],
  ])('%s', (_what, pieces, file, expected) => {
    expect(bufferedStretches((piece) => pieces.includes(piece), file, 10, 100)).toEqual(expected.map(([start, end]) => ({ start, end })))
  })

  test('of too many, the longest, in order', () => {
    expect(bufferedStretches((piece) => [0, 2, 3, 5, 6, 7, 9].includes(piece), { offset: 0, lengthBytes: 100 }, 10, 2)).toEqual([{ start: 20, end: 40 }, { start: 50, end: 80 }])
  })

  test('hold exactly the bytes whose pieces are there', () => {
    const file = fc.record({ offset: fc.nat(60), lengthBytes: fc.nat(60) })
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(12)), file, fc.integer({ min: 1, max: 15 }), (pieces, { offset, lengthBytes }, pieceLength) => {
        const stretches = bufferedStretches((piece) => pieces.includes(piece), { offset, lengthBytes }, pieceLength, 100)
        for (let byte = 0; byte < lengthBytes; byte += 1) {
          const inside = stretches.some(({ start, end }) => byte >= start && byte < end)
          expect(inside).toBe(pieces.includes(Math.floor((offset + byte) / pieceLength)))
          expect(missingBytes(stretches, byte, byte + 1)).toBe(inside ? 0 : 1)
        }
      }),
    )
  })
})
