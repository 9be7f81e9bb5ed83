import { expect, test } from 'vitest'
import { formatAgo, formatBytes, formatCount, formatDuration, formatExact } from './format.ts'

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1_000, '1.0 kB'],
  [1_449, '1.4 kB'],
  [99_950, '100.0 kB'],
  [734_003_200, '734 MB'],
  [999_960_000, '1.0 GB'],
  [1_400_000_000, '1.4 GB'],
  [5e15, '5.0 PB'],
  [9e18, '9000 PB'],
])('%d bytes are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text)
})

test.each([
  [0.2, '0:00'],
  [3.6, '0:04'],
  [59.6, '1:00'],
  [3_599.4, '59:59'],
  [3_599.6, '1:00:00'],
  [5_825.4, '1:37:05'],
  [360_000, '100:00:00'],
])('%d seconds are %s', (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text)
})

test.each([
  ['2025-11-20T12:00:00.000Z', 'just now'],
  ['2025-11-20T11:59:01.000Z', 'just now'],
  ['2025-11-20T12:00:30.000Z', 'just now'],
  ['2025-11-20T11:58:59.000Z', '1 minute ago'],
  ['2025-11-20T09:00:00.000Z', '3 hours ago'],
  ['2025-11-19T11:00:00.000Z', 'yesterday'],
  ['2025-11-01T12:00:00.000Z', '2 weeks ago'],
  ['2023-11-01T12:00:00.000Z', '2 years ago'],
  ['2025-11-20T13:30:00.000Z', 'in 1 hour'],
])('%s is %s', (at, text) => {
  expect(formatAgo(at, '2025-11-20T12:00:00.000Z')).toBe(text)
})

test('an exact time is in UTC, wherever it is rendered', () => {
  expect(formatExact('2025-11-20T23:59:08.123Z')).toBe('20 November 2025, 23:59:08 UTC')
})

test.each([
  [0, '0 files'],
  [1, '1 file'],
  [1204, '1,204 files'],
])('%d: %s', (count, text) => {
  expect(formatCount(count, 'file')).toBe(text)
})
