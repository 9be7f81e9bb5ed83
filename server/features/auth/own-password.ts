import type { Authed } from '../../kit/context.ts'
import { takeGuess } from '../../kit/guesses.ts'
import { compare } from './authenticate.ts'

/**
 * Is this the password of someone who is signed in? Whoever holds their token may guess as slowly as at a sign-in; the tries
 * are counted apart, so that guessing here keeps nobody from signing in, and by session, so that it keeps nobody from changing the
 * password in another one (control A6): sessions are made by those who know it.
 * @throws RateLimited while there is a delay; Unavailable when too many passwords are being hashed, which takes no try
 */
export async function matchesOwnPassword(ctx: Authed, passwordHash: string | null, password: string): Promise<boolean> {
  const guess = await takeGuess(ctx, { pace: 'account', of: `own/${ctx.actor.sessionId}` })
  const right = await compare(ctx, guess, passwordHash, password)
  if (right) await guess.forgive(ctx.db)
  else await ctx.db.transaction((tx) => guess.wrong(tx))
  return right
}
