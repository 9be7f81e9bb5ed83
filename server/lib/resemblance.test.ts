import { expect, test } from 'vitest'
import { resembles } from './resemblance.ts'

test.each([
  ['ada.lovelace', 'ada.lovelace'],
  ['Ada-Lovelace-1815', 'ada.lovelace'],
  ['4d4 L0v3l4c3!!', 'ada.lovelace'],
  ['ecalevol.ada12', 'ada.lovelace'],
  ['Ádà Lövelacé x', 'ada.lovelace'],
  ['lovelovelove', 'love'],
  ['lovelace', 'countess.lovelace.of.london'],
])('%s is little more than %s', (password, known) => {
  expect(resembles(password, known)).toBe(true)
})

test.each([
  ['correct horse battery staple', 'ada.lovelace'],
  ['savannah breeze over oxygen', 'anna'],
  ['ada and four other words here', 'ada'],
  ['!!!!????####', 'ada.lovelace'],
  ['anything at all', ''],
])('%s is not made of %s', (password, known) => {
  expect(resembles(password, known)).toBe(false)
})
