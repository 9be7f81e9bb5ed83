import type { Tx } from '../../../db/client.ts'
import { refreshTokens } from '../../../db/schema/index.ts'
import type { Deps } from '../../kit/context.ts'
import type { Role } from '../../kit/permissions.ts'
import { secretToken, tokenHash } from '../../kit/secret-tokens.ts'
import { signAccessToken } from './access-tokens.ts'
import { lifetimes } from './lucia.ts'
import type { SessionFacts } from './sessions.ts'

type Subject = { role: Role; session: SessionFacts }

/** A new access token and the session's next refresh token; only the hash of the latter is stored (control A3). */
export async function issueTokens(deps: Deps, tx: Tx, { role, session }: Subject) {
  const refreshToken = secretToken(deps.randomBytes, 'tsr_')
  const createdAt = deps.now()
  const idleEnd = createdAt.getTime() + lifetimes.app.idle.milliseconds()
  const expiresAt = new Date(Math.min(idleEnd, session.absoluteExpiresAt.getTime()))
  await tx.insert(refreshTokens).values({ id: deps.newId(), sessionId: session.rowId, tokenHash: tokenHash(refreshToken), createdAt, expiresAt })
  const access = await signAccessToken(deps, { role, session })
  return {
    accessToken: access.token,
    accessTokenExpiresAt: access.expiresAt.toISOString(),
    refreshToken,
    refreshTokenExpiresAt: expiresAt.toISOString(),
    tokenType: 'Bearer' as const,
  }
}
