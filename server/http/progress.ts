import type { ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ProgressQuery } from '../features/playback/contract.ts'
import type { Endings } from '../features/playback/endings.ts'
import type { ProgressHub } from '../features/playback/progress-hub.ts'
import { toProgress, watchedFile, type Buffered } from '../features/playback/progress.ts'
import type { Actor, Deps } from '../kit/context.ts'
import { createCallerFactory } from '../kit/procedure.ts'
import { appRouter } from '../router.ts'
import { createCtx, requestInfo } from './context.ts'
import { createSeats } from './seats.ts'
import { apiBase, inputDecoder } from './rest.ts'

const heartbeatMs = 15_000
/** One that does not read what it is sent is cut; it may come again. */
const mostUnreadBytes = 256 * 1024

/**
 * GET /torrents/{id}/files/{index}/progress: how a file comes in, as Server-Sent Events (HTML standard, section 9.2), for as long
 * as the session lives. Who may, and what is answered at first, is the procedure's.
 */
export function mountProgress(app: FastifyInstance, deps: Deps, readActor: (request: FastifyRequest) => Promise<Actor>, endings: Endings, hub: ProgressHub): void {
  const createCaller = createCallerFactory(appRouter)
  const decode = inputDecoder({ rest: { method: 'GET' }, input: ProgressQuery })
  const seats = createSeats({ perUser: 10, inAll: 1_000 })
  app.route({
    method: ['GET', 'HEAD'],
    url: `${apiBase}/torrents/:torrentId/files/:fileIndex/progress`,
    exposeHeadRoute: false,
    config: { permission: 'playback.start' },
    handler: async (request, reply) => {
      const mark = endings.mark()
      const info = requestInfo(request)
      const ctx = createCtx(deps, await readActor(request), info)
      const { actor } = ctx
      request.actor = actor
      reply.header('cache-control', 'no-store')
      const tellLimits = () => void reply.headers(info.headers)
      const first = await createCaller(ctx).playback.progress(decode(request) as never).finally(tellLimits)
      reply.headers({ 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' })
      if (request.method === 'HEAD' || actor.kind !== 'user') return reply.send()

      const { position, ...target } = ProgressQuery.parse(decode(request))
      const file = await watchedFile(deps, target)
      using _seat = seats.take(actor.userId)
      const hold = endings.hold({ sessionId: actor.sessionId, torrentId: target.torrentId, linkId: null }, mark)
      try {
        reply.hijack()
        reply.raw.writeHead(200, reply.getHeaders() as Record<string, string>)
        await sendEvents(reply.raw, hold.signal, JSON.stringify(first), (tell, end) =>
          hub.watch(file, { tell: (found: Buffered) => tell(JSON.stringify(toProgress(found, file, position))), end }))
      } finally {
        hold.release()
      }
    },
  })
}

/** Sends what `watch` tells, where it differs from what was told before, until it ends or the client goes. */
async function sendEvents(response: ServerResponse, ended: AbortSignal, first: string, watch: (tell: (data: string) => void, end: () => void) => () => void): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<void>()
  let last = ''
  const write = (text: string) => {
    if (response.writableLength > mostUnreadBytes) response.destroy()
    else response.write(text)
  }
  const tell = (data: string) => {
    if (data !== last) write(`event: progress\ndata: ${data}\n\n`)
    last = data
  }
  const end = () => void response.end()
  response.once('close', resolve)
  if (response.destroyed) resolve()
  write('retry: 5000\n')
  tell(first)
  const leave = watch(tell, end)
  const heart = setInterval(() => write(':\n\n'), heartbeatMs).unref()
  ended.addEventListener('abort', end, { once: true })
  if (ended.aborted) end()
  await over
  clearInterval(heart)
  leave()
}
