import type { FastifyInstance } from 'fastify'
import type { Endings } from '../features/playback/endings.ts'
import { torrentSource } from '../features/playback/source.ts'
import { findWebSeedFile } from '../features/publishing/publishing.ts'
import type { Deps } from '../kit/context.ts'
import { AppError, NotFound } from '../kit/errors.ts'
import { addressKey } from '../kit/limits.ts'
import { infoHashPattern } from '../lib/infohash.ts'
import { createPace } from '../lib/pace.ts'
import { selectRanges, unsatisfiedContentRange } from '../lib/ranges.ts'
import { apiBase } from './rest.ts'
import { createSeats } from './seats.ts'
import { sendBytes } from './send-bytes.ts'
import { engineRefusal } from './ticket-links.ts'

/** Transmission has four, and asks for the next range before we know that it has the last. All share one rate: more would only wait. */
const mostOpen = { perUser: 8, inAll: 40 }
const clientStallMs = 60_000

/**
 * GET and HEAD /web-seed/{infoHash}/{name}[/{path}]: ranges of a published file for BitTorrent clients (BEP 19), without a ticket.
 * Only of what the operator published with a web seed, while it is approved, from the node that has it; whatever it is, it goes out
 * as bytes to be kept, never as a page of this origin.
 */
export function mountWebSeed(app: FastifyInstance, deps: Deps, endings: Endings): void {
  const seats = createSeats(mostOpen)
  const pace = createPace(deps.config.webSeedBytesPerSecond)
  app.route<{ Params: { infoHash: string; '*': string } }>({
    method: ['GET', 'HEAD'],
    url: `${apiBase}/web-seed/:infoHash/*`,
    exposeHeadRoute: false,
    config: { permission: 'public' },
    handler: async (request, reply) => {
      const { infoHash, '*': path } = request.params
      reply.headers(await deps.limits.charge('webSeed', addressKey(request.ip)))
      const mark = endings.mark()
      const file = infoHashPattern.test(infoHash) ? await findWebSeedFile(deps, { infoHash, path }) : null
      if (!file) throw new NotFound('file')
      const { sizeBytes, fileIndex, torrentId } = file
      const method = request.method === 'HEAD' ? 'HEAD' : 'GET'
      const etag = `"${infoHash}-${fileIndex}"`
      const { range, 'if-range': ifRange } = request.headers
      const selection = selectRanges({ method, range, ifRange: typeof ifRange === 'string' ? ifRange : undefined, etag, sizeBytes })
      if (selection.kind === 'unsatisfiable') {
        throw new AppError(416, 'range_not_satisfiable', 'The file has no such range.', { headers: { 'content-range': unsatisfiedContentRange(sizeBytes), etag, 'accept-ranges': 'bytes' } })
      }
      using _seat = method === 'HEAD' ? null : seats.take(addressKey(request.ip))
      const hold = endings.hold({ torrentId, sessionId: null, linkId: null }, mark)
      try {
        const sent = await sendBytes(reply.raw, {
          engine: deps.engine,
          source: torrentSource(deps, file),
          fileIndex,
          sizeBytes,
          method,
          ranges: selection.kind === 'partial' ? selection.ranges : null,
          contentType: 'application/octet-stream',
          boundary: deps.randomBytes(16),
          headers: { ...(reply.getHeaders() as Record<string, string>), etag, 'cache-control': 'no-store', 'content-disposition': 'attachment' },
          firstByteMs: deps.config.torrent.timeoutMs,
          stallMs: deps.config.torrent.timeoutMs,
          clientStallMs,
          signal: hold.signal,
          pace: (bytes) => pace(bytes, performance.now()),
        })
        if (!reply.raw.headersSent && sent.outcome === 'revoked') throw new NotFound('file')
        return await reply.hijack()
      } catch (error) {
        throw engineRefusal(error)
      } finally {
        hold.release()
      }
    },
  })
}
