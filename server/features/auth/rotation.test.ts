import { expect, test } from 'vitest'
import { judge, retryWindowMs, type StoredToken, type Verdict } from './rotation.ts'

const at = new Date('2026-03-01T12:00:00Z')
const after = (ms: number) => new Date(at.getTime() + ms)
const unspent: StoredToken = { expiresAt: after(60_000), spentAt: null, retryUntil: null, successor: 'none', session: 'live' }
const spent: StoredToken = { ...unspent, spentAt: at, retryUntil: after(retryWindowMs), successor: 'unused' }

test.each<[string, StoredToken | null, Date, Verdict]>([
  ['an unknown one', null, at, 'invalid'],
  ['an unspent one', unspent, at, 'spend'],
  ['an unspent one in its last millisecond', unspent, after(59_999), 'spend'],
  ['an unspent one at its end', unspent, after(60_000), 'expired'],
  ['an unspent one of an ended session', { ...unspent, session: 'ended' }, at, 'revoked'],
  ['a spent one in the last millisecond of its window', spent, after(retryWindowMs - 1), 'replay'],
  ['a spent one when its window has ended', spent, after(retryWindowMs), 'reuse'],
  ['a spent one whose successor was used', { ...spent, successor: 'used' }, after(1), 'reuse'],
  ['a spent one whose successor was wiped', { ...spent, successor: 'none' }, after(1), 'reuse'],
  ['a spent one of an ended session', { ...spent, session: 'ended' }, after(1), 'revoked'],
])('%s', (_what, stored, now, verdict) => {
  expect(judge(stored, now)).toBe(verdict)
})
