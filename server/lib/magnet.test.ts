import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { buildMagnet, parseMagnet } from './magnet.ts'

const hash = 'dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c'

it('reads hash, name and trackers', () => {
  const uri = `magnet:?xt=urn:btih:${hash.toUpperCase()}&dn=A+film%20%26&tr=http%3A%2F%2Fa.example%2Fannounce&tr.1=udp%3A%2F%2Fb.example%3A6969&tr=https://c.example/x&tr=https://c.example/x`
  expect(parseMagnet(uri)).toEqual({
    infoHash: hash,
    name: 'A film &',
    trackers: ['http://a.example/announce', 'udp://b.example:6969', 'https://c.example/x'],
    warnings: [],
  })
})

test.each([
  [`magnet:?xt=urn:btih:${hash}`],
  [`MAGNET:?dn=x&xt=urn:BTIH:3WBFL3G4PSSV7MF37AJSHWDQMLNR63I4`],
  [`magnet:?xt=urn:btmh:1220${'0'.repeat(64)}&xt=urn:btih:${hash}`],
  [`magnet:?xt.1=urn:btih:${hash}`],
])('%s', (uri) => expect(parseMagnet(uri)?.infoHash).toBe(hash))

test.each([
  [''], ['magnet:'], ['magnet:?'], ['magnet:?dn=x'], [hash], [`http://x/?xt=urn:btih:${hash}`], ['magnet:?xt=urn:btih:'],
  [`magnet:?xt=urn:btih:${hash}0`], ['magnet:?xt=urn:sha1:YNCKHTQCWBTRNJIV4WNAE52SJUQCZO5C'], [`magnet:?xt=urn:btmh:1220${'0'.repeat(64)}`],
  [`magnet:?xt=urn:btih:${hash}&dn=${'x'.repeat(20_000)}`], [` magnet:?xt=urn:btih:${hash}`],
])('%s is no magnet link', (uri) => expect(parseMagnet(uri)).toBeNull())

describe('what is not used is named', () => {
  test.each(['xs', 'as', 'x.pe', 'ws', 'mt', 'xs.1', 'X.PE'])('%s', (parameter) => {
    const parsed = parseMagnet(`magnet:?xt=urn:btih:${hash}&${parameter}=http://127.0.0.1:22/`)
    expect(parsed?.trackers).toEqual([])
    expect(parsed?.warnings).toMatchObject([{ code: 'source_ignored' }])
    expect(JSON.stringify(parsed)).not.toContain('127.0.0.1')
  })

  test.each(['wss://x.example', 'ftp://x.example', 'file:///etc/passwd', 'javascript:alert(1)', 'x', ''])('tr=%s', (tracker) => {
    const parsed = parseMagnet(`magnet:?xt=urn:btih:${hash}&tr=${encodeURIComponent(tracker)}`)
    expect(parsed?.trackers).toEqual([])
    expect(parsed?.warnings).toMatchObject([{ code: 'tracker_ignored', parameter: 'tr' }])
  })

  it('trackers beyond a hundred', () => {
    const trackers = Array.from({ length: 150 }, (_, i) => `tr=udp://t${i}.example:1`).join('&')
    const parsed = parseMagnet(`magnet:?xt=urn:btih:${hash}&${trackers}`)
    expect(parsed?.trackers).toHaveLength(100)
    expect(parsed?.warnings).toHaveLength(50)
  })
})

it('reads back what it builds', () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme', maxLength: 30 }), fc.array(fc.webUrl(), { maxLength: 5 }), (name, trackers) => {
    expect(parseMagnet(buildMagnet(hash, name, trackers))).toEqual({ infoHash: hash, name, trackers: [...new Set(trackers)], warnings: [] })
  }))
})

it('throws at nothing', () => {
  fc.assert(fc.property(fc.string(), (text) => {
    parseMagnet(text)
    parseMagnet(`magnet:?${text}`)
  }))
})
