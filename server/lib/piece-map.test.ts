import fc from 'fast-check'
import { expect, it } from 'vitest'
import { PieceMap } from './piece-map.ts'

it('keeps bits in the order of BEP 3', () => {
  const map = new PieceMap(10)
  map.add(0)
  map.add(9)
  expect([...map.bytes]).toEqual([0b1000_0000, 0b0100_0000])
})

it('behaves as a set', () => {
  const step = fc.record({ add: fc.boolean(), piece: fc.nat(40) })
  fc.assert(fc.property(fc.array(step), (steps) => {
    const map = new PieceMap(41)
    const set = new Set<number>()
    for (const { add, piece } of steps) {
      if (add) map.add(piece)
      else map.delete(piece)
      set[add ? 'add' : 'delete'](piece)
    }
    const again = new PieceMap(41, map.bytes)
    for (let piece = 0; piece < 41; piece += 1) expect(again.has(piece)).toBe(set.has(piece))
    expect(again.count()).toBe(set.size)
  }))
})

it('takes bytes of another torrent for nothing', () => {
  expect(new PieceMap(10, new Uint8Array([255])).count()).toBe(0)
  expect(new PieceMap(8, new Uint8Array([255])).count()).toBe(8)
})
