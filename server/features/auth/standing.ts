import { eq, sql } from 'drizzle-orm'
import type { Tx } from '../../../db/client.ts'
import { users } from '../../../db/schema/index.ts'
import { statement } from '../../../db/statements.ts'
import type { Ctx } from '../../kit/context.ts'
import { PermissionDenied, Unauthenticated } from '../../kit/errors.ts'
import { shownUser } from '../users/users.ts'
import { deletionCancelled } from './mails.ts'

/** An account as it is now, its row locked until the transaction ends: whatever would change it comes before, or waits. */
export type LockedAccount = Pick<typeof users.$inferSelect, 'id' | 'role' | 'passwordHash' | 'emailSealed' | 'name' | 'locale' | 'createdAt'> & { banned: boolean; erased: boolean; leaving: boolean }

export async function lockAccount(tx: Tx, userId: string): Promise<LockedAccount | null> {
  const [account] = await lockAndRead(tx, { userId })
  return account ? { ...account, createdAt: new Date(account.createdAt) } : null
}

const lockAndRead = statement<{ userId: string }, Omit<LockedAccount, 'createdAt'> & { createdAt: string }>(
  ({ userId }) => sql`
    select id, role, password_hash as "passwordHash", email_sealed as "emailSealed", name, locale, created_at as "createdAt",
      banned_at is not null as banned, erased_at is not null as erased, erase_after is not null as leaving
    from users where id = ${userId} for no key update`,
)

/**
 * May this account have another session? A ban, an erasure or a new role either comes before the lock and is seen, or after
 * the session is there and ends it. Signing in keeps an account that was to be erased (control C7).
 * @throws PermissionDenied account_banned; Unauthenticated invalid_credentials where it is gone
 */
export async function demandStanding(ctx: Ctx, tx: Tx, account: LockedAccount | null): Promise<LockedAccount> {
  if (!account || account.erased) throw new Unauthenticated('invalid_credentials', 'The e-mail address or the password is wrong.')
  if (account.banned) throw new PermissionDenied('account_banned', 'This account has been banned.')
  if (account.leaving) await keep(ctx, tx, account)
  return account
}

async function keep(ctx: Ctx, tx: Tx, account: LockedAccount): Promise<void> {
  await tx.update(users).set({ eraseAfter: null }).where(eq(users.id, account.id))
  await ctx.audit(tx, { action: 'user.keep', target: { kind: 'user', id: account.id } })
  const { email, locale: language } = shownUser(ctx, account)
  await ctx.mailer.queue(tx, { to: email, ...deletionCancelled(language) })
}
