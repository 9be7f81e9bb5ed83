import { initTRPC } from '@trpc/server'
import type { ApiKeyActor, Authed, Ctx, UserActor, WithApiKey } from './context.ts'
import { PermissionDenied, problemOf, toAppError, toTrpcError, Unauthenticated } from './errors.ts'
import { addressKey, type LimitClass } from './limits.ts'
import { roleMay, type Permission, type Scope } from './permissions.ts'
import { demandFresh, demandSecondFactor } from './proofs.ts'

export type Rest = { method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'; path: `/${string}`; status: 200 | 201 | 202 | 204; name: string; tag: string; summary: string }

/**
 * What a procedure says of itself. The permission is compulsory: without one the server does not start. `bodyBytes`: a larger
 * body than usual. `stepUp`: only for who proved within minutes who they are (control A10). `beforeEnrolment`: also for staff
 * whose session has no second factor yet (control A9). `client`: whom a call counts as in its limit, by its input, where that
 * is not the caller's address (control A6).
 */
export type Meta = {
  permission?: Permission
  limit?: LimitClass
  rest?: Rest
  bodyBytes?: number
  stepUp?: true
  beforeEnrolment?: true
  client?: (ctx: Ctx, input: unknown) => Promise<string | null>
}

const t = initTRPC
  .context<Ctx>()
  .meta<Meta>()
  .create({
    // the stack and message of unknown errors would leak otherwise (control B13): both transports answer a problem document
    isDev: false,
    errorFormatter: ({ error, shape, ctx }) => {
      const known = toAppError(error)
      return { code: shape.code, message: known.message, data: { ...problemOf(known, ctx?.request.id ?? ''), httpStatus: known.status } }
    },
  })

export const router = t.router
export const createCallerFactory = t.createCallerFactory

/** AppErrors keep their face through tRPC; everything else becomes a bare 500 with the cause kept for the log. */
const faced = t.middleware(async ({ next }) => {
  const result = await next()
  if (result.ok) return result
  throw toTrpcError(toAppError(result.error))
})

/** Each call is charged alone, also within a batch. */
const charged = t.middleware(async ({ ctx, meta, type, next, getRawInput }) => {
  const limit = meta?.limit ?? (type === 'query' ? 'read' : 'write')
  const named = meta?.client ? await meta.client(ctx, await getRawInput()) : null
  Object.assign(ctx.request.headers, await chargeOf(ctx, limit, named))
  return next()
})

function chargeOf(ctx: Ctx, limit: LimitClass, named: string | null): Promise<Record<string, string>> {
  const { actor, limits, request } = ctx
  if (actor.kind === 'api_key' && actor.requestsPerMinute !== null) return limits.chargeKey(actor.keyId, actor.requestsPerMinute)
  return limits.charge(limit, named ?? (limit === 'credentials' ? addressKey(request.ip) : clientOf(ctx)))
}

/** Guesses at credentials count for the address alone: a token beside them must not bring a budget of its own. */
function clientOf(ctx: Ctx): string {
  if (ctx.actor.kind === 'user') return `u:${ctx.actor.userId}`
  return ctx.actor.kind === 'api_key' ? `k:${ctx.actor.keyId}` : addressKey(ctx.request.ip)
}

const base = t.procedure.use(faced).use(charged)

/** For anyone, signed in or not. */
export const open = base.meta({ permission: 'public' })

/** For signed-in users whose role has the permission. */
export function can(permission: Exclude<Permission, Scope | 'public' | 'ticket'>) {
  return base.meta({ permission }).use(async ({ ctx, meta, next }) => {
    const actor = signedIn(ctx)
    if (!roleMay(actor.role, permission)) throw new PermissionDenied()
    if (!meta?.beforeEnrolment) await demandSecondFactor(ctx, actor)
    if (meta?.stepUp) await demandFresh(ctx, actor)
    return next({ ctx: { ...ctx, actor } satisfies Authed })
  })
}

/** For API keys that hold the scope; people do not pass here. */
export function withScope(scope: Scope) {
  return base.meta({ permission: scope }).use(({ ctx, next }) => {
    const actor = ctx.actor.kind === 'api_key' ? ctx.actor : null
    if (ctx.actor.kind === 'anonymous' && ctx.actor.refusal) throw ctx.actor.refusal
    if (!actor) throw new Unauthenticated('api_key_missing', 'This needs an API key in X-API-Key.')
    if (!actor.scopes.includes(scope)) throw new PermissionDenied()
    return next({ ctx: { ...ctx, actor: actor satisfies ApiKeyActor } satisfies WithApiKey })
  })
}

/** Like can('catalogue.read'), but open to anyone where the operator made the catalogue public. */
export const browse = base.meta({ permission: 'catalogue.read' }).use(async ({ ctx, next }) => {
  if (!ctx.config.cataloguePublic) {
    const actor = signedIn(ctx)
    if (!roleMay(actor.role, 'catalogue.read')) throw new PermissionDenied()
    await demandSecondFactor(ctx, actor)
  }
  return next()
})

function signedIn(ctx: Ctx): UserActor {
  if (ctx.actor.kind === 'user') return ctx.actor
  if (ctx.actor.kind === 'anonymous' && ctx.actor.refusal) throw ctx.actor.refusal
  throw new Unauthenticated('access_token_missing', 'This needs a signed-in user.')
}

/** The REST face of a procedure: `rest('POST /auth/sign-in', 'signIn', 'Auth', 'Sign in')`. Path parameters in braces. */
export function rest(route: `${Rest['method']} /${string}`, name: string, tag: string, summary: string, status: Rest['status'] = 200): { rest: Rest } {
  const [method, path] = route.split(' ') as [Rest['method'], Rest['path']]
  return { rest: { method, path, status, name, tag, summary } }
}
