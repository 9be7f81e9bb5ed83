import type { Actor } from '../kit/context.ts'
import type { Permission } from '../kit/permissions.ts'

export type DeclaredRoute = { method: string; url: string; permission: Permission }

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call; a route without one stops the start (control A13). */
    permission?: Permission | null
    /** Only says that a method is not supported. */
    refusal?: true
  }
  interface FastifyInstance {
    declaredRoutes: DeclaredRoute[]
  }
  interface FastifyRequest {
    /** Who called, once known; for the log. */
    actor?: Actor
    /** The nonce of this answer's content security policy. */
    cspNonce: string
  }
}
