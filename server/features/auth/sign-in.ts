import type { z } from 'zod'
import type { Authed, Ctx } from '../../kit/context.ts'
import { PermissionDenied } from '../../kit/errors.ts'
import { isStaff } from '../../kit/permissions.ts'
import { userById } from '../users/users.ts'
import { authenticate, demandUnchanged } from './authenticate.ts'
import type { Session, SignIn } from './contract.ts'
import { endSession, openSession, type NewSession } from './sessions.ts'
import { issueTokens } from './tokens.ts'

/** Signs an app in. @throws Unauthenticated invalid_credentials for everything; PermissionDenied account_banned after a right password. */
export async function signIn(ctx: Ctx, input: z.infer<typeof SignIn>): Promise<z.infer<typeof Session>> {
  const user = await authenticate(ctx, input)
  return ctx.db.transaction(async (tx) => {
    await demandUnchanged(tx, user)
    const session = await openSession(ctx, tx, { userId: user.id, kind: 'app', methods: ['password'], device: { ...input.device, id: user.deviceId } })
    // on one connection: sent together, answered in this order
    const [tokens, account] = await Promise.all([
      issueTokens(ctx, tx, { role: user.role, session }),
      userById(ctx, tx, user.id),
      ctx.audit(tx, { action: 'session.start', target: { kind: 'session', id: session.publicId }, details: { kind: 'app' } }),
    ])
    return { status: 'signed_in' as const, user: account, tokens, deviceToken: session.deviceToken }
  })
}

/** Signs a member of staff in to the console; the caller makes the cookie from `cookieId`. */
export async function signInToConsole(ctx: Ctx, input: z.infer<typeof SignIn>): Promise<NewSession> {
  const user = await authenticate(ctx, input)
  if (!isStaff(user.role)) throw new PermissionDenied('permission_denied', 'This account has no access to the console.')
  return ctx.db.transaction(async (tx) => {
    await demandUnchanged(tx, user)
    const session = await openSession(ctx, tx, { userId: user.id, kind: 'console', methods: ['password'], device: { ...input.device, id: user.deviceId } })
    await ctx.audit(tx, { action: 'session.start', target: { kind: 'session', id: session.publicId }, details: { kind: 'console' } })
    return session
  })
}

/** Ends the caller's session, and with it its tokens and streams. */
export async function signOut(ctx: Authed): Promise<void> {
  await ctx.db.transaction(async (tx) => {
    const ended = await endSession(ctx, tx, ctx.actor.sessionId, 'sign_out')
    if (ended.length > 0) await ctx.audit(tx, { action: 'session.end', target: { kind: 'session', id: ctx.actor.sessionId } })
  })
}
