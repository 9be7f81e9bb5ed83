import type { FastifyRequest } from 'fastify'
import { createTokenVerifier } from '../features/auth/access-tokens.ts'
import { findApiKey } from '../features/api-keys/api-keys.ts'
import { auditFor } from '../kit/audit.ts'
import type { Actor, Ctx, Deps, RequestInfo } from '../kit/context.ts'
import { AppError, Invalid, Unauthenticated } from '../kit/errors.ts'

/** The context of a call: the dependencies, who calls, and the request it came by. */
export function createCtx(deps: Deps, actor: Actor, request: RequestInfo): Ctx {
  return { ...deps, actor, request, audit: auditFor(deps, actor, request) }
}

export function requestInfo(request: FastifyRequest): RequestInfo {
  return { id: request.id, ip: request.ip, headers: {}, idempotencyKey: idempotencyKeyOf(request) }
}

/** Any printable ASCII (draft-ietf-httpapi-idempotency-key-header); one too long is told, since cut short it could be another's. */
function idempotencyKeyOf({ headers }: FastifyRequest): string | null {
  const key = headers['idempotency-key']
  if (key === undefined || key === '') return null
  if (typeof key !== 'string' || !/^[\x20-\x7e]{1,200}$/.test(key)) throw new Invalid([{ path: 'Idempotency-Key', message: 'must be 1 to 200 printable ASCII characters' }])
  return key
}

/**
 * Who calls, by bearer token or API key. Cookies are not looked at. Bad credentials make an anonymous actor
 * that carries the refusal: public procedures still answer, the others say what was wrong.
 */
export function createActorReader(deps: Deps): (request: FastifyRequest) => Promise<Actor> {
  const verify = createTokenVerifier(deps)
  return async ({ headers }) => {
    try {
      const { authorization } = headers
      if (authorization !== undefined) {
        const token = /^Bearer ([\w.~+/=-]{1,4096})$/i.exec(authorization)?.[1]
        if (!token) throw new Unauthenticated('access_token_invalid', 'The Authorization header must be "Bearer" and an access token.')
        return await verify(token)
      }
      const apiKey = headers['x-api-key']
      if (typeof apiKey === 'string') {
        const actor = await findApiKey(deps, apiKey)
        if (!actor) throw new Unauthenticated('api_key_invalid', 'The API key is unknown, expired or revoked.')
        return actor
      }
      return { kind: 'anonymous' }
    } catch (error) {
      if (error instanceof AppError && error.status === 401) return { kind: 'anonymous', refusal: error }
      throw error
    }
  }
}
