import { expect, test } from 'vitest'
import { isPeerPort, isTrackerPort } from './ports.ts'

test.each([6881, 51_413, 1024, 65_535, 6969])('%d may be a peer’s, or a tracker’s', (port) => {
  expect([isPeerPort(port), isTrackerPort(port)]).toEqual([true, true])
})

test.each([80, 443, 8080])('%d is a tracker’s, and no peer’s', (port) => {
  expect([isPeerPort(port), isTrackerPort(port)]).toEqual([false, true])
})

test.each([-1, 0, 0.5, NaN, 65_536, 2 ** 32 + 6881, 7, 19, 22, 25, 53, 123, 445, 1023, 1433, 3306, 3389, 5432, 6379, 9200, 11_211, 27_017])('%d is neither’s', (port) => {
  expect([isPeerPort(port), isTrackerPort(port)]).toEqual([false, false])
})
