import type { z } from 'zod'
import type { Ctx } from '../../kit/context.ts'
import type { ResendCode } from './contract.ts'
import { codeMinutes, lookupOfFlow, mayMail, renewCode, type FlowKind } from './email-flows.ts'
import { emailChangeCode, localeOf, passwordResetCode, signUpCode } from './mails.ts'

const letters = { sign_up: signUpCode, password_reset: passwordResetCode, email_change: emailChangeCode } satisfies Record<FlowKind, unknown>

/**
 * Mails another code in the place of the one before. Whatever becomes of it, the answer and the work are the same: also for a flow
 * that is unknown, used, too old or sent too often, and for one that nothing opens (control A7).
 */
export async function resendCode(ctx: Ctx, { flowId }: z.infer<typeof ResendCode>): Promise<z.infer<typeof ResendCode>> {
  const mailable = await mayMail(ctx, await lookupOfFlow(ctx, flowId))
  await ctx.db.transaction(async (tx) => {
    const flow = await renewCode(ctx, tx, flowId, mailable)
    const { kind, locale, email, code } = flow ?? nobody
    const letter = letters[kind](localeOf(locale), { code, minutes: codeMinutes })
    await ctx.mailer.queue(tx, { to: email, ...letter, dropped: !mailable || !flow?.opens })
  })
  return { flowId }
}

const nobody = { kind: 'sign_up', locale: 'en', email: 'nobody@invalid', code: '00000000' } as const
