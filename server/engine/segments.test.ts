import fc from 'fast-check'
import { expect, it } from 'vitest'
import { segmentBytes, segmentName, segmentOfName, segmentPath, segmentSpans } from './segments.ts'

const infoHash = '0123456789abcdef0123456789abcdef01234567'

it('covers any stretch of a file once, in order, within segments', () => {
  fc.assert(fc.property(fc.nat(5), fc.maxSafeNat().map((n) => Math.floor(n / 2)), fc.nat(200 * 1024 * 1024), (fileIndex, offset, length) => {
    let at = offset
    for (const span of segmentSpans(infoHash, { fileIndex, offset, length })) {
      const segment = Math.floor(at / segmentBytes)
      expect(span.path).toBe(segmentPath(infoHash, fileIndex, segment))
      expect(segment * segmentBytes + span.offset).toBe(at)
      expect(span.length).toBeGreaterThan(0)
      expect(span.offset + span.length).toBeLessThanOrEqual(segmentBytes)
      at += span.length
    }
    expect(at).toBe(offset + length)
  }))
})

it('names nothing but by number', () => {
  expect(segmentSpans(infoHash, { fileIndex: 3, offset: segmentBytes - 1, length: 2 })).toEqual([
    { path: `${infoHash}/3-0`, fileIndex: 3, segment: 0, offset: segmentBytes - 1, length: 1 },
    { path: `${infoHash}/3-1`, fileIndex: 3, segment: 1, offset: 0, length: 1 },
  ])
})

it('knows its own names, and no others', () => {
  for (const segment of [{ fileIndex: 0, segment: 0 }, { fileIndex: 9_999, segment: 268_435_455 }]) expect(segmentOfName(segmentName(segment))).toEqual(segment)
  for (const name of ['verified', '0-0.times', '-1-0', '0-', '123456-0', '0x1-0']) expect(segmentOfName(name)).toBeNull()
})
