import { EngineError } from '../engine/contract.ts'
import { ended } from '../features/playback/endings.ts'
import { findLiveLink, isTouchDue, touchLinks, type LiveLink } from '../features/playback/links.ts'
import { readTicket } from '../features/playback/tickets.ts'
import type { Deps } from '../kit/context.ts'
import { AppError, Unavailable } from '../kit/errors.ts'

/** The live link of a ticket, its expiry moved. @throws PermissionDenied playback_link_ended for every other */
export async function liveLinkOf(deps: Deps, text: string): Promise<LiveLink> {
  const ticket = readTicket(deps.keys, text)
  if (ticket === null) throw ended()
  await deps.limits.charge('stream', `l:${ticket.linkId}`)
  const link = await findLiveLink(deps, ticket)
  if (!link) throw ended()
  if (isTouchDue(deps, link)) await touchLinks(deps, [link.linkId])
  return link
}

/** What a player is told of what went wrong in the engine. */
export function engineRefusal(error: unknown): unknown {
  if (!(error instanceof EngineError)) return error
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
