import { decodeProtectedHeader, jwtVerify, SignJWT, errors } from 'jose'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import type { Deps, UserActor } from '../../kit/context.ts'
import { Unauthenticated } from '../../kit/errors.ts'
import { roles } from '../../kit/permissions.ts'

export const accessTokenMinutes = 15
const audience = 'torrent-streamer'
const clockToleranceSeconds = 5

const Claims = z.object({ sub: z.uuid(), sid: z.uuid(), jti: z.uuid(), role: z.enum(roles), iat: z.int(), nbf: z.int(), exp: z.int() })
type Claims = z.infer<typeof Claims>

type TokenDeps = Pick<Deps, 'keys' | 'now' | 'newId' | 'publicUrl'>

/** A JWT access token (RFC 9068): ES256, 15 minutes. */
export async function signAccessToken(deps: TokenDeps, subject: { userId: string; sessionId: string; role: UserActor['role'] }): Promise<{ token: string; expiresAt: Date }> {
  const key = deps.keys.signing()
  const issuedAt = Math.floor(deps.now().getTime() / 1000)
  const expiresAt = issuedAt + accessTokenMinutes * 60
  const token = await new SignJWT({ sid: subject.sessionId, role: subject.role })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: key.id })
    .setIssuer(deps.publicUrl())
    .setAudience(audience)
    .setSubject(subject.userId)
    .setJti(deps.newId())
    .setIssuedAt(issuedAt)
    .setNotBefore(issuedAt)
    .setExpirationTime(expiresAt)
    .sign(key.privateKey)
  return { token, expiresAt: new Date(expiresAt * 1000) }
}

/**
 * Who a bearer token stands for. Signatures already seen good are not verified again (about 120 µs each);
 * times and the session's end are looked at every time.
 * @throws Unauthenticated access_token_invalid, access_token_expired or session_ended (control A16).
 */
export function createTokenVerifier(deps: TokenDeps & Pick<Deps, 'revocations'>): (token: string) => Promise<UserActor> {
  const verified = new LRUCache<string, Claims>({ max: 5_000 })
  return async (token) => {
    const claims = verified.get(token) ?? (await verify(deps, token))
    const now = deps.now().getTime() / 1000
    if (claims.exp + clockToleranceSeconds <= now) throw expired()
    if (claims.nbf - clockToleranceSeconds > now) throw invalid()
    verified.set(token, claims)
    if (await deps.revocations.sessionEnded(claims.sid)) throw new Unauthenticated('session_ended', 'This session has ended. Sign in again.')
    return { kind: 'user', userId: claims.sub, sessionId: claims.sid, role: claims.role }
  }
}

async function verify(deps: TokenDeps, token: string): Promise<Claims> {
  const kid = keyIdOf(token)
  const key = kid === null ? null : await deps.keys.verifying(kid)
  if (!key) throw invalid()
  try {
    const { payload } = await jwtVerify(token, key.publicKey, {
      algorithms: ['ES256'],
      typ: 'at+jwt',
      issuer: deps.publicUrl(),
      audience,
      currentDate: deps.now(),
      clockTolerance: clockToleranceSeconds,
      // nothing of ours lives longer, whatever its exp says
      maxTokenAge: accessTokenMinutes * 60,
      requiredClaims: ['sub', 'sid', 'jti', 'iat', 'nbf', 'exp'],
    })
    return Claims.parse(payload)
  } catch (error) {
    // jose also says "expired" of what is older than maxTokenAge; that is not a token of ours
    throw error instanceof errors.JWTExpired && error.claim === 'exp' ? expired() : invalid()
  }
}

function keyIdOf(token: string): string | null {
  try {
    const { kid, alg } = decodeProtectedHeader(token)
    return alg === 'ES256' && kid !== undefined && z.uuid().safeParse(kid).success ? kid : null
  } catch {
    return null
  }
}

const invalid = () => new Unauthenticated('access_token_invalid', 'The access token is not valid.')
const expired = () => new Unauthenticated('access_token_expired', 'The access token has expired. Refresh it.')
