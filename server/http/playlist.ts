import type { FastifyInstance } from 'fastify'
import { ended } from '../features/playback/endings.ts'
import { playlistOf } from '../features/playback/playlist.ts'
import { safeFileName } from '../features/playback/urls.ts'
import type { Deps } from '../kit/context.ts'
import { apiBase } from './rest.ts'
import { liveLinkOf } from './ticket-links.ts'

/** GET and HEAD /playlist/{ticket}.m3u: every playable file of the link's title, for whoever holds the ticket. */
export function mountPlaylist(app: FastifyInstance, deps: Deps): void {
  app.route<{ Params: { name: string } }>({
    method: ['GET', 'HEAD'],
    url: `${apiBase}/playlist/:name`,
    exposeHeadRoute: false,
    config: { permission: 'ticket' },
    handler: async (request, reply) => {
      const [, ticket] = /^([\w-]+)\.m3u$/.exec(request.params.name) ?? []
      if (ticket === undefined) throw ended()
      const { title, m3u } = await playlistOf(deps, await liveLinkOf(deps, ticket))
      return reply
        .headers({ 'cache-control': 'private, no-store', 'content-disposition': `inline; filename="${safeFileName(`${title.replaceAll('/', ' ')}.m3u`)}"` })
        .type('audio/mpegurl; charset=utf-8')
        .send(m3u)
    },
  })
}
