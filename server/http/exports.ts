import type { FastifyInstance } from 'fastify'
import { demandExport, takeExport } from '../features/users/exports.ts'
import type { Deps } from '../kit/context.ts'
import { addressKey } from '../kit/limits.ts'
import { apiBase } from './rest.ts'

/** GET /exports/{token}: a person's data, once, to whoever has the link (control C7). HEAD looks and takes nothing. */
export function mountExports(app: FastifyInstance, deps: Deps): void {
  app.route<{ Params: { token: string } }>({
    method: ['GET', 'HEAD'],
    url: `${apiBase}/exports/:token`,
    exposeHeadRoute: false,
    config: { permission: 'ticket' },
    handler: async (request, reply) => {
      const { token } = request.params
      await deps.limits.charge('read', addressKey(request.ip))
      reply.headers({ 'cache-control': 'no-store', 'content-disposition': 'attachment; filename="my-data.json"' }).type('application/json')
      if (request.method === 'GET') return reply.send(await takeExport(deps, token, request.id))
      await demandExport(deps, token)
      return reply.send()
    },
  })
}
