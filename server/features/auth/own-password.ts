import type { Ctx } from '../../kit/context.ts'
import { takeGuess } from '../../kit/guesses.ts'
import { compare } from './authenticate.ts'

/**
 * Is this the password of someone who is signed in? Whoever holds their token may guess as slowly as at a sign-in; the tries
 * are counted apart, so that guessing here keeps nobody from signing in (control A6).
 * @throws RateLimited while there is a delay; Unavailable when too many passwords are being hashed, which takes no try
 */
export async function matchesOwnPassword(ctx: Ctx, { userId, passwordHash }: { userId: string; passwordHash: string | null }, password: string): Promise<boolean> {
  const guess = await takeGuess(ctx, { pace: 'account', of: `own/${userId}` })
  const right = await compare(ctx, guess, passwordHash, password)
  if (right) await guess.forgive(ctx.db)
  else await ctx.db.transaction((tx) => guess.wrong(tx))
  return right
}
