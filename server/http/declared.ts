import type { AnyTRPCRouter } from '@trpc/server'
import type { FastifyInstance } from 'fastify'
import { isPermission } from '../kit/permissions.ts'
import type { Meta } from '../kit/procedure.ts'
import { appRouter } from '../router.ts'
import type { DeclaredRoute } from './types.ts'

/** Default deny (control A13): a route or procedure without a declared permission stops the start. What is declared stands in `app.declaredRoutes`. */
export function demandPermissions(app: FastifyInstance, router: AnyTRPCRouter = appRouter): void {
  const declared: DeclaredRoute[] = []
  app.decorate('declaredRoutes', declared)
  const procedures = router._def.procedures as unknown as Record<string, { _def: { meta?: Meta } }>
  for (const [name, procedure] of Object.entries(procedures)) {
    if (!isPermission(procedure._def.meta?.permission)) throw new Error(`The procedure ${name} declares no permission.`)
  }
  app.addHook('onRoute', ({ url, method, config }) => {
    if (!isPermission(config?.permission)) throw new Error(`The route ${String(method)} ${url} declares no permission.`)
    if (!config?.refusal) for (const one of [method].flat()) declared.push({ method: one, url, permission: config?.permission })
  })
}
