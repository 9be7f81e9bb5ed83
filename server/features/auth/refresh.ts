import type { z } from 'zod'
import type { Tx } from '../../../db/client.ts'
import type { Ctx } from '../../kit/context.ts'
import { Unauthenticated } from '../../kit/errors.ts'
import { userById } from '../users/users.ts'
import type { Refresh, Session } from './contract.ts'
import { keptSuccessor, lockPresented, newRefreshToken, spend, type Presented, type RefreshToken } from './refresh-tokens.ts'
import { judge } from './rotation.ts'
import { endSession, validateAppSession, type SessionFacts } from './sessions.ts'
import { tokensWith } from './tokens.ts'

type Refusal = 'refresh_token_invalid' | 'refresh_token_expired' | 'refresh_token_revoked' | 'refresh_token_reused'

/**
 * Spends a refresh token for its successor; the same successor once more for someone whom the answer did not reach.
 * Reuse beyond that ends the session (control A3).
 * @throws Unauthenticated with one of the four refresh_token_* codes (control A16).
 */
export async function refresh(ctx: Ctx, { refreshToken }: z.infer<typeof Refresh>): Promise<z.infer<typeof Session>> {
  const outcome = await ctx.db.transaction(async (tx) => {
    const presented = await lockPresented(tx, refreshToken)
    const verdict = judge(presented, ctx.now())
    if (!presented || verdict === 'invalid') return 'refresh_token_invalid'
    if (verdict === 'reuse') return endReused(ctx, tx, presented)
    if (verdict === 'expired' || verdict === 'revoked') return `refresh_token_${verdict}` as const

    const session = await validateAppSession(ctx, tx, presented.sessionRowId)
    if (!session) return 'refresh_token_revoked'
    const next = verdict === 'replay' ? keptSuccessor(presented, refreshToken) : await successorOf(ctx, tx, { id: presented.id, token: refreshToken }, session)
    return { user: await userById(ctx, tx, session.userId), tokens: tokensWith(ctx, { role: session.role, session }, next) }
  })
  // thrown only now: the end of a session whose token was reused has to be committed
  if (typeof outcome === 'string') throw new Unauthenticated(outcome, refusals[outcome])
  return { status: 'signed_in', mfa: null, deviceToken: null, ...outcome }
}

const refusals: Record<Refusal, string> = {
  refresh_token_invalid: 'The refresh token is not known.',
  refresh_token_expired: 'The refresh token has expired. Sign in again.',
  refresh_token_revoked: 'The session of this refresh token has ended. Sign in again.',
  refresh_token_reused: 'This refresh token was used before, so its session has been ended. Sign in again.',
}

async function successorOf(ctx: Ctx, tx: Tx, presented: { id: string; token: string }, session: SessionFacts): Promise<RefreshToken> {
  const next = await newRefreshToken(ctx, tx, session)
  await spend(ctx, tx, presented, next)
  return next
}

async function endReused(ctx: Ctx, tx: Tx, { sessionPublicId }: Presented): Promise<Refusal> {
  const ended = await endSession(ctx, tx, sessionPublicId, 'refresh_reused')
  // someone else ended it since it was read
  if (ended.length === 0) return 'refresh_token_revoked'
  await ctx.audit(tx, { action: 'session.refresh_reused', target: { kind: 'session', id: sessionPublicId } })
  return 'refresh_token_reused'
}
