import type { z } from 'zod'
import type { Tx } from '../../../db/client.ts'
import type { Deps } from '../../kit/context.ts'
import type { Role } from '../../kit/permissions.ts'
import { signAccessToken } from './access-tokens.ts'
import type { Tokens } from './contract.ts'
import { newRefreshToken, type RefreshToken } from './refresh-tokens.ts'
import type { SessionFacts } from './sessions.ts'

type Subject = { role: Role; session: SessionFacts }

/** A new access token and the session's first refresh token (control A3). */
export async function issueTokens(deps: Deps, tx: Tx, subject: Subject): Promise<z.infer<typeof Tokens> & { refreshToken: string }> {
  return tokensOf(signAccessToken(deps, subject), await newRefreshToken(deps, tx, subject.session))
}

/** A new access token beside a refresh token that is there already. */
export function tokensWith(deps: Deps, subject: Subject, refreshToken: RefreshToken): z.infer<typeof Tokens> & { refreshToken: string } {
  return tokensOf(signAccessToken(deps, subject), refreshToken)
}

const tokensOf = (access: ReturnType<typeof signAccessToken>, refreshToken: RefreshToken) => ({
  accessToken: access.token,
  accessTokenExpiresAt: access.expiresAt.toISOString(),
  refreshToken: refreshToken.token,
  refreshTokenExpiresAt: refreshToken.expiresAt.toISOString(),
  tokenType: 'Bearer' as const,
})
