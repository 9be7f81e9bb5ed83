import type { Deps } from '../../kit/context.ts'
import { logError } from '../../kit/log.ts'
import type { Revocation } from '../../kit/revocations.ts'
import { stillAlive, touchLinks, type LiveLink } from './links.ts'

type Stream = { link: LiveLink; stop: AbortController }

/** The streams in flight on this node, so that the end of a session, title or link ends them, too. */
export type LiveStreams = {
  /** To be taken before the link is looked up, and given to `enter`: what ends in between is not missed. */
  mark(): number
  /** Enters a stream; the signal aborts when it may go on no longer. Call `leave` when it is over. */
  enter(link: LiveLink, mark: number): { signal: AbortSignal; leave(): void }
  /** Lets streams end by themselves for so long, then cuts the rest: their players' next range finds another node, or this one again. */
  drain(graceMs: number): Promise<void>
}

const remembered = 1_000
const recheckMs = 400
const touchMs = 60_000

/** While the revocation channel lives it is believed; while it does not, every stream is asked for in the database, and ends if that fails. */
export function createLiveStreams(deps: Pick<Deps, 'db' | 'now' | 'revocations' | 'log'>): LiveStreams {
  const streams = new Set<Stream>()
  let heard = 0
  const recent: { at: number; revocation: Revocation }[] = []
  const endWhere = (which: (stream: Stream) => boolean) => {
    for (const stream of streams) if (which(stream)) stream.stop.abort()
  }
  let emptied: (() => void) | null = null
  const unsubscribe = deps.revocations.subscribe((revocation) => {
    heard += 1
    recent.push({ at: heard, revocation })
    if (recent.length > remembered) recent.shift()
    endWhere(({ link }) => concerns(revocation, link))
  })
  const ids = () => [...new Set([...streams].map(({ link }) => link.linkId))]

  let checking = false
  const recheck = setInterval(() => {
    if (checking || streams.size === 0 || deps.revocations.live()) return
    checking = true
    stillAlive(deps, ids())
      .then((alive) => endWhere(({ link }) => !alive.has(link.linkId)))
      .catch(() => endWhere(() => true))
      .finally(() => (checking = false))
  }, recheckMs)
  const touch = setInterval(() => {
    const asked = ids()
    touchLinks(deps, asked)
      // what ended by the clock alone was announced by nobody
      .then(() => stillAlive(deps, asked))
      .then((alive) => endWhere(({ link }) => asked.includes(link.linkId) && !alive.has(link.linkId)))
      .catch((error: unknown) => logError(deps.log, error, 'playback links could not be kept alive'))
  }, touchMs)
  recheck.unref()
  touch.unref()

  return {
    mark: () => heard,
    enter(link, mark) {
      const stream = { link, stop: new AbortController() }
      streams.add(stream)
      const forgotten = heard - mark > recent.length
      if (forgotten || recent.some(({ at, revocation }) => at > mark && concerns(revocation, link))) stream.stop.abort()
      const leave = () => {
        streams.delete(stream)
        if (streams.size === 0) emptied?.()
      }
      return { signal: stream.stop.signal, leave }
    },
    async drain(graceMs) {
      const { promise, resolve } = Promise.withResolvers<void>()
      emptied = resolve
      const grace = setTimeout(resolve, graceMs)
      if (streams.size > 0) await promise
      clearTimeout(grace)
      unsubscribe()
      clearInterval(recheck)
      clearInterval(touch)
      endWhere(() => true)
    },
  }
}

const concerns = ({ kind, id }: Revocation, link: LiveLink): boolean => kind !== 'keys' && id === { session: link.sessionId, torrent: link.torrentId, link: link.linkId }[kind]
