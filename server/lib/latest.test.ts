import { expect, test } from 'vitest'
import { Latest } from './latest.ts'

test('keeps the latest, each once', () => {
  const kept = new Latest<number>(3)
  for (const number of [1, 2, 3, 1, 4]) kept.add(number)
  expect([1, 2, 3, 4].filter((number) => kept.has(number))).toEqual([1, 3, 4])
  kept.delete(3)
  kept.add(5)
  expect([1, 2, 3, 4, 5].filter((number) => kept.has(number))).toEqual([1, 4, 5])
  for (let number = 0; number < 1_000; number += 1) kept.add(number)
  expect(Array.from({ length: 1_000 }, (_, number) => number).filter((number) => kept.has(number))).toEqual([997, 998, 999])
})
