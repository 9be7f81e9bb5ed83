import { and, eq } from 'drizzle-orm'
import type { z } from 'zod'
import { authChallenges, users } from '../../../db/schema/index.ts'
import type { Authed } from '../../kit/context.ts'
import { Conflict, Invalid } from '../../kit/errors.ts'
import { waysToStepUp } from '../../kit/proofs.ts'
import { matchesOwnPassword, noteProof, signAccessToken } from '../auth/auth.ts'
import type { Session } from '../auth/contract.ts'
import { userById } from '../users/users.ts'
import { answerChallenge, newChallenge } from './challenges.ts'
import type { BeginStepUp, FinishStepUp, StepUpChallenge } from './contract.ts'
import { askForPasskey } from './passkeys.ts'
import { proveFactor, type FactorProof } from './prove.ts'

/** Begins to prove once more who one is (control A10). @throws Conflict for a method that would not do */
export async function beginStepUp(ctx: Authed, { method }: z.infer<typeof BeginStepUp>): Promise<z.infer<typeof StepUpChallenge>> {
  const { userId, sessionId } = ctx.actor
  return ctx.db.transaction(async (tx) => {
    if (!(await waysToStepUp(tx, userId)).includes(method)) throw new Conflict('This account cannot be proved by that method.', 'method_not_available')
    const { id, webauthnChallenge, expiresAt } = await newChallenge(ctx, tx, { kind: 'step_up', userId, sessionId, sessionKind: 'app' })
    const passkeyOptions = method === 'passkey' ? await askForPasskey(ctx, tx, { userId, challenge: webauthnChallenge }) : null
    return { challengeId: id, method, needsPassword: method !== 'passkey', passkeyOptions, expiresAt: expiresAt.toISOString() }
  })
}

type Given = Omit<z.infer<typeof FinishStepUp>, 'challengeId'>

/**
 * The session as of now: a passkey, or the password with a code of who has a second factor, or the password alone of who has none.
 * An app gets a fresher access token; its refresh token stays as it is. The console has its cookie.
 * @throws AppError 403 challenge_ended, proof_invalid; Unauthenticated session_ended after failuresOfSession wrong ones in a row;
 * Invalid for a proof that is not whole; RateLimited after wrong passwords of this session
 */
export function finishStepUp(ctx: Authed, { challengeId, ...given }: z.infer<typeof FinishStepUp>): Promise<z.infer<typeof Session>> {
  const { userId, sessionId } = ctx.actor
  const { password, factor } = read(given)
  const purpose = { kind: 'step_up' as const, where: and(eq(authChallenges.userId, userId), eq(authChallenges.sessionId, sessionId)) }
  return answerChallenge(ctx, challengeId, purpose, {
    check: async () => password === undefined || matchesOwnPassword(ctx, await passwordHashOf(ctx), password),
    async prove(tx, { webauthnChallenge }) {
      const ways = await waysToStepUp(tx, userId)
      if (factor ? !(await proveFactor(ctx, tx, { userId, webauthnChallenge }, factor)) : !ways.includes('password')) return null
      const proved = [...(password === undefined ? [] : ['password' as const]), ...(factor ? [factor.method] : [])]
      const session = await noteProof(ctx, tx, ctx.actor, proved, { fresh: true })
      await ctx.audit(tx, { action: 'session.step_up', target: { kind: 'session', id: sessionId }, details: { methods: proved } })
      const user = await userById(ctx, tx, userId)
      const access = session.kind === 'app' ? signAccessToken(ctx, { role: user.role, session }) : null
      const tokens = access && { accessToken: access.token, accessTokenExpiresAt: access.expiresAt.toISOString(), refreshToken: null, refreshTokenExpiresAt: null, tokenType: 'Bearer' as const }
      return { status: 'signed_in' as const, user, tokens, mfa: null, deviceToken: null }
    },
  })
}

/** Either an assertion, or a password with or without a code: six digits are an app's, longer ones are for recovery. */
function read({ password, code, assertion }: Given): { password: string | undefined; factor: FactorProof | null } {
  if (assertion !== undefined) {
    if (password !== undefined || code !== undefined) throw new Invalid([{ path: 'assertion', message: 'is a whole proof: give nothing beside it' }])
    return { password, factor: { method: 'passkey', assertion } }
  }
  if (!password) throw new Invalid([{ path: 'password', message: 'is needed, unless a passkey proves it' }])
  return { password, factor: code === undefined ? null : { method: /^\d{3} ?\d{3}$/.test(code) ? 'totp' : 'recovery_code', code } }
}

async function passwordHashOf(ctx: Authed): Promise<string | null> {
  const [user] = await ctx.db.select({ passwordHash: users.passwordHash }).from(users).where(eq(users.id, ctx.actor.userId))
  return user?.passwordHash ?? null
}
