import type { z } from 'zod'
import type { Ctx } from '../../kit/context.ts'
import { PermissionDenied } from '../../kit/errors.ts'
import { openInvite, takeInvite } from '../invites/invites.ts'
import { insertUser, lookupOf, normaliseEmail, ownerOf, shownUser } from '../users/users.ts'
import type { Flow, Session, SignUp, VerifyEmail } from './contract.ts'
import { beginFlow, codeInvalid, codeMinutes, mayMail, openFlow, settleSignUp, takeCodeGuess } from './email-flows.ts'
import { alreadyRegistered, localeOf, signUpCode } from './mails.ts'
import { demandStrongPassword } from './password-rules.ts'
import { openSession } from './sessions.ts'
import { issueTokens } from './tokens.ts'

/**
 * Begins an account: a code goes out by mail. A known address gets the same answer after the same work,
 * and a mail that says so instead of a code (control A7).
 * @throws PermissionDenied sign_up_closed or invite_invalid, by the server's policy
 */
export async function signUp(ctx: Ctx, input: z.infer<typeof SignUp>): Promise<z.infer<typeof Flow>> {
  const inviteId = await admit(ctx, input.inviteCode)
  await demandStrongPassword(ctx, input.password, input)
  const email = normaliseEmail(input.email)
  const emailLookup = lookupOf(ctx, email)
  const passwordHash = await ctx.passwords.hash(input.password)
  const mailable = await mayMail(ctx, emailLookup)
  return ctx.db.transaction(async (tx) => {
    const owner = await ownerOf(tx, emailLookup)
    const locale = input.locale ?? 'en'
    return beginFlow(ctx, tx, mailable, {
      kind: 'sign_up',
      email,
      locale,
      opens: !owner,
      letter: (code) => (owner ? alreadyRegistered(localeOf(owner.locale)) : signUpCode(locale, { code, minutes: codeMinutes })),
      inviteId,
      name: input.name ?? null,
      passwordHash,
    })
  })
}

/** Lets in whom the policy lets in. @returns the invite that the account will use up */
async function admit(ctx: Ctx, inviteCode: string | undefined): Promise<string | null> {
  if (ctx.config.signUpPolicy === 'closed') throw new PermissionDenied('sign_up_closed', 'This server takes no new accounts.')
  return ctx.config.signUpPolicy === 'invite' ? openInvite(ctx, inviteCode) : null
}

/**
 * Opens the account of one flow by its code, with the password of that flow.
 * @throws AppError 401 code_invalid; PermissionDenied invite_invalid when somebody else used the invite meanwhile
 */
export async function verifyEmail(ctx: Ctx, { flowId, code, device }: z.infer<typeof VerifyEmail>): Promise<z.infer<typeof Session>> {
  const guess = await takeCodeGuess(ctx, flowId)
  const session = await ctx.db.transaction(async (tx) => {
    const flow = await openFlow(ctx, tx, { kind: 'sign_up', flowId, code, guess })
    if (!flow?.passwordHash) return null
    const { email, name, locale, passwordHash, inviteId } = flow
    const userId = await insertUser(ctx, tx, { email, name, locale, role: 'user', passwordHash })
    // an account of this address was made in another way
    if (!userId) return null
    await settleSignUp(tx, flowId, userId)
    if (inviteId) await takeInvite(ctx, tx, inviteId, userId)
    await ctx.audit(tx, { action: 'user.sign_up', target: { kind: 'user', id: userId } })
    const opened = await openSession(ctx, tx, { userId, kind: 'app', methods: ['password'], device })
    const tokens = await issueTokens(ctx, tx, { role: 'user', session: opened })
    return { status: 'signed_in' as const, user: shownUser(ctx, opened.account), tokens, mfa: null, deviceToken: opened.deviceToken }
  })
  if (!session) throw codeInvalid()
  return session
}
