import { eq } from 'drizzle-orm'
import type { Tx } from '../../../db/client.ts'
import { users } from '../../../db/schema/index.ts'
import type { Ctx } from '../../kit/context.ts'
import { PermissionDenied, Unauthenticated } from '../../kit/errors.ts'
import { userById } from '../users/users.ts'
import { deletionCancelled } from './mails.ts'

/**
 * May this account have another session? Its row stays locked until the session is there: a ban, an erasure or a new role
 * either comes before and is seen, or after and ends it. Signing in keeps an account that was to be erased (control C7).
 * @throws PermissionDenied account_banned; Unauthenticated invalid_credentials where it is gone
 */
export async function demandStanding(ctx: Ctx, tx: Tx, userId: string): Promise<void> {
  const [user] = await tx
    .select({ bannedAt: users.bannedAt, erasedAt: users.erasedAt, eraseAfter: users.eraseAfter })
    .from(users)
    .where(eq(users.id, userId))
    .for('no key update')
  if (!user || user.erasedAt) throw new Unauthenticated('invalid_credentials', 'The e-mail address or the password is wrong.')
  if (user.bannedAt) throw new PermissionDenied('account_banned', 'This account has been banned.')
  if (!user.eraseAfter) return
  await tx.update(users).set({ eraseAfter: null }).where(eq(users.id, userId))
  await ctx.audit(tx, { action: 'user.keep', target: { kind: 'user', id: userId } })
  const { email, locale } = await userById(ctx, tx, userId)
  await ctx.mailer.queue(tx, { to: email, ...deletionCancelled(locale) })
}
