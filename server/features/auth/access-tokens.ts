import { sign } from 'node:crypto'
import { decodeProtectedHeader, errors, jwtVerify } from 'jose'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import type { Deps, UserActor } from '../../kit/context.ts'
import { Unauthenticated } from '../../kit/errors.ts'
import type { SigningKey } from '../../kit/keys.ts'
import { roles, type Role } from '../../kit/permissions.ts'
import { signInMethods } from '../../../db/schema/index.ts'
import type { SessionFacts } from './sessions.ts'

export const accessTokenMinutes = 15
const audience = 'torrent-streamer'
const clockToleranceSeconds = 5

/** A `cnf` (RFC 9449, section 6.1) would be one more line here, and one where the verifier makes the actor. */
const Claims = z.object({
  sub: z.uuid(), sid: z.uuid(), jti: z.uuid(), role: z.enum(roles), iat: z.int(), nbf: z.int(), exp: z.int(),
  auth_time: z.int(), amr: z.array(z.enum(signInMethods)),
})
type Verified = { claims: z.infer<typeof Claims>; keyId: string }

type TokenDeps = Pick<Deps, 'keys' | 'now' | 'newId' | 'publicUrl'>

/** A JWT access token (RFC 9068): ES256, 15 minutes, and never longer than its session. `auth_time` and `amr` say when and by what the person last proved who they are. */
export function signAccessToken(deps: TokenDeps, { role, session }: { role: Role; session: SessionFacts }): { token: string; expiresAt: Date } {
  const iat = Math.floor(deps.now().getTime() / 1000)
  const exp = Math.min(iat + accessTokenMinutes * 60, Math.floor(session.absoluteExpiresAt.getTime() / 1000))
  const auth_time = Math.floor(session.authenticatedAt.getTime() / 1000)
  const claims = { sid: session.publicId, role, auth_time, amr: session.methods, iss: deps.publicUrl(), aud: audience, sub: session.userId, jti: deps.newId(), iat, nbf: iat, exp }
  return { token: signCompact(deps.keys.signing(), claims), expiresAt: new Date(exp * 1000) }
}

/**
 * A compact JWS (RFC 7515 section 7.1) by ES256, whose signature is r and s and not their DER (RFC 7518 section 3.4). In this thread: it
 * takes 40 µs, and the turn through the pool of threads that WebCrypto makes of it cost a sign-in 0.25 ms.
 */
function signCompact({ id, privateKey }: SigningKey, claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const input = `${part({ alg: 'ES256', typ: 'at+jwt', kid: id })}.${part(claims)}`
  return `${input}.${sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

/**
 * Who a bearer token stands for. Signatures already seen good are not verified again (about 120 µs each);
 * times, the session's end and whether the key was dropped are looked at every time.
 * @throws Unauthenticated access_token_invalid, access_token_expired or session_ended (control A16).
 */
export function createTokenVerifier(deps: TokenDeps & Pick<Deps, 'revocations'>): (token: string) => Promise<UserActor> {
  const verified = new LRUCache<string, Verified>({ max: 5_000 })
  return async (token) => {
    const before = verified.get(token)
    if (before && !(await deps.keys.verifying(before.keyId))) throw invalid()
    const { claims, keyId } = before ?? (await verify(deps, token))
    const now = deps.now().getTime() / 1000
    if (claims.exp + clockToleranceSeconds <= now) throw expired()
    if (claims.nbf - clockToleranceSeconds > now) throw invalid()
    verified.set(token, { claims, keyId })
    if (await deps.revocations.sessionEnded(claims.sid)) throw new Unauthenticated('session_ended', 'This session has ended. Sign in again.')
    return { kind: 'user', userId: claims.sub, sessionId: claims.sid, role: claims.role, authenticatedAt: new Date(claims.auth_time * 1000), methods: claims.amr }
  }
}

async function verify(deps: TokenDeps, token: string): Promise<Verified> {
  const keyId = keyIdOf(token)
  const key = keyId === null ? null : await deps.keys.verifying(keyId)
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
    return { claims: Claims.parse(payload), keyId: key.id }
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
