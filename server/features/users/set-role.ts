import { and, eq, isNull } from 'drizzle-orm'
import type { z } from 'zod'
import type { Tx } from '../../../db/client.ts'
import { users } from '../../../db/schema/index.ts'
import type { Authed, Ctx } from '../../kit/context.ts'
import { NotFound } from '../../kit/errors.ts'
import type { Role } from '../../kit/permissions.ts'
import { endSessionsOfUser } from '../auth/auth.ts'
import { demandAuthority } from './authority.ts'
import type { SetRole } from './contract.ts'
import { lookupOf, normaliseEmail } from './users.ts'

type Change = { userId: string; was: Role; endedSessions: number }

/** The operator's way, by address. @throws NotFound */
export async function setRole(ctx: Ctx, { email, role }: { email: string; role: Role }): Promise<Change> {
  return ctx.db.transaction(async (tx) => {
    const [user] = await tx.select({ id: users.id }).from(users).where(eq(users.emailLookup, lookupOf(ctx, normaliseEmail(email))))
    if (!user) throw new NotFound('account')
    return giveRole(ctx, tx, { userId: user.id, role })
  })
}

/** An admin's way; never one's own, so an admin always remains. @throws NotFound */
export async function setUserRole(ctx: Authed, { userId, role }: z.infer<typeof SetRole>): Promise<void> {
  await ctx.db.transaction(async (tx) => {
    await demandAuthority(ctx, tx, userId)
    await giveRole(ctx, tx, { userId, role })
  })
}

/**
 * Gives a person another role and ends their sessions: tokens and cookies carry the old one (control A4).
 * The role they have already is left alone, and so are their sessions.
 */
async function giveRole(ctx: Ctx, tx: Tx, { userId, role }: { userId: string; role: Role }): Promise<Change> {
  const [user] = await tx
    .select({ role: users.role })
    .from(users)
    .where(and(eq(users.id, userId), isNull(users.erasedAt)))
    .for('no key update')
  if (!user) throw new NotFound('account')
  if (user.role === role) return { userId, was: user.role, endedSessions: 0 }
  await tx.update(users).set({ role }).where(eq(users.id, userId))
  const ended = await endSessionsOfUser(ctx, tx, userId, 'role_change')
  await ctx.audit(tx, { action: 'user.set_role', target: { kind: 'user', id: userId }, details: { from: user.role, to: role } })
  return { userId, was: user.role, endedSessions: ended.length }
}
