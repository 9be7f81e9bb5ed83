import type { FastifyInstance } from 'fastify'
import type { Endings } from '../features/playback/endings.ts'
import { torrentSource } from '../features/playback/source.ts'
import { createSubtitleCache, findSubtitles } from '../features/playback/subtitles.ts'
import type { Deps } from '../kit/context.ts'
import { NotFound } from '../kit/errors.ts'
import { readFile } from './read-file.ts'
import { apiBase } from './rest.ts'
import { engineRefusal, liveLinkOf } from './ticket-links.ts'

/** GET and HEAD /subtitles/{ticket}/{index}.vtt: a subtitle file of the title as WebVTT, for whoever holds the ticket of its film. */
export function mountSubtitles(app: FastifyInstance, deps: Deps, endings: Endings): void {
  const convert = createSubtitleCache(({ torrentId, ...source }) =>
    readFile(deps.engine, { ...source, source: torrentSource(deps, { torrentId, infoHash: source.infoHash }), timeoutMs: deps.config.torrent.timeoutMs }))
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
