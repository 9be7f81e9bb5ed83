import { and, eq, isNull, notExists } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import type { z } from 'zod'
import { users } from '../../../db/schema/index.ts'
import type { Authed } from '../../kit/context.ts'
import { Invalid } from '../../kit/errors.ts'
import { lookupOf, maskEmail, normaliseEmail, ownerOf, userById } from '../users/users.ts'
import type { ChangeEmail, ConfirmEmailChange, Flow } from './contract.ts'
import { beginFlow, codeInvalid, codeMinutes, leaveAddress, mayMail, openFlow, takeCodeGuess } from './email-flows.ts'
import { alreadyRegistered, emailChangeCode, emailChanged, localeOf } from './mails.ts'

/**
 * Mails a code to the new address. One that has an account already gets the same answer after the same work,
 * and its owner a mail that says so (control A7).
 * @throws Invalid for the address that the account has
 */
export async function changeEmail(ctx: Authed, { newEmail }: z.infer<typeof ChangeEmail>): Promise<z.infer<typeof Flow>> {
  const email = normaliseEmail(newEmail)
  const emailLookup = lookupOf(ctx, email)
  const { userId } = ctx.actor
  const mailable = await mayMail(ctx, emailLookup)
  return ctx.db.transaction(async (tx) => {
    const { locale, email: present } = await userById(ctx, tx, userId)
    if (email === present) throw new Invalid([{ path: 'newEmail', message: 'is your address already' }])
    const owner = await ownerOf(tx, emailLookup)
    const letter = (code: string) => (owner ? alreadyRegistered(localeOf(owner.locale)) : emailChangeCode(locale, { code, minutes: codeMinutes }))
    return beginFlow(ctx, tx, mailable, { kind: 'email_change', email, locale, opens: !owner, userId, letter })
  })
}

/**
 * Moves the caller's account to the address that the code went to, and tells the old one. Codes that went to the old one end.
 * @throws AppError 401 code_invalid, also for another person's flow and an address that was taken meanwhile
 */
export async function confirmEmailChange(ctx: Authed, { flowId, code }: z.infer<typeof ConfirmEmailChange>): Promise<void> {
  const { userId } = ctx.actor
  const taken = alias(users, 'taken')
  const guess = await takeCodeGuess(ctx, flowId)
  const done = await ctx.db.transaction(async (tx) => {
    const flow = await openFlow(ctx, tx, { kind: 'email_change', flowId, code, userId, guess })
    if (!flow) return false
    const { email, emailLookup } = flow
    const before = await userById(ctx, tx, userId)
    const free = notExists(tx.select({ id: taken.id }).from(taken).where(eq(taken.emailLookup, emailLookup)))
    const [moved] = await tx
      .update(users)
      .set({ emailLookup, emailSealed: ctx.sealer.seal('column', `users/${userId}`, email) })
      .where(and(eq(users.id, userId), isNull(users.bannedAt), isNull(users.erasedAt), free))
      .returning({ id: users.id })
    if (!moved) return false
    await leaveAddress(ctx, tx, { userId, email: before.email })
    await ctx.audit(tx, { action: 'user.change_email', target: { kind: 'user', id: userId } })
    await ctx.mailer.queue(tx, { to: before.email, ...emailChanged(before.locale, { to: maskEmail(email) }) })
    return true
  })
  if (!done) throw codeInvalid()
}
