import { and, eq, isNull } from 'drizzle-orm'
import type { z } from 'zod'
import { users } from '../../../db/schema/index.ts'
import type { Ctx } from '../../kit/context.ts'
import { forgetGuesses } from '../../kit/guesses.ts'
import { lookupOf, normaliseEmail, ownerOf } from '../users/users.ts'
import type { Flow, ForgotPassword, ResetPassword } from './contract.ts'
import { forgetDevices } from './devices.ts'
import { addressOfFlow, beginFlow, codeInvalid, codeMinutes, mayMail, openFlow, takeCodeGuess } from './email-flows.ts'
import { localeOf, passwordChanged, passwordResetCode } from './mails.ts'
import { demandStrongPassword } from './password-rules.ts'
import { endSessionsOfUser } from './sessions.ts'

/** Mails a code for a new password, if the address has an account that may sign in. The answer and the work are the same for all (control A7). */
export async function forgotPassword(ctx: Ctx, input: z.infer<typeof ForgotPassword>): Promise<z.infer<typeof Flow>> {
  const email = normaliseEmail(input.email)
  const emailLookup = lookupOf(ctx, email)
  const mailable = await mayMail(ctx, emailLookup)
  return ctx.db.transaction(async (tx) => {
    const owner = await ownerOf(tx, emailLookup)
    const opens = owner !== null && !owner.banned
    const locale = localeOf(owner?.locale ?? 'en')
    const letter = (code: string) => passwordResetCode(locale, { code, minutes: codeMinutes })
    return beginFlow(ctx, tx, mailable, { kind: 'password_reset', email, locale, opens, dropped: !opens, userId: opens ? owner.id : null, letter })
  })
}

/**
 * Sets a new password by a mailed code, and ends every session of the person: whoever had the old password is out.
 * @throws Invalid for a weak password, which takes no try; AppError 401 code_invalid
 */
export async function resetPassword(ctx: Ctx, { flowId, code, newPassword }: z.infer<typeof ResetPassword>): Promise<void> {
  const email = await addressOfFlow(ctx, 'password_reset', flowId)
  await demandStrongPassword(ctx, newPassword, { email: email ?? '', field: 'newPassword' })
  const passwordHash = await ctx.passwords.hash(newPassword)
  const guess = await takeCodeGuess(ctx, flowId)
  const done = await ctx.db.transaction(async (tx) => {
    const flow = await openFlow(ctx, tx, { kind: 'password_reset', flowId, code, guess })
    if (!flow?.userId) return false
    const { userId, emailLookup } = flow
    const [user] = await tx
      .update(users)
      .set({ passwordHash })
      .where(and(eq(users.id, userId), eq(users.emailLookup, emailLookup), isNull(users.bannedAt), isNull(users.erasedAt)))
      .returning({ locale: users.locale })
    // banned or moved to another address since the code went out
    if (!user) return false
    await endSessionsOfUser(ctx, tx, userId, 'password_reset')
    // what strangers tried at the old password does not keep its owner waiting, and no device is known any more
    await forgetGuesses(ctx, tx, { pace: 'account', of: flow.email })
    await forgetDevices(ctx, tx, userId)
    await ctx.audit(tx, { action: 'user.reset_password', target: { kind: 'user', id: userId } })
    await ctx.mailer.queue(tx, { to: flow.email, ...passwordChanged(localeOf(user.locale)) })
    return true
  })
  if (!done) throw codeInvalid()
}
