import fc from 'fast-check'
import { expect, it, test } from 'vitest'
import { infoHashOf, infoHashPattern, parseInfoHash } from './infohash.ts'

const hex = 'dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c'

test.each([
  [hex, hex],
  [hex.toUpperCase(), hex],
  ['3WBFL3G4PSSV7MF37AJSHWDQMLNR63I4', hex],
  ['3wbfl3g4pssv7mf37ajshwdqmlnr63i4', hex],
  ['', null],
  [hex.slice(1), null],
  [`${hex}0`, null],
  [hex.replace('d', 'g'), null],
  ['1WBFL3G4PSSV7MF37AJSHWDQMLNR63I4', null],
  [` ${hex}`, null],
  [`${hex}\n`, null],
])('%j', (text, expected) => expect(parseInfoHash(text)).toBe(expected))

it('reads base 32 of any hash', () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), (bytes) => {
    const digits = bytes.reduce((all, byte) => all + byte.toString(2).padStart(8, '0'), '')
    const base32 = (digits.match(/.{5}/g) ?? []).map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[parseInt(five, 2)]).join('')
    expect(parseInfoHash(base32)).toBe(Buffer.from(bytes).toString('hex'))
  }))
})

it('hashes an info dictionary', () => {
  expect(infoHashOf(Buffer.from('abc'))).toBe('a9993e364706816aba3e25717850c26c9cd0d89d')
  expect(infoHashOf(new Uint8Array())).toMatch(infoHashPattern)
})
