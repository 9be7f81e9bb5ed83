// The rules of refresh tokens (control A3; RFC 9700 section 4.14.2) as a function of what is stored: no clock, no database.

/** How long after it was spent a token may be asked for again, by someone whom the answer never reached. */
export const retryWindowMs = 10_000

/** A refresh token as it is stored, with what became of the one that followed it. */
export type StoredToken = {
  expiresAt: Date
  spentAt: Date | null
  retryUntil: Date | null
  successor: 'none' | 'unused' | 'used'
  session: 'live' | 'ended'
}

/**
 * What presenting a token leads to. `spend`: a new one takes its place; `replay`: the same successor once more;
 * `reuse`: two hold it, so the session ends. The others change nothing.
 */
export type Verdict = 'spend' | 'replay' | 'reuse' | 'expired' | 'revoked' | 'invalid'

/** @param stored null where nobody was ever given such a token */
export function judge(stored: StoredToken | null, now: Date): Verdict {
  if (!stored) return 'invalid'
  if (stored.session === 'ended') return 'revoked'
  if (stored.spentAt === null) return stored.expiresAt <= now ? 'expired' : 'spend'
  const lateAnswer = stored.retryUntil !== null && now < stored.retryUntil && stored.successor === 'unused'
  return lateAnswer ? 'replay' : 'reuse'
}
