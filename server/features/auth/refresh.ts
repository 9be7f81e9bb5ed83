import { and, eq, gt, isNull } from 'drizzle-orm'
import type { z } from 'zod'
import type { Tx } from '../../../db/client.ts'
import { refreshTokens, sessions } from '../../../db/schema/index.ts'
import type { Ctx } from '../../kit/context.ts'
import { Unauthenticated } from '../../kit/errors.ts'
import { tokenHash } from '../../kit/secret-tokens.ts'
import { userById } from '../users/users.ts'
import type { Refresh, Session } from './contract.ts'
import { endSession, validateAppSession } from './sessions.ts'
import { issueTokens } from './tokens.ts'

type Refusal = 'refresh_token_invalid' | 'refresh_token_expired' | 'refresh_token_revoked' | 'refresh_token_reused'

/**
 * Spends a refresh token for its successor. Of many who present the same one, the conditional UPDATE lets one through;
 * a token presented after it was spent ends its session (RFC 9700 section 4.14.2).
 * @throws Unauthenticated with one of the four refresh_token_* codes.
 */
export async function refresh(ctx: Ctx, { refreshToken }: z.infer<typeof Refresh>): Promise<z.infer<typeof Session>> {
  const outcome = await ctx.db.transaction(async (tx) => {
    const now = ctx.now()
    const hash = tokenHash(refreshToken)
    const [spent] = await tx
      .update(refreshTokens)
      .set({ spentAt: now })
      .where(and(eq(refreshTokens.tokenHash, hash), isNull(refreshTokens.spentAt), gt(refreshTokens.expiresAt, now)))
      .returning({ sessionId: refreshTokens.sessionId })
    if (!spent) return whyNot(ctx, tx, hash)

    const session = await validateAppSession(ctx, tx, spent.sessionId)
    if (!session) return 'refresh_token_revoked' satisfies Refusal
    const tokens = await issueTokens(ctx, tx, { role: session.role, session })
    return { status: 'signed_in' as const, user: await userById(ctx, tx, session.userId), tokens, mfa: null }
  })
  // thrown only now: the end of a session whose token was reused has to be committed
  if (typeof outcome === 'string') throw new Unauthenticated(outcome, refusals[outcome])
  return outcome
}

const refusals: Record<Refusal, string> = {
  refresh_token_invalid: 'The refresh token is not known.',
  refresh_token_expired: 'The refresh token has expired. Sign in again.',
  refresh_token_revoked: 'The session of this refresh token has ended. Sign in again.',
  refresh_token_reused: 'This refresh token was used before, so its session has been ended. Sign in again.',
}

async function whyNot(ctx: Ctx, tx: Tx, hash: Uint8Array): Promise<Refusal> {
  const [token] = await tx
    .select({ spentAt: refreshTokens.spentAt, publicId: sessions.publicId })
    .from(refreshTokens)
    .innerJoin(sessions, eq(sessions.id, refreshTokens.sessionId))
    .where(eq(refreshTokens.tokenHash, hash))
  if (!token) return 'refresh_token_invalid'
  if (!token.spentAt) return 'refresh_token_expired'
  const ended = await endSession(ctx, tx, token.publicId, 'refresh_reused')
  if (ended.length === 0) return 'refresh_token_revoked'
  await ctx.audit(tx, { action: 'session.refresh_reused', target: { kind: 'session', id: token.publicId } })
  return 'refresh_token_reused'
}
