import { and, eq, isNull } from 'drizzle-orm'
import type { z } from 'zod'
import type { Tx } from '../../../db/client.ts'
import { passkeys, totpFactors, users } from '../../../db/schema/index.ts'
import type { Authed, Ctx } from '../../kit/context.ts'
import { NotFound } from '../../kit/errors.ts'
import { endSessionsOfUser } from '../auth/auth.ts'
import { demandAuthority, lookupOf, normaliseEmail } from '../users/users.ts'
import { lockPerson, tellOfChange } from './changes.ts'
import type { ResetFactors } from './contract.ts'
import { removeRecoveryCodes } from './recovery-codes.ts'

/**
 * Takes every second factor from someone who lost theirs; never one's own, which is answered as if nobody were there.
 * @throws NotFound; Unauthenticated session_ended where the actor has lost the role
 */
export async function resetFactors(ctx: Authed, { userId }: z.infer<typeof ResetFactors>): Promise<void> {
  await ctx.db.transaction(async (tx) => {
    await demandAuthority(ctx, tx, userId)
    await reset(ctx, tx, userId)
  })
}

/** The same by the operator at a terminal: for the last admin who lost a phone. @throws NotFound */
export async function resetFactorsByEmail(ctx: Ctx, { email }: { email: string }): Promise<{ userId: string; endedSessions: number }> {
  return ctx.db.transaction(async (tx) => {
    const [user] = await tx.select({ id: users.id }).from(users).where(eq(users.emailLookup, lookupOf(ctx, normaliseEmail(email))))
    if (!user) throw new NotFound('account')
    return { userId: user.id, endedSessions: await reset(ctx, tx, user.id) }
  })
}

async function reset(ctx: Ctx, tx: Tx, userId: string): Promise<number> {
  const person = await lockPerson(ctx, tx, userId)
  const removedAt = ctx.now()
  await tx.update(totpFactors).set({ removedAt }).where(and(eq(totpFactors.userId, userId), isNull(totpFactors.removedAt)))
  await tx.update(passkeys).set({ removedAt }).where(and(eq(passkeys.userId, userId), isNull(passkeys.removedAt)))
  await removeRecoveryCodes(ctx, tx, userId)
  const ended = await endSessionsOfUser(ctx, tx, userId, 'factors_reset')
  await tellOfChange(ctx, tx, person, { what: 'reset', action: 'user.reset_factors' })
  return ended.length
}
