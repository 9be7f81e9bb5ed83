import { expect, it } from 'vitest'
import { createDials } from './dials.ts'

const takes = (dials: { take(address: string): boolean }, addresses: readonly string[]) => addresses.filter((address) => dials.take(address)).length

it('gives an address its share, and an IPv4 /24 four of them', () => {
  const dials = createDials(5)
  expect(takes(dials, Array<string>(100).fill('203.0.113.7'))).toBe(5)
  expect(takes(dials, Array.from({ length: 200 }, (_, last) => `203.0.113.${last}`))).toBe(15)
  expect(dials.take('203.0.114.7')).toBe(true)
})

it('takes an IPv6 /64 for one address, and a /48 for its network', () => {
  const dials = createDials(5)
  expect(takes(dials, Array.from({ length: 100 }, (_, host) => `2001:4860:1:1::${host.toString(16)}`))).toBe(5)
  expect(takes(dials, Array.from({ length: 100 }, (_, net) => `2001:4860:1:${(net + 2).toString(16)}::1`))).toBe(15)
  expect(dials.take('2001:4860:2::1')).toBe(true)
})

it('gives back what led to a peer, and forgets after ten minutes', () => {
  let now = 0
  const dials = createDials(2, () => now)
  expect(takes(dials, ['203.0.113.7', '203.0.113.7', '203.0.113.7'])).toBe(2)
  dials.giveBack('203.0.113.7')
  expect(takes(dials, ['203.0.113.7', '203.0.113.7'])).toBe(1)
  now = 10 * 60_000 + 1
  expect(takes(dials, ['203.0.113.7', '203.0.113.7', '203.0.113.7'])).toBe(2)
})

it('cannot be given back more than was taken', () => {
  const dials = createDials(2)
  for (let times = 0; times < 10; times += 1) dials.giveBack('203.0.113.7')
  expect(takes(dials, Array<string>(10).fill('203.0.113.7'))).toBe(2)
})

it('remembers so many addresses and no more: new ones wait until old ones are forgotten', () => {
  let now = 0
  const dials = createDials(2, () => now)
  const everywhere = Array.from({ length: 15_000 }, (_, at) => `11.${at >> 8}.${at & 255}.1`)
  expect(takes(dials, everywhere)).toBe(10_000)
  now = 10 * 60_000 + 1
  expect(dials.take('12.0.0.1')).toBe(true)
})
