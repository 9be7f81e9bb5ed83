import fc from 'fast-check'
import { expect, test } from 'vitest'
import { line, paragraphs, paging } from './zod.ts'
import { z } from 'zod'

const refuses = (schema: z.ZodType, value: unknown) => !schema.safeParse(value).success

test.each([
  ['a NUL', 'a\u0000b'],
  ['a line break', 'a\nb'],
  ['a carriage return', 'a\rb'],
  ['an escape', 'a\u001b[31mb'],
  ['DEL', 'a\u007fb'],
  ['a C1 control', 'a\u0085b'],
  ['a right-to-left override', 'a\u202eb'],
  ['an isolate', 'a\u2066b'],
  ['a right-to-left mark', 'a\u200fb'],
])('one line of text refuses %s', (_what, text) => {
  expect(refuses(line(80), text)).toBe(true)
})

test('one line takes every script as it is', () => {
  for (const text of ['Zoë', '日本語', 'العربية', '👩‍👩‍👧', ' padded ', '<b>&"\'']) expect(line(80).parse(text)).toBe(text)
  expect(refuses(line(3), 'four')).toBe(true)
  expect(refuses(line(3), '')).toBe(true)
})

test('paragraphs may break lines, and nothing else', () => {
  expect(paragraphs(80).parse('a\r\n\tb\n')).toBe('a\r\n\tb\n')
  for (const text of ['a\u0000', 'a\u000b', 'a\u202e', 'a\u001b']) expect(refuses(paragraphs(80), text)).toBe(true)
})

test('whatever text passes as a line holds no control character', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }), (text) => {
      if (!refuses(line(60), text)) expect(text).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u)
    }),
  )
})

test.each([0, 101, 1.5, -1, '20', null, Number.NaN, true])('a limit of %j is refused, not bent', (limit) => {
  expect(refuses(z.strictObject(paging), { limit })).toBe(true)
})
test('a limit is 20 where none is given', () => {
  expect(z.strictObject(paging).parse({})).toEqual({ limit: 20 })
})
