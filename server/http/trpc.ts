import type { FastifyInstance, FastifyRequest } from 'fastify'
import { fastifyRequestHandler } from '@trpc/server/adapters/fastify'
import type { Actor, Deps } from '../kit/context.ts'
import { AppError, toAppError } from '../kit/errors.ts'
import { appRouter } from '../router.ts'
import { nestsDeeperThan } from '../lib/json-depth.ts'
import { jsonDepth } from './bodies.ts'
import { orConsoleCookie } from './console-session.ts'
import { createCtx, requestInfo } from './context.ts'
import { reportIfOurs } from './problems.ts'

const maxBatch = 20

/** The same router for typed TypeScript clients, at /trpc: by bearer token, or the console's cookie. Each call of a batch is charged and authorised alone. */
export function mountTrpc(app: FastifyInstance, deps: Deps, readBearer: (request: FastifyRequest) => Promise<Actor>): void {
  const readActor = orConsoleCookie(deps, readBearer)
  // tRPC reads the text itself
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (_request, body, done) => {
    done(nestsDeeperThan(jsonDepth, body) ? new AppError(400, 'malformed', `JSON may be nested ${jsonDepth} deep at most.`) : null, body)
  })
  app.route<{ Params: { path: string } }>({
    method: ['GET', 'POST'],
    url: '/trpc/:path',
    // tRPC has no use for HEAD: 405 says so
    exposeHeadRoute: false,
    config: { permission: 'public' },
    handler: async (req, res) => {
      const { path } = req.params
      if (path.split(',').length > maxBatch) throw new AppError(400, 'malformed', `A batch holds at most ${maxBatch} calls.`)
      const actor = await readActor(req)
      req.actor = actor
      await fastifyRequestHandler({
        router: appRouter,
        req,
        res,
        path,
        createContext: () => createCtx(deps, actor, requestInfo(req)),
        responseMeta: ({ errors, ctx, paths }) => {
          const first = errors[0] === undefined ? null : toAppError(errors[0])
          return {
            headers: new Headers({ 'cache-control': 'no-store', vary: 'Origin', ...ctx?.request.headers, ...first?.headers }),
            // a batch has the status that tRPC gives it: 207 where its calls differ
            ...(first && paths?.length === 1 ? { status: first.status } : {}),
          }
        },
        onError: ({ error }) => reportIfOurs(deps, toAppError(error), req.id),
      })
      return res
    },
  })
}
