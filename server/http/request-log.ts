import type { FastifyInstance } from 'fastify'
import type { Deps } from '../kit/context.ts'

/** One line a request: route pattern instead of the path, which may hold a ticket (control E1). */
export function requestLog(app: FastifyInstance, { log }: Pick<Deps, 'log'>): void {
  app.addHook('onResponse', (request, reply, done) => {
    const { actor } = request
    const clientId = request.headers['x-request-id']
    log.info(
      {
        requestId: request.id,
        ...(typeof clientId === 'string' && /^[\w.:-]{1,100}$/.test(clientId) ? { clientRequestId: clientId } : {}),
        method: request.method,
        route: request.routeOptions.url ?? 'unknown',
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
        ...(actor?.kind === 'user' ? { userId: actor.userId } : {}),
        ...(actor?.kind === 'api_key' ? { apiKeyId: actor.keyId } : {}),
      },
      'request',
    )
    done()
  })
}
