import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createRequestHandler, type ServerBuild } from '@remix-run/server-runtime'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Deps } from '../kit/context.ts'
import { NotFound } from '../kit/errors.ts'
import { mountConsoleAssets } from './console-assets.ts'
import { createPageContext } from './console-context.ts'
import { guardRoutes } from './console-routes.ts'
import { pagePolicy } from './headers.ts'

const formBytes = 65_536
const buildFolder = new URL('../../build/', import.meta.url)
/** What lives under these is not a page: the console answers nothing there. */
const notPages = /^\/(api|trpc|assets|\.well-known)(\/|$)/

/** The console (Remix) at `/`: its assets, and every path that nothing else answers. */
export async function mountConsole(app: FastifyInstance, deps: Deps): Promise<void> {
  const handle = createRequestHandler(guardRoutes(await loadConsoleBuild()), 'production')
  const integrity = await mountConsoleAssets(app, fileURLToPath(new URL('client/assets/', buildFolder)))

  // a scope of its own: forms are read here and nowhere else
  await app.register(async (pages) => {
    pages.removeAllContentTypeParsers()
    pages.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'buffer', bodyLimit: formBytes }, (_request, body, done) => done(null, body))
    pages.route({
      method: ['GET', 'HEAD', 'POST'],
      url: '/*',
      bodyLimit: formBytes,
      config: { permission: 'public' }, // each route of the console declares its own; guardRoutes() sees to it
      handler: async (request, reply) => {
        if (!request.url.startsWith('/') || notPages.test(request.url)) throw new NotFound('page')
        const { context, cookies, headers } = await createPageContext(deps, request, integrity)
        const answer = await handle(webRequest(request, reply), context)
        reply.headers({ ...headers, 'cache-control': 'no-store', 'content-security-policy': pagePolicy(request.cspNonce) })
        for (const cookie of cookies) reply.header('set-cookie', cookie)
        return reply.send(answer)
      },
    })
  })
}

/** The build that `remix vite:build` made. */
export async function loadConsoleBuild(): Promise<ServerBuild> {
  const entry = new URL('server/index.js', buildFolder)
  if (!existsSync(entry)) throw new Error('The console has not been built: "npx remix vite:build" makes it, as "npm start" does by itself.')
  return (await import(entry.href)) as ServerBuild
}

/** The request as Remix reads it: without cookies and credentials, which are the server's business; aborted when the reader leaves. */
function webRequest(request: FastifyRequest, reply: FastifyReply): Request {
  const gone = new AbortController()
  // also after a whole answer: Remix keeps a timer of 5 s a page until it is told
  reply.raw.once('close', () => gone.abort())
  const headers = new Headers()
  for (const name of ['accept', 'accept-language', 'content-type', 'user-agent', 'x-remix-reload-document'] as const) {
    const value = request.headers[name]
    if (typeof value === 'string') headers.set(name, value)
  }
  const url = `${request.protocol}://${request.headers.host ?? ''}${request.url}`
  const { method } = request
  return new Request(url, { method, headers, signal: gone.signal, ...(method === 'POST' ? { body: request.body instanceof Uint8Array ? Buffer.from(request.body) : '' } : {}) })
}
