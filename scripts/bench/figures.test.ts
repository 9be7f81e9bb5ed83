import { expect, test } from 'vitest'
import { latency, median, percentile, table } from './figures.ts'

test('percentiles are samples that were measured, by nearest rank', () => {
  const samples = Array.from({ length: 100 }, (_, index) => 100 - index)
  expect(percentile(samples, 0.5)).toBe(50)
  expect(percentile(samples, 0.99)).toBe(99)
  expect(percentile(samples, 1)).toBe(100)
  expect(median([3])).toBe(3)
  expect(median([])).toBeNaN()
  expect(samples[0]).toBe(100)
})

test('a table lines up its columns', () => {
  expect(latency([1, 2, 300])).toBe('p50 2.00 ms, p99 300 ms')
  expect(table([{ what: 'a', value: '1 ms' }, { what: 'bcd', value: '2 ms', beside: '4 ms', ratio: '0.50' }]).split('\n')).toEqual([
    'measured  value  beside it  ratio',
    'a         1 ms',
    'bcd       2 ms   4 ms       0.50',
  ])
})
