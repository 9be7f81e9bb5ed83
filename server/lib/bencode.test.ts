import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { BencodeError, decodeBencode, encodeBencode, type Bencoded, type Encodable } from './bencode.ts'

const limits = { maxDepth: 8, maxValues: 10_000 }
const decode = (text: string | Uint8Array) => decodeBencode(typeof text === 'string' ? Buffer.from(text, 'latin1') : text, limits)

/** To what plain JavaScript would hold, for comparing. */
function plain(value: Bencoded): unknown {
  if (typeof value === 'number') return value
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (value.kind === 'list') return value.items.map(plain)
  return [...value.entries].map(([key, entry]) => [key, plain(entry.value)])
}

test.each<[string, unknown]>([
  ['i0e', 0],
  ['i-1e', -1],
  ['i9007199254740991e', Number.MAX_SAFE_INTEGER],
  ['0:', ''],
  ['2:ab', '6162'],
  ['le', []],
  ['li1e1:ae', [1, '61']],
  ['de', []],
  ['d1:ai1e1:b0:e', [['a', 1], ['b', '']]],
])('reads %s', (text, expected) => expect(plain(decode(text))).toEqual(expected))

test.each([
  '', 'i', 'ie', 'i-e', 'i-0e', 'i01e', 'i1', 'i1.5e', 'i 1e', 'i9007199254740992e', 'i-9007199254740992e', `i${'9'.repeat(100_000)}e`,
  '1', '1:', '5:ab', '01:a', '-1:a', '99999999999999999999:a', '9007199254740991:a', `${'1'.repeat(100_000)}:`,
  'l', 'li1e', 'd', 'd1:a', 'd1:ae', 'di1ei1ee', 'd1:bi1e1:ai1ee', 'd1:ai1e1:ai2ee', 'x', 'i1ei1e', 'lee', ' i1e',
])('refuses %s', (text) => expect(() => decode(text)).toThrow(BencodeError))

describe('bounds', () => {
  it('refuses 200,000 levels without using the stack', () => {
    for (const open of ['l', 'd1:a']) {
      const nested = open.repeat(200_000)
      expect(() => decode(nested)).toThrow('nested too deeply')
      expect(() => decode(`${nested}${'e'.repeat(200_000)}`)).toThrow('nested too deeply')
    }
  })

  it('refuses more values than allowed before reading on', () => {
    expect(() => decode(`l${'i1e'.repeat(10_000)}e`)).toThrow('too many values')
    expect(() => decode(`l${'i1e'.repeat(9_999)}e`)).not.toThrow()
  })
})

it('says where each value of a dictionary lies', () => {
  const bytes = Buffer.from('d4:infod1:ai1ee3:two2:xye')
  const value = decode(bytes)
  if (typeof value === 'number' || value instanceof Uint8Array || value.kind !== 'dict') throw new Error('not a dictionary')
  const info = value.entries.get('info')
  expect(bytes.subarray(info?.start, info?.end).toString()).toBe('d1:ai1ee')
})

const encodable: fc.Arbitrary<Encodable> = fc.letrec<{ value: Encodable }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.maxSafeInteger(),
    fc.uint8Array({ maxLength: 20 }),
    fc.string({ maxLength: 10 }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.string({ maxLength: 5 }), tie('value'), { maxKeys: 4 }).map((object) => new Map(Object.entries(object))),
  ),
})).value

it('reads back what it writes, byte for byte the same when written again', () => {
  const again = (value: Bencoded): Encodable => {
    if (typeof value === 'number' || value instanceof Uint8Array) return value
    if (value.kind === 'list') return value.items.map(again)
    return new Map([...value.entries].map(([key, entry]) => [Buffer.from(key, 'latin1').toString(), again(entry.value)]))
  }
  fc.assert(fc.property(encodable, (value) => {
    const bytes = encodeBencode(value)
    expect(encodeBencode(again(decode(bytes)))).toEqual(bytes)
  }))
})

it('answers any bytes with a value or a BencodeError', () => {
  fc.assert(fc.property(fc.oneof(fc.uint8Array(), fc.string({ unit: fc.constantFrom('i', 'l', 'd', 'e', '1', '0', ':', '-', 'a') })), (input) => {
    try {
      decode(input)
    } catch (error) {
      expect(error).toBeInstanceOf(BencodeError)
    }
  }), { numRuns: 2000 })
})

it('will not write a number that others would read differently', () => {
  expect(() => encodeBencode(1.5)).toThrow(BencodeError)
  expect(() => encodeBencode(2 ** 53)).toThrow(BencodeError)
})
