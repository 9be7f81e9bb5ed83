import { and, eq, inArray, isNull, ne } from 'drizzle-orm'
import type { z } from 'zod'
import { users } from '../../../db/schema/index.ts'
import type { Authed } from '../../kit/context.ts'
import { NotFound } from '../../kit/errors.ts'
import { roles } from '../../kit/permissions.ts'
import { endSessionsOfUser } from '../auth/auth.ts'
import type { BanUser } from './contract.ts'

/**
 * Bans a user: every session, token and stream of theirs ends within a second. Moderators ban users,
 * admins also moderators and admins, nobody themselves. What one may not ban answers as if it were not there.
 * @throws NotFound
 */
export async function banUser(ctx: Authed, { userId, reason }: z.infer<typeof BanUser>): Promise<void> {
  const mayBan = ctx.actor.role === 'admin' ? roles : (['user'] as const)
  await ctx.db.transaction(async (tx) => {
    const [banned] = await tx
      .update(users)
      .set({ bannedAt: ctx.now(), banReason: reason })
      .where(and(eq(users.id, userId), ne(users.id, ctx.actor.userId), inArray(users.role, [...mayBan]), isNull(users.bannedAt)))
      .returning({ id: users.id })
    if (!banned) throw new NotFound('user')
    await endSessionsOfUser(ctx, tx, userId, 'ban')
    await ctx.audit(tx, { action: 'user.ban', target: { kind: 'user', id: userId }, details: { reason } })
  })
}
