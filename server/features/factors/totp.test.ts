import { describe, expect, test } from 'vitest'
import { matchingStep, totpCode, totpKey, totpSecretBytes, totpStep } from './totp.ts'

/** Of RFC 6238, appendix B, for SHA-1; its codes have eight digits, ours are their last six. */
const secret = Buffer.from('12345678901234567890')
const vectors: [seconds: number, step: number, code: string][] = [
  [59, 0x1, '94287082'],
  [1_111_111_109, 0x23523ec, '07081804'],
  [1_111_111_111, 0x23523ed, '14050471'],
  [1_234_567_890, 0x273ef07, '89005924'],
  [2_000_000_000, 0x3f940aa, '69279037'],
  [20_000_000_000, 0x27bc86aa, '65353130'],
]
const at = (seconds: number) => new Date(seconds * 1000)

describe('the vectors of RFC 6238, appendix B', () => {
  test.each(vectors)('at %i s the step is %i and the code that of the RFC', async (seconds, step, code) => {
    expect(totpStep(at(seconds))).toBe(step)
    expect(await totpCode(secret, step)).toBe(code.slice(-6))
    expect(await matchingStep(secret, code.slice(-6), at(seconds))).toBe(step)
  })

  test('a code is of the step in which it was made, wherever in its window it comes', async () => {
    const code = '081804'
    const step = 0x23523ec
    // steps begin at multiples of 30 s: one before and one after are taken, to the second
    const [first, last] = [(step - 1) * 30, (step + 2) * 30 - 0.001]
    for (const seconds of [first, step * 30, 1_111_111_109, last]) expect(await matchingStep(secret, code, at(seconds))).toBe(step)
    for (const seconds of [first - 0.001, last + 0.001]) expect(await matchingStep(secret, code, at(seconds))).toBeNull()
  })

  test.each(['', '28708', '2870820', '287082 ', '94287082', '２８７０８２', '287083'])('what is not the code, to the letter, is of no step: %j', async (code) => {
    expect(await matchingStep(secret, code, at(59))).toBeNull()
  })
})

describe('what an authenticator app is told', () => {
  test('is an otpauth URI that says all of it, for apps that assume nothing', () => {
    const { otpauthUri } = totpKey(secret, 'ada+tv@example.org')
    const { protocol, host, pathname, searchParams } = new URL(otpauthUri)
    expect([protocol, host, decodeURIComponent(pathname)]).toEqual(['otpauth:', 'totp', '/torrent-streamer:ada+tv@example.org'])
    expect(Object.fromEntries(searchParams)).toEqual({ secret: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ', issuer: 'torrent-streamer', algorithm: 'SHA1', digits: '6', period: '30' })
  })

  test('to type: the same secret, in base 32 without padding, of the length that RFC 4226 asks for', () => {
    expect(totpKey(secret, 'a@example.org').secret).toBe('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ')
    expect(totpSecretBytes).toBe(160 / 8)
  })

  test('an address that looks like parameters changes none', () => {
    const { searchParams } = new URL(totpKey(secret, 'a?secret=AAAA&digits=8#@example.org').otpauthUri)
    expect([searchParams.getAll('secret'), searchParams.getAll('digits')]).toEqual([['GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'], ['6']])
  })
})
