import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createCursors } from './cursors.ts'
import { Invalid } from './errors.ts'
import type { Keys, MacKey } from './keys.ts'

const macKey = (): MacKey => ({ id: 'k', secret: randomBytes(32) })
const keysOf = (...cursorKeys: MacKey[]): Pick<Keys, 'mac' | 'macs'> => ({
  macs: () => cursorKeys,
  mac: () => cursorKeys.at(-1) ?? macKey(),
})
const key = macKey()
const cursors = createCursors(keysOf(key))

test('a cursor gives back its values, whatever they are', () => {
  const value = fc.oneof(fc.string(), fc.integer(), fc.constant(null))
  fc.assert(
    fc.property(fc.string(), fc.array(value, { maxLength: 5 }), (list, values) => {
      const cursor = cursors.encode(list, values)
      expect(cursor).toMatch(/^[\w-]+$/)
      expect(cursors.decode(list, cursor)).toEqual(values)
    }),
  )
})

test('a cursor of another list, or of other filters, is refused', () => {
  const cursor = cursors.encode('latest', ['2026-01-01', 'id'])
  expect(() => cursors.decode('search', cursor)).toThrow(Invalid)
  expect(() => cursors.decode('latest?category=film', cursor)).toThrow(Invalid)
})

test('an altered, cut or invented cursor is refused by naming the field', () => {
  const cursor = cursors.encode('latest', ['2026-01-01', 'id'])
  const raw = Buffer.from(cursor, 'base64url')
  for (let at = 0; at < raw.length; at += 1) {
    const altered = Buffer.from(raw)
    altered[at] = (altered[at] ?? 0) ^ 0x20
    expect(() => cursors.decode('latest', altered.toString('base64url')), `byte ${at}`).toThrow(Invalid)
  }
  for (const invented of ['', 'x', 'null', Buffer.from('["2026","id"]').toString('base64url'), 'A'.repeat(500), raw.subarray(0, 16).toString('base64url')]) {
    expect(() => cursors.decode('latest', invented)).toThrow(expect.objectContaining({ status: 422, errors: [{ path: 'cursor', message: 'is not a cursor of this list' }] }))
  }
})

test('a cursor survives a rotation of its key, and ends with the key', () => {
  const newer = macKey()
  const cursor = cursors.encode('latest', [1])
  expect(createCursors(keysOf(key, newer)).decode('latest', cursor)).toEqual([1])
  expect(() => createCursors(keysOf(newer)).decode('latest', cursor)).toThrow(Invalid)
  expect(() => cursors.decode('latest', createCursors(keysOf(key, newer)).encode('latest', [1]))).toThrow(Invalid)
})
