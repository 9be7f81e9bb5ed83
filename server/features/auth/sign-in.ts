import { eq } from 'drizzle-orm'
import type { z } from 'zod'
import { users } from '../../../db/schema/index.ts'
import type { Authed, Ctx } from '../../kit/context.ts'
import { PermissionDenied, Unauthenticated } from '../../kit/errors.ts'
import { isStaff } from '../../kit/permissions.ts'
import { lookupOf, normaliseEmail, userById } from '../users/users.ts'
import type { Session, SignIn } from './contract.ts'
import { endSession, openSession, type NewSession } from './sessions.ts'
import { issueTokens } from './tokens.ts'

/** Signs an app in. @throws Unauthenticated invalid_credentials for everything; PermissionDenied account_banned after a right password. */
export async function signIn(ctx: Ctx, input: z.infer<typeof SignIn>): Promise<z.infer<typeof Session>> {
  const user = await authenticate(ctx, input)
  return ctx.db.transaction(async (tx) => {
    const session = await openSession(ctx, tx, user.id, 'app', input.device)
    await ctx.audit(tx, { action: 'session.start', target: { kind: 'session', id: session.publicId }, details: { kind: 'app' } })
    const tokens = await issueTokens(ctx, tx, { userId: user.id, role: user.role, session })
    return { status: 'signed_in' as const, user: await userById(ctx, tx, user.id), tokens }
  })
}

/** Signs a member of staff in to the console; the caller makes the cookie from `cookieId`. */
export async function signInToConsole(ctx: Ctx, input: z.infer<typeof SignIn>): Promise<NewSession> {
  const user = await authenticate(ctx, input)
  if (!isStaff(user.role)) throw new PermissionDenied('permission_denied', 'This account has no access to the console.')
  return ctx.db.transaction(async (tx) => {
    const session = await openSession(ctx, tx, user.id, 'console')
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

async function authenticate(ctx: Ctx, { email, password }: Pick<z.infer<typeof SignIn>, 'email' | 'password'>) {
  const [user] = await ctx.db
    .select({ id: users.id, role: users.role, passwordHash: users.passwordHash, bannedAt: users.bannedAt })
    .from(users)
    .where(eq(users.emailLookup, lookupOf(ctx, normaliseEmail(email))))
  if (!(await ctx.passwords.matches(user?.passwordHash ?? null, password)) || !user) {
    await ctx.db.transaction((tx) => ctx.audit(tx, { action: 'session.refused', ...(user ? { target: { kind: 'user', id: user.id } } : {}) }))
    throw new Unauthenticated('invalid_credentials', 'The e-mail address or the password is wrong.')
  }
  if (user.bannedAt) throw new PermissionDenied('account_banned', 'This account has been banned.')
  return user
}
