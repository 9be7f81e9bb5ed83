import type { FastifyInstance } from 'fastify'
import { ended } from '../features/playback/endings.ts'
import type { LiveLink } from '../features/playback/links.ts'
import type { LiveStreams } from '../features/playback/live-streams.ts'
import { torrentSource } from '../features/playback/source.ts'
import { safeFileName } from '../features/playback/urls.ts'
import type { Deps } from '../kit/context.ts'
import { AppError } from '../kit/errors.ts'
import { selectRanges, unsatisfiedContentRange } from '../lib/ranges.ts'
import { apiBase } from './rest.ts'
import { sendBytes, type SendBytesOptions } from './send-bytes.ts'
import { engineRefusal, liveLinkOf } from './ticket-links.ts'

/** A player that takes nothing for so long is let go; its next range finds everything as it was. */
const clientStallMs = 5 * 60_000

/** GET and HEAD /stream/{ticket}/{fileName}: RFC 9110 ranges of one file, for whoever holds the ticket. */
export function mountStream(app: FastifyInstance, deps: Deps, streams: LiveStreams): void {
  app.route<{ Params: { ticket: string; fileName: string } }>({
    method: ['GET', 'HEAD'],
    url: `${apiBase}/stream/:ticket/:fileName`,
    exposeHeadRoute: false,
    config: { permission: 'ticket' },
    handler: async (request, reply) => {
      const mark = streams.mark()
      const link = await liveLinkOf(deps, request.params.ticket)
      const method = request.method === 'HEAD' ? 'HEAD' : 'GET'
      const etag = etagOf(link)
      const { range, 'if-range': ifRange } = request.headers
      const selection = selectRanges({ method, range, ifRange: typeof ifRange === 'string' ? ifRange : undefined, etag, sizeBytes: link.sizeBytes })
      if (selection.kind === 'unsatisfiable') {
        throw new AppError(416, 'range_not_satisfiable', 'The file has no such range.', { headers: { 'content-range': unsatisfiedContentRange(link.sizeBytes), etag, 'accept-ranges': 'bytes' } })
      }
      const answer: SendBytesOptions = {
        engine: deps.engine,
        source: torrentSource(deps, link),
        fileIndex: link.fileIndex,
        sizeBytes: link.sizeBytes,
        bytesPerSecond: link.bytesPerSecond ?? undefined,
        method,
        ranges: selection.kind === 'partial' ? selection.ranges : null,
        contentType: link.mimeType,
        boundary: deps.randomBytes(16),
        headers: { ...(reply.getHeaders() as Record<string, string>), ...contentHeaders(link, etag) },
        firstByteMs: deps.config.torrent.timeoutMs,
        stallMs: deps.config.torrent.timeoutMs,
        clientStallMs,
      }
      if (method === 'HEAD') {
        await sendBytes(reply.raw, answer)
        return reply.hijack()
      }
      const stream = await streams.enter(link, mark)
      try {
        const sent = await sendBytes(reply.raw, { ...answer, signal: stream.signal, pace: stream.pace, onBytes: stream.sent })
        if (!reply.raw.headersSent && sent.outcome === 'revoked') throw stream.signal.reason instanceof AppError ? stream.signal.reason : ended()
        deps.log.debug({ requestId: request.id, outcome: sent.outcome, bytes: sent.bytes, detail: sent.error instanceof Error ? sent.error.message : undefined }, 'stream')
        return await reply.hijack()
      } catch (error) {
        throw engineRefusal(error)
      } finally {
        stream.leave()
      }
    },
  })
}

/**
 * Strong: an info-hash names its bytes, and no others can come under it. The same file in two torrents has two tags, so that
 * whoever changes from one to the other fetches anew, which is right if needless.
 */
const etagOf = ({ infoHash, fileIndex }: LiveLink): string => `"${infoHash}-${fileIndex}"`

const contentHeaders = ({ path }: LiveLink, etag: string) => ({
  etag,
  'cache-control': 'private',
  // the name is ASCII without quotes or controls, so nothing can be smuggled into the header (control B3)
  'content-disposition': `inline; filename="${safeFileName(path)}"`,
})
