import { describe, expect, test } from 'vitest'
import type { Deps } from '../kit/context.ts'
import { csrfToken, demandCsrf, type CsrfBinding } from './csrf.ts'

const depsWith = (byte: number): Pick<Deps, 'keys'> => {
  const key = { id: 'k', secret: new Uint8Array(32).fill(byte) }
  return { keys: { mac: () => key, macs: () => [key] } as unknown as Deps['keys'] }
}
const deps = depsWith(1)
const binding: CsrfBinding = 'session:abc'
const token = csrfToken(deps, binding)

const own = 'http://localhost:3000'
type Case = { why: string; passes: boolean; origin?: string; site?: string; token?: unknown; binding?: CsrfBinding | null; protocol?: 'http' | 'https' }
const cases: Case[] = [
  { why: 'a form of ours', passes: true, origin: own, site: 'same-origin' },
  { why: 'a form of ours from a no-referrer page', passes: true, origin: 'null', site: 'same-origin' },
  { why: 'a browser without Origin', passes: true, site: 'same-origin' },
  { why: 'an old browser without Sec-Fetch-Site', passes: true, origin: own },
  { why: 'neither header: nobody vouches for it', passes: false },
  { why: 'Origin null alone', passes: false, origin: 'null' },
  { why: 'a cross-site page', passes: false, origin: own, site: 'cross-site' },
  { why: 'a sibling subdomain', passes: false, origin: own, site: 'same-site' },
  { why: 'typed into the address bar', passes: false, origin: own, site: 'none' },
  { why: 'a sandboxed foreign frame', passes: false, origin: 'null', site: 'cross-site' },
  { why: 'a foreign Origin', passes: false, origin: 'https://evil.example', site: 'same-origin' },
  { why: 'the same host on another port', passes: false, origin: 'http://localhost:3001', site: 'same-origin' },
  { why: 'the same host by another scheme', passes: false, origin: own, site: 'same-origin', protocol: 'https' },
  { why: 'our origin as a prefix', passes: false, origin: `${own}.evil.example`, site: 'same-origin' },
  { why: 'no token', passes: false, origin: own, site: 'same-origin', token: null },
  { why: 'an empty token', passes: false, origin: own, site: 'same-origin', token: '' },
  { why: 'a token cut short', passes: false, origin: own, site: 'same-origin', token: token.slice(0, -1) },
  { why: 'two tokens', passes: false, origin: own, site: 'same-origin', token: [token] },
  { why: 'a token of another session', passes: false, origin: own, site: 'same-origin', binding: 'session:abd' },
  { why: 'a token of a visit with the same id', passes: false, origin: own, site: 'same-origin', binding: 'visitor:abc' },
  { why: 'no cookie at all', passes: false, origin: own, site: 'same-origin', binding: null },
  { why: 'a token by another key', passes: false, origin: own, site: 'same-origin', token: csrfToken(depsWith(2), binding) },
]

describe('what may change something (control B4)', () => {
  test.each(cases)('$why: $passes', ({ passes, origin, site, token: given = token, binding: bound = binding, protocol = 'http' }) => {
    const headers = { host: 'localhost:3000', ...(origin === undefined ? {} : { origin }), ...(site === undefined ? {} : { 'sec-fetch-site': site }) }
    const attempt = () => demandCsrf(deps, { headers, protocol }, bound, given)
    if (passes) expect(attempt).not.toThrow()
    else expect(attempt).toThrow(expect.objectContaining({ status: 403, code: 'csrf_failed' }))
  })
})

test('tokens differ by session and by key, and hold nothing of either', () => {
  expect(csrfToken(deps, 'session:x')).not.toBe(csrfToken(deps, 'session:y'))
  expect(csrfToken(deps, 'session:x')).not.toBe(csrfToken(depsWith(2), 'session:x'))
  expect(token).toMatch(/^[\w-]{43}$/)
})
