import { and, eq } from 'drizzle-orm'
import type { z } from 'zod'
import { users } from '../../../db/schema/index.ts'
import type { Authed } from '../../kit/context.ts'
import { Conflict, NotFound, PermissionDenied } from '../../kit/errors.ts'
import type { ChangePassword } from './contract.ts'
import { forgetOtherDevices } from './devices.ts'
import { endFlows } from './email-flows.ts'
import { localeOf, passwordChanged } from './mails.ts'
import { matchesOwnPassword } from './own-password.ts'
import { demandStrongPassword } from './password-rules.ts'
import { endOtherSessionsOfUser } from './sessions.ts'

type Account = { id: string; email: string; name: string | null; locale: string; passwordHash: string }

/**
 * Another password for the caller. Every other session ends (control A4), every other device is a stranger, and a mail says so. Of this, a reset and other
 * changes at the same time, one wins: the hash that was compared must still be there.
 * @throws Invalid for a weak one; PermissionDenied 403 current_password_wrong; RateLimited; Conflict 409 password_changed
 */
export async function changePassword(ctx: Authed, { currentPassword, newPassword }: z.infer<typeof ChangePassword>): Promise<void> {
  const account = await accountOf(ctx)
  await demandStrongPassword(ctx, newPassword, { email: account.email, name: account.name, field: 'newPassword' })
  await demandOwnPassword(ctx, account, currentPassword)
  const passwordHash = await ctx.passwords.hash(newPassword)
  await ctx.db.transaction(async (tx) => {
    const [changed] = await tx
      .update(users)
      .set({ passwordHash })
      .where(and(eq(users.id, account.id), eq(users.passwordHash, account.passwordHash)))
      .returning({ id: users.id })
    if (!changed) throw new Conflict('The password was changed meanwhile.', 'password_changed')
    // a code that was mailed for another password must not undo this one
    await endFlows(ctx, tx, { userId: account.id })
    const ended = await endOtherSessionsOfUser(ctx, tx, ctx.actor, 'password_change')
    await forgetOtherDevices(ctx, tx, ctx.actor)
    await ctx.audit(tx, { action: 'user.change_password', target: { kind: 'user', id: account.id }, details: { endedSessions: ended.length } })
    await ctx.mailer.queue(tx, { to: account.email, ...passwordChanged(localeOf(account.locale)) })
  })
}

/** A guess like that of a sign-in: refused ones are audited. 403 and not 401: the caller is signed in, and a refresh would not help. */
async function demandOwnPassword(ctx: Authed, { id, passwordHash }: Account, password: string): Promise<void> {
  if (await matchesOwnPassword(ctx, passwordHash, password)) return
  await ctx.db.transaction((tx) => ctx.audit(tx, { action: 'user.password_refused', target: { kind: 'user', id } }))
  throw new PermissionDenied('current_password_wrong', 'The current password is wrong.')
}

async function accountOf({ db, sealer, actor: { userId: id } }: Authed): Promise<Account> {
  const [row] = await db.select({ emailSealed: users.emailSealed, name: users.name, locale: users.locale, passwordHash: users.passwordHash }).from(users).where(eq(users.id, id))
  if (!row?.emailSealed || row.passwordHash === null) throw new NotFound('account')
  const { emailSealed, passwordHash, ...rest } = row
  return { ...rest, id, passwordHash, email: sealer.openText('column', `users/${id}`, emailSealed) }
}
