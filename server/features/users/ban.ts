import { eq } from 'drizzle-orm'
import type { z } from 'zod'
import { users } from '../../../db/schema/index.ts'
import type { Authed } from '../../kit/context.ts'
import { NotFound } from '../../kit/errors.ts'
import { endSessionsOfUser } from '../auth/auth.ts'
import { demandAuthority } from './authority.ts'
import type { BanUser, UserRef } from './contract.ts'

/**
 * Bans a user: every session, token and stream of theirs ends within a second. Moderators ban users,
 * admins also moderators and admins, nobody themselves. What one may not ban answers as if it were not there.
 * @throws NotFound
 */
export async function banUser(ctx: Authed, { userId, reason }: z.infer<typeof BanUser>): Promise<void> {
  await ctx.db.transaction(async (tx) => {
    const { banned } = await demandAuthority(ctx, tx, userId)
    if (banned) throw new NotFound('user')
    await tx.update(users).set({ bannedAt: ctx.now(), banReason: reason }).where(eq(users.id, userId))
    await endSessionsOfUser(ctx, tx, userId, 'ban')
    await ctx.audit(tx, { action: 'user.ban', target: { kind: 'user', id: userId }, details: { reason } })
  })
}

/** Lets a banned person sign in again, by the same rule. @throws NotFound, also for one who is not banned */
export async function unbanUser(ctx: Authed, { userId }: z.infer<typeof UserRef>): Promise<void> {
  await ctx.db.transaction(async (tx) => {
    const { banned } = await demandAuthority(ctx, tx, userId)
    if (!banned) throw new NotFound('banned user')
    await tx.update(users).set({ bannedAt: null, banReason: null }).where(eq(users.id, userId))
    await ctx.audit(tx, { action: 'user.unban', target: { kind: 'user', id: userId } })
  })
}

/** Ends every session of someone else, by the same rule. @throws NotFound */
export async function endSessionsByStaff(ctx: Authed, { userId }: z.infer<typeof UserRef>): Promise<void> {
  await ctx.db.transaction(async (tx) => {
    await demandAuthority(ctx, tx, userId)
    const ended = await endSessionsOfUser(ctx, tx, userId, 'revoked')
    await ctx.audit(tx, { action: 'user.end_sessions', target: { kind: 'user', id: userId }, details: { count: ended.length } })
  })
}
