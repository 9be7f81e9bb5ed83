import { and, eq, isNull } from 'drizzle-orm'
import type { z } from 'zod'
import type { Tx } from '../../../db/client.ts'
import { users } from '../../../db/schema/index.ts'
import type { Authed } from '../../kit/context.ts'
import { Conflict, NotFound } from '../../kit/errors.ts'
import { endSessionsOfUser, mails } from '../auth/auth.ts'
import type { ScheduledDeletion } from './contract.ts'
import { userById } from './users.ts'

/**
 * Ends every session of the caller and lets the account be erased after ERASURE_GRACE_DAYS (control C7); signing in before
 * then keeps it. Asking again changes nothing.
 * @throws Conflict 409 last_admin
 */
export async function deleteAccount(ctx: Authed): Promise<z.infer<typeof ScheduledDeletion>> {
  const { userId, role } = ctx.actor
  return ctx.db.transaction(async (tx) => {
    if (role === 'admin') await demandAnotherAdmin(tx, userId)
    const eraseAfter = new Date(ctx.now().getTime() + ctx.config.erasureGraceMs)
    const [asked] = await tx
      .update(users)
      .set({ eraseAfter })
      .where(and(eq(users.id, userId), isNull(users.eraseAfter), isNull(users.erasedAt)))
      .returning({ id: users.id })
    if (!asked) throw new NotFound('account')
    await endSessionsOfUser(ctx, tx, userId, 'deletion')
    await ctx.audit(tx, { action: 'user.delete', target: { kind: 'user', id: userId }, details: { eraseAfter: eraseAfter.toISOString() } })
    const { email, locale } = await userById(ctx, tx, userId)
    await ctx.mailer.queue(tx, { to: email, ...mails.deletionScheduled(locale, { at: eraseAfter }) })
    return { eraseAfter: eraseAfter.toISOString() }
  })
}

/** All admins' rows stay locked: of two who leave at the same time, the second finds that they are the last. */
async function demandAnotherAdmin(tx: Tx, userId: string): Promise<void> {
  const admins = await tx
    .select({ id: users.id })
    .from(users)
    .where(and(eq(users.role, 'admin'), isNull(users.bannedAt), isNull(users.eraseAfter), isNull(users.erasedAt)))
    .orderBy(users.id)
    .for('no key update')
  if (!admins.some(({ id }) => id !== userId)) throw new Conflict('You are the last admin: make someone else one first.', 'last_admin')
}
