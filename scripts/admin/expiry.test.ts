import { expect, test } from 'vitest'
import { readExpiry } from './expiry.ts'

const now = new Date('2030-01-10T12:00:00.000Z')

test.each([
  ['1', '2030-01-11T12:00:00.000Z'],
  ['90', '2030-04-10T12:00:00.000Z'],
  ['3650', '2040-01-08T12:00:00.000Z'],
  // a key made in the morning for today still works in the evening
  ['2030-01-10', '2030-01-10T23:59:59.999Z'],
  ['2032-02-29', '2032-02-29T23:59:59.999Z'],
])('%s is %s', (given, end) => {
  expect(readExpiry(given, now).toISOString()).toBe(end)
})

test.each(['0', '3651', '99999', '-1', '1.5', '', 'never', '2030-01-09', '2041-01-01', '2031-02-29', '2030-13-01', '2030-1-1', '2030-01-11T00:00:00Z'])('%s is refused', (given) => {
  expect(() => readExpiry(given, now)).toThrow(/^--expires must/)
})
