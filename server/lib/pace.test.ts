import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createPace } from './pace.ts'

test('bytes go at once for the burst, then at the pace; a rest gives the burst back', () => {
  const pace = createPace(1_000)
  expect([pace(4_000, 0), pace(1_000, 0), pace(1_000, 0)]).toEqual([0, 0, 1_000])
  expect([pace(4_000, 60_000), pace(2_000, 60_000), pace(500, 60_000)]).toEqual([0, 0, 2_000])
})

test('over any time no more goes than the pace, the burst and the last chunk', () => {
  fc.assert(fc.property(fc.integer({ min: 1_000, max: 1_000_000 }), fc.array(fc.tuple(fc.integer({ min: 1, max: 2_000_000 }), fc.nat(10_000)), { minLength: 1, maxLength: 50 }), (rate, steps) => {
    const pace = createPace(rate)
    let [now, sent] = [0, 0]
    for (const [bytes, idle] of steps) {
      now += idle
      now += pace(bytes, now)
      expect(sent).toBeLessThanOrEqual((rate * (now + 4_000)) / 1000 + 1)
      sent += bytes
    }
  }))
})
