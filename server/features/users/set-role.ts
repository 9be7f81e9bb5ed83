import { eq } from 'drizzle-orm'
import { users } from '../../../db/schema/index.ts'
import type { Ctx } from '../../kit/context.ts'
import { NotFound } from '../../kit/errors.ts'
import type { Role } from '../../kit/permissions.ts'
import { endSessionsOfUser } from '../auth/auth.ts'
import { lookupOf, normaliseEmail } from './users.ts'

/**
 * Gives a person another role and ends their sessions: tokens and cookies carry the old one (control A4).
 * The role they have already is left alone, and so are their sessions.
 * @throws NotFound
 */
export async function setRole(ctx: Ctx, { email, role }: { email: string; role: Role }): Promise<{ userId: string; was: Role; endedSessions: number }> {
  return ctx.db.transaction(async (tx) => {
    const [user] = await tx
      .select({ id: users.id, role: users.role })
      .from(users)
      .where(eq(users.emailLookup, lookupOf(ctx, normaliseEmail(email))))
      .for('update')
    if (!user) throw new NotFound('account')
    if (user.role === role) return { userId: user.id, was: user.role, endedSessions: 0 }
    await tx.update(users).set({ role }).where(eq(users.id, user.id))
    const ended = await endSessionsOfUser(ctx, tx, user.id, 'role_change')
    await ctx.audit(tx, { action: 'user.set_role', target: { kind: 'user', id: user.id }, details: { from: user.role, to: role } })
    return { userId: user.id, was: user.role, endedSessions: ended.length }
  })
}
