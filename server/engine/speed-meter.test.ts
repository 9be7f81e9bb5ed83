import { expect, test } from 'vitest'
import { speedMeter } from './speed-meter.ts'

function meterAt(start = 1_234_567) {
  let now = start
  const speed = speedMeter(() => now)
  return { speed, wait: (ms: number) => { now += ms } }
}

test('a steady flow is its rate, from the first second on', () => {
  const { speed, wait } = meterAt()
  for (let second = 0; second < 8; second += 1) {
    for (let tenth = 0; tenth < 10; tenth += 1) {
      speed(1_000)
      wait(100)
    }
    expect(speed()).toBeGreaterThan(8_500)
    expect(speed()).toBeLessThan(11_500)
  }
})

test('what lies more than five seconds back does not count', () => {
  const { speed, wait } = meterAt()
  speed(1_000_000)
  wait(4_900)
  expect(speed()).toBe(200_000)
  wait(200)
  expect(speed()).toBe(0)
  wait(1_000_000)
  expect(speed(500)).toBe(100)
})
