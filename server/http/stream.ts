import type { FastifyInstance, FastifyRequest } from 'fastify'
import { EngineError } from '../engine/contract.ts'
import { findLiveLink, isTouchDue, touchLinks, type LiveLink } from '../features/playback/links.ts'
import type { LiveStreams } from '../features/playback/live-streams.ts'
import { safeFileName } from '../features/playback/playback.ts'
import { torrentSource } from '../features/playback/source.ts'
import { demandRoom } from '../features/playback/storage.ts'
import { linkOfTicket } from '../features/playback/tickets.ts'
import type { Deps } from '../kit/context.ts'
import { AppError, PermissionDenied, Unavailable } from '../kit/errors.ts'
import { selectRanges, unsatisfiedContentRange } from '../lib/ranges.ts'
import { apiBase } from './rest.ts'
import { sendBytes, type SendBytesOptions } from './send-bytes.ts'

type StreamRequest = FastifyRequest<{ Params: { ticket: string; fileName: string } }>

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
      const link = await linkOf(deps, request)
      const etag = `"${link.infoHash}-${link.fileIndex}"`
      const { range, 'if-range': ifRange } = request.headers
      const selection = selectRanges({ method: request.method, range, ifRange: typeof ifRange === 'string' ? ifRange : undefined, etag, sizeBytes: link.sizeBytes })
      if (selection.kind === 'unsatisfiable') {
        throw new AppError(416, 'range_not_satisfiable', 'The file has no such range.', { headers: { 'content-range': unsatisfiedContentRange(link.sizeBytes), etag, 'accept-ranges': 'bytes' } })
      }
      if (request.method === 'GET') await demandRoom(deps.engine.dataDir, deps.config.torrent.cacheBytes, link)

      const stream = streams.enter(link, mark)
      try {
        const sent = await sendBytes(reply.raw, {
          engine: deps.engine,
          source: torrentSource(deps, link),
          fileIndex: link.fileIndex,
          sizeBytes: link.sizeBytes,
          bytesPerSecond: link.bytesPerSecond ?? undefined,
          method: request.method === 'HEAD' ? 'HEAD' : 'GET',
          ranges: selection.kind === 'partial' ? selection.ranges : null,
          contentType: link.mimeType,
          boundary: deps.randomBytes(16),
          headers: { ...(reply.getHeaders() as Record<string, string>), ...contentHeaders(link, etag) },
          firstByteMs: deps.config.torrent.timeoutMs,
          stallMs: deps.config.torrent.timeoutMs,
          clientStallMs,
          signal: stream.signal,
        } satisfies SendBytesOptions)
        if (!reply.raw.headersSent && sent.outcome === 'revoked') throw ended()
        deps.log.debug({ requestId: request.id, outcome: sent.outcome, bytes: sent.bytes, detail: sent.error instanceof Error ? sent.error.message : undefined }, 'stream')
        return await reply.hijack()
      } catch (error) {
        throw error instanceof EngineError ? refusal(error) : error
      } finally {
        stream.leave()
      }
    },
  })
}

/** The live link of a ticket, its expiry moved. @throws PermissionDenied playback_link_ended for every other */
async function linkOf(deps: Deps, { params }: StreamRequest): Promise<LiveLink> {
  const linkId = linkOfTicket(deps.keys, params.ticket)
  if (linkId === null) throw ended()
  await deps.limits.charge('stream', `l:${linkId}`)
  const link = await findLiveLink(deps, linkId)
  if (!link) throw ended()
  if (isTouchDue(deps, link)) await touchLinks(deps, [linkId])
  return link
}

const ended = () => new PermissionDenied('playback_link_ended', 'This playback link has ended. Ask for a new one.')

const contentHeaders = ({ path }: LiveLink, etag: string) => ({
  etag,
  'cache-control': 'private',
  // the name is ASCII without quotes or controls, so nothing can be smuggled into the header (control B3)
  'content-disposition': `inline; filename="${safeFileName(path)}"`,
})

function refusal(error: EngineError): AppError {
  switch (error.code) {
    case 'swarm_timeout':
      return new AppError(504, 'swarm_timeout', 'The swarm sent nothing in time. Try again.', { cause: error })
    case 'storage_full':
      return new AppError(503, 'storage_full', 'There is no room on the server to play this just now.', { cause: error, headers: { 'retry-after': '60' } })
    case 'removed':
      return ended()
    default:
      return new Unavailable(`the engine: ${error.code}`, error)
  }
}
