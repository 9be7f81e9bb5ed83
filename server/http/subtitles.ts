import type { FastifyInstance } from 'fastify'
import { EngineError } from '../engine/contract.ts'
import type { Endings } from '../features/playback/endings.ts'
import { readStretch } from '../features/playback/read-stretch.ts'
import { createSubtitleCache, findSubtitles, type SubtitleSource } from '../features/playback/subtitles.ts'
import type { Deps } from '../kit/context.ts'
import { NotFound } from '../kit/errors.ts'
import { apiBase } from './rest.ts'
import { engineRefusal, liveLinkOf } from './ticket-links.ts'

/** GET and HEAD /subtitles/{ticket}/{index}.vtt: a subtitle file of the title as WebVTT, for whoever holds the ticket of its film. */
export function mountSubtitles(app: FastifyInstance, deps: Deps, endings: Endings): void {
  const convert = createSubtitleCache((source) => readInTime(deps, source))
  app.route<{ Params: { ticket: string; name: string } }>({
    method: ['GET', 'HEAD'],
    url: `${apiBase}/subtitles/:ticket/:name`,
    exposeHeadRoute: false,
    config: { permission: 'ticket' },
    handler: async (request, reply) => {
      const mark = endings.mark()
      const link = await liveLinkOf(deps, request.params.ticket)
      const [, index] = /^(\d{1,7})\.vtt$/.exec(request.params.name) ?? []
      if (index === undefined) throw new NotFound('subtitle')
      const source = await findSubtitles(deps, link, Number(index))
      const hold = endings.hold(link, mark)
      try {
        const vtt = await convert(source)
        hold.signal.throwIfAborted()
        return await reply.header('cache-control', 'private').type('text/vtt; charset=utf-8').send(vtt)
      } catch (error) {
        throw engineRefusal(error)
      } finally {
        hold.release()
      }
    },
  })
}

/** All of a file within the time that a player waits for its first byte, however it trickles. */
async function readInTime(deps: Deps, { sizeBytes, ...file }: SubtitleSource): Promise<Uint8Array> {
  if (sizeBytes === 0) return new Uint8Array()
  const late = AbortSignal.timeout(deps.config.torrent.timeoutMs)
  return readStretch(deps, file, { start: 0, end: sizeBytes }, late).catch((error: unknown) => {
    throw late.aborted ? new EngineError('swarm_timeout', 'The file was not there in time.', { cause: error }) : error
  })
}
