import type { z } from 'zod'
import type { Authed, Ctx } from '../../kit/context.ts'
import { PermissionDenied } from '../../kit/errors.ts'
import { isStaff } from '../../kit/permissions.ts'
import { demandFactor } from '../factors/factors.ts'
import { authenticate, demandUnchanged } from './authenticate.ts'
import { completeSignIn, startSession } from './complete-sign-in.ts'
import type { MfaChallenge, Session, SignIn } from './contract.ts'
import { endSession, type NewSession } from './sessions.ts'

/**
 * Signs an app in, or asks for the second factor of who has one: no session and no token before it is proved.
 * @throws Unauthenticated invalid_credentials for everything; PermissionDenied account_banned after a right password.
 */
export async function signIn(ctx: Ctx, input: z.infer<typeof SignIn>): Promise<z.infer<typeof Session>> {
  const user = await authenticate(ctx, input)
  return ctx.db.transaction(async (tx) => {
    const { account, factors } = await demandUnchanged(tx, user)
    const device = { ...input.device, id: user.deviceId }
    const mfa = await demandFactor(ctx, tx, { userId: user.id, factors, sessionKind: 'app', device })
    if (mfa) return { status: 'mfa_required' as const, user: null, tokens: null, mfa, deviceToken: null }
    return completeSignIn(ctx, tx, { userId: user.id, account, methods: ['password'], device })
  })
}

/** The caller makes the cookie from `session.cookieId`, or asks for the second factor. */
export type ConsoleSignIn = { session: NewSession; mfa: null } | { session: null; mfa: z.infer<typeof MfaChallenge> }

/** Signs a member of staff in to the console, or asks for the second factor (finishConsoleSignIn). */
export async function signInToConsole(ctx: Ctx, input: z.infer<typeof SignIn>): Promise<ConsoleSignIn> {
  const user = await authenticate(ctx, input)
  if (!isStaff(user.role)) {
    await user.guess.forgive(ctx.db)
    throw new PermissionDenied('permission_denied', 'This account has no access to the console.')
  }
  return ctx.db.transaction(async (tx) => {
    const { account, factors } = await demandUnchanged(tx, user)
    const device = { ...input.device, id: user.deviceId }
    const mfa = await demandFactor(ctx, tx, { userId: user.id, factors, sessionKind: 'console', device })
    if (mfa) return { session: null, mfa }
    return { session: await startSession(ctx, tx, { userId: user.id, account, kind: 'console', methods: ['password'], device }), mfa: null }
  })
}

/** Ends the caller's session, and with it its tokens and streams. */
export async function signOut(ctx: Authed): Promise<void> {
  await ctx.db.transaction(async (tx) => {
    const ended = await endSession(ctx, tx, ctx.actor.sessionId, 'sign_out')
    if (ended.length > 0) await ctx.audit(tx, { action: 'session.end', target: { kind: 'session', id: ctx.actor.sessionId } })
  })
}
