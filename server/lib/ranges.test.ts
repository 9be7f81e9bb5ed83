import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { contentRange, ifRangeMatches, lengthOf, maxRanges, multipartLayout, selectRanges, unsatisfiedContentRange } from './ranges.ts'

const etag = '"abc"'
const ask = (range: string | undefined, sizeBytes = 1000, extra: { method?: string; ifRange?: string } = {}) =>
  selectRanges({ method: extra.method ?? 'GET', range, ifRange: extra.ifRange, etag, sizeBytes })
const partial = (...pairs: [number, number][]) => ({ kind: 'partial', ranges: pairs.map(([start, end]) => ({ start, end })) })
const full = { kind: 'full' }
const unsatisfiable = { kind: 'unsatisfiable' }

test.each<[string, string | undefined, unknown]>([
  ['no field', undefined, full],
  ['the first byte', 'bytes=0-0', partial([0, 0])],
  ['a middle', 'bytes=200-299', partial([200, 299])],
  ['the last byte', 'bytes=999-999', partial([999, 999])],
  ['open', 'bytes=500-', partial([500, 999])],
  ['everything, open', 'bytes=0-', partial([0, 999])],
  ['end clamped', 'bytes=900-5000', partial([900, 999])],
  ['end clamped beyond 2^53', 'bytes=900-99999999999999999999999', partial([900, 999])],
  ['suffix', 'bytes=-100', partial([900, 999])],
  ['suffix longer than the file', 'bytes=-5000', partial([0, 999])],
  ['suffix beyond 2^53', 'bytes=-99999999999999999999', partial([0, 999])],
  ['suffix of nothing', 'bytes=-0', unsatisfiable],
  ['start at the end', 'bytes=1000-', unsatisfiable],
  ['start beyond the end', 'bytes=1001-1002', unsatisfiable],
  ['start beyond 2^53', 'bytes=99999999999999999998-99999999999999999999', unsatisfiable],
  ['leading zeros are digits', 'bytes=0007-0009', partial([7, 9])],
  ['two', 'bytes=0-9,20-29', partial([0, 9], [20, 29])],
  ['two that touch', 'bytes=0-9,10-19', partial([0, 9], [10, 19])],
  ['a range and a suffix', 'bytes=0-9,-10', partial([0, 9], [990, 999])],
  ['five', 'bytes=0-0,2-2,4-4,6-6,8-8', partial([0, 0], [2, 2], [4, 4], [6, 6], [8, 8])],
  ['six', 'bytes=0-0,2-2,4-4,6-6,8-8,10-10', unsatisfiable],
  ['six of which five cannot be met', 'bytes=0-0,2000-,2000-,2000-,2000-,2000-', unsatisfiable],
  ['a thousand', `bytes=${Array.from({ length: 1000 }, (_, i) => `${i}-${i}`).join(',')}`, unsatisfiable],
  ['one of two cannot be met', 'bytes=0-9,2000-2001', partial([0, 9])],
  ['none of two can be met', 'bytes=1000-,2000-', unsatisfiable],
  ['overlapping', 'bytes=0-9,5-14', unsatisfiable],
  ['overlapping by one byte', 'bytes=0-9,9-14', unsatisfiable],
  ['overlapping once clamped', 'bytes=990-,-5', unsatisfiable],
  ['the same twice', 'bytes=0-9,0-9', unsatisfiable],
  ['descending', 'bytes=20-29,0-9', unsatisfiable],
  ['white space and empty elements', 'bytes= 0-9 ,, ,\t20-29,', partial([0, 9], [20, 29])],
  ['the unit in capitals', 'BYTES=0-9', partial([0, 9])],
  ['another unit', 'items=0-9', full],
  ['no unit', '0-9', full],
  ['empty', '', full],
  ['nothing after the unit', 'bytes=', full],
  ['only commas', 'bytes=,,', full],
  ['only a dash', 'bytes=-', full],
  ['end before start', 'bytes=9-5', full],
  ['end before start, beyond 2^53', 'bytes=99999999999999999999-99999999999999999998', full],
  ['one malformed among good ones', 'bytes=0-9,x-y', full],
  ['letters', 'bytes=a-b', full],
  ['no dash', 'bytes=5', full],
  ['two dashes', 'bytes=0-5-9', full],
  ['negative', 'bytes=--5', full],
  ['signed', 'bytes=+0-5', full],
  ['a fraction', 'bytes=0.5-9', full],
  ['hexadecimal', 'bytes=0x0-0x9', full],
  ['an exponent', 'bytes=1e2-', full],
  ['space inside', 'bytes=0 -9', full],
  ['other digits', 'bytes=٠-٩', full],
])('%s: %s', (_name, range, expected) => {
  expect(ask(range)).toEqual(expected)
})

describe('an empty file', () => {
  test.each([['bytes=0-', unsatisfiable], ['bytes=0-0', unsatisfiable], ['bytes=-0', unsatisfiable], ['bytes=-1', full], [undefined, full]])('%s', (range, expected) => {
    expect(ask(range, 0)).toEqual(expected)
  })
})

describe('the largest file', () => {
  const size = Number.MAX_SAFE_INTEGER
  test.each([
    ['bytes=-1', partial([size - 1, size - 1])],
    [`bytes=${size - 1}-`, partial([size - 1, size - 1])],
    [`bytes=${size}-`, unsatisfiable],
    [`bytes=0-${size + 1}`, partial([0, size - 1])],
  ])('%s', (range, expected) => expect(ask(range, size)).toEqual(expected))
})

it('knows no ranges but for GET', () => {
  expect(ask('bytes=0-9', 1000, { method: 'HEAD' })).toEqual(full)
  expect(ask('bytes=5000-', 1000, { method: 'HEAD' })).toEqual(full)
})

test.each<[string, boolean]>([
  ['"abc"', true],
  [' "abc" ', true],
  ['W/"abc"', false],
  ['"ABC"', false],
  ['"other"', false],
  ['abc', false],
  ['*', false],
  ['"abc", "other"', false],
  ['Sat, 29 Oct 1994 19:43:31 GMT', false],
  ['', false],
])('If-Range %s', (field, matches) => {
  expect(ifRangeMatches(field, etag)).toBe(matches)
  expect(ask('bytes=0-9', 1000, { ifRange: field })).toEqual(matches ? partial([0, 9]) : full)
  expect(ask('bytes=1000-', 1000, { ifRange: field })).toEqual(matches ? unsatisfiable : full)
})

test('a weak current tag never matches, not even itself', () => {
  expect(ifRangeMatches('W/"abc"', 'W/"abc"')).toBe(false)
})

describe('for every field and size', () => {
  const size = fc.oneof(fc.integer({ min: 0, max: 50 }), fc.maxSafeNat())
  const spec = fc.oneof(
    fc.tuple(fc.nat(60), fc.nat(60)).map(([a, b]) => `${a}-${b}`),
    fc.maxSafeNat().map((n) => `${n}-`),
    fc.maxSafeNat().map((n) => `-${n}`),
    fc.string({ maxLength: 5 }),
  )
  const field = fc.oneof(fc.string(), fc.array(spec, { maxLength: 8 }).map((specs) => `bytes=${specs.join(',')}`))

  it('what is selected lies inside the file, ascends, does not overlap and is at most five', () => {
    fc.assert(fc.property(field, size, (range, sizeBytes) => {
      const selection = ask(range, sizeBytes)
      if (selection.kind !== 'partial') return
      expect(selection.ranges.length).toBeLessThanOrEqual(maxRanges)
      let next = 0
      for (const { start, end } of selection.ranges) {
        expect(Number.isSafeInteger(start) && Number.isSafeInteger(end)).toBe(true)
        expect(start).toBeGreaterThanOrEqual(next)
        expect(end).toBeGreaterThanOrEqual(start)
        expect(end).toBeLessThan(sizeBytes)
        next = end + 1
      }
    }), { numRuns: 2000 })
  })

  it('one good range selects exactly what slice() would', () => {
    fc.assert(fc.property(fc.nat(60), fc.nat(60), fc.integer({ min: 1, max: 50 }), (a, b, sizeBytes) => {
      const bytes = Array.from({ length: sizeBytes }, (_, i) => i)
      const selection = ask(`bytes=${a}-${b}`, sizeBytes)
      const expected = b < a ? bytes : bytes.slice(a, b + 1)
      const got = selection.kind === 'full' ? bytes : selection.kind === 'partial' ? bytes.slice(selection.ranges[0].start, selection.ranges[0].end + 1) : []
      expect(got).toEqual(expected)
    }))
  })
})

test('the fields of an answer', () => {
  expect(contentRange({ start: 0, end: 9 }, 1000)).toBe('bytes 0-9/1000')
  expect(unsatisfiedContentRange(1000)).toBe('bytes */1000')
  expect(lengthOf({ start: 0, end: 0 })).toBe(1)
})

test('a multipart body is as long as it says', () => {
  const ranges = [{ start: 0, end: 9 }, { start: 20, end: 24 }]
  const layout = multipartLayout(ranges, 1000, 'video/mp4', 'frontier')
  const body = ranges.map((range, i) => `${layout.heads[i]}${'x'.repeat(lengthOf(range))}`).join('') + layout.tail
  expect(Buffer.byteLength(body)).toBe(layout.contentLength)
  expect(layout.contentType).toBe('multipart/byteranges; boundary=frontier')
  expect(body.startsWith('--frontier\r\nContent-Type: video/mp4\r\nContent-Range: bytes 0-9/1000\r\n\r\nxxxxxxxxxx\r\n--frontier\r\n')).toBe(true)
  expect(body.endsWith('\r\n--frontier--\r\n')).toBe(true)
})
