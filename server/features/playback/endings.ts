import type { Deps } from '../../kit/context.ts'
import { AppError, PermissionDenied } from '../../kit/errors.ts'
import { logError } from '../../kit/log.ts'
import type { Revocation } from '../../kit/revocations.ts'
import { stillAlive, stillStanding, touchLinks } from './links.ts'

/** What something in flight hangs on. */
export type Right = { /** Null for what anyone may have. */ sessionId: string | null; torrentId: string; linkId: string | null }
type Held = { right: Right; stop: AbortController }

/** What is in flight on this node, so that the end of a session, title or link ends it, too (control D2). */
export type Endings = {
  /** To be taken before the right is looked up, and given to `hold`: what ends in between is not missed. */
  mark(): number
  /** The signal aborts, with an AppError as its reason, when it may go on no longer. Call `release` when it is over. */
  hold(right: Right, mark: number): { signal: AbortSignal; end(why: AppError): void; release(): void }
  /** Ends everything. */
  close(): void
}

const remembered = 1_000
const recheckMs = 400
const keepAliveMs = 60_000

export const ended = () => new PermissionDenied('playback_link_ended', 'This playback link has ended. Ask for a new one.')

/** While the revocation channel lives it is believed; while it does not, everything is asked for in the database, and ends if that fails. */
export function createEndings(deps: Pick<Deps, 'db' | 'now' | 'revocations' | 'log'>, every = { recheckMs, keepAliveMs }): Endings {
  const all = new Set<Held>()
  let heard = 0
  const recent: { at: number; revocation: Revocation }[] = []
  const endWhere = (which: (held: Held) => boolean) => {
    for (const held of all) if (which(held)) held.stop.abort(ended())
  }
  const unsubscribe = deps.revocations.subscribe((revocation) => {
    // the channel was lost and is back: what it said meanwhile nobody heard
    if (revocation.kind === 'keys') return void recheck()
    heard += 1
    recent.push({ at: heard, revocation })
    if (recent.length > remembered) recent.shift()
    endWhere(({ right }) => concerns(revocation, right))
  })

  const endTheDead = async () => {
    const asked = [...all]
    const unlinked = asked.flatMap(({ right }) => (right.linkId === null ? right : []))
    const [links, standing] = await Promise.all([
      stillAlive(deps, linkIdsOf(asked)),
      stillStanding(deps, { sessionIds: [...new Set(unlinked.flatMap(({ sessionId }) => sessionId ?? []))], torrentIds: [...new Set(unlinked.map(({ torrentId }) => torrentId))] }),
    ])
    const goesOn = ({ linkId, sessionId, torrentId }: Right) => (linkId === null ? (sessionId === null || standing.has(sessionId)) && standing.has(torrentId) : links.has(linkId))
    for (const { right, stop } of asked) if (!goesOn(right)) stop.abort(ended())
  }
  let checking = false
  const recheck = async () => {
    if (checking || all.size === 0) return
    checking = true
    await endTheDead()
      .catch(() => endWhere(() => true))
      .finally(() => (checking = false))
  }
  const rechecking = setInterval(() => {
    if (!deps.revocations.live()) void recheck()
  }, every.recheckMs).unref()
  let touching = false
  const keepingAlive = setInterval(() => {
    // a slow one must not undo what the next has written
    if (touching) return
    touching = true
    touchLinks(deps, linkIdsOf([...all]))
      // what ended by the clock alone was announced by nobody
      .then(endTheDead)
      .catch((error: unknown) => logError(deps.log, error, 'playback links could not be kept alive'))
      .finally(() => (touching = false))
  }, every.keepAliveMs).unref()

  return {
    mark: () => heard,
    hold(right, mark) {
      const held = { right, stop: new AbortController() }
      all.add(held)
      const forgotten = heard - mark > recent.length
      if (forgotten || recent.some(({ at, revocation }) => at > mark && concerns(revocation, right))) held.stop.abort(ended())
      return { signal: held.stop.signal, end: (why) => held.stop.abort(why), release: () => void all.delete(held) }
    },
    close() {
      unsubscribe()
      clearInterval(rechecking)
      clearInterval(keepingAlive)
      endWhere(() => true)
    },
  }
}

const linkIdsOf = (all: Held[]): string[] => [...new Set(all.flatMap(({ right }) => right.linkId ?? []))]
const concerns = ({ kind, id }: Revocation, right: Right): boolean => kind !== 'keys' && id === { session: right.sessionId, torrent: right.torrentId, link: right.linkId }[kind]
