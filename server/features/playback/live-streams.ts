import type { Deps } from '../../kit/context.ts'
import { Unavailable } from '../../kit/errors.ts'
import { logError } from '../../kit/log.ts'
import { createPace } from '../../lib/pace.ts'
import type { Endings } from './endings.ts'
import type { LiveLink } from './links.ts'
import { forgetStreams, forgottenMs, renewStreams, reserveStream, tooManyStreams, type StreamRow } from './stream-rows.ts'

type Hold = ReturnType<Endings['hold']>

/** One answer of a stream: of a player's several ranges at once, one. */
export type Answer = {
  /** Aborts when it may go on no longer; its reason says why. */
  signal: AbortSignal
  /** How long so many bytes have to wait. */
  pace(bytes: number): number
  sent(bytes: number): void
  leave(): void
}

/** The streams that this node serves: bounded by user and in all, paced, and told to the other nodes (control D7). */
export type LiveStreams = {
  mark(): number
  /** Enters an answer of the link. @throws AppError 429 too_many_streams, 503 unavailable */
  enter(link: LiveLink, mark: number): Promise<Answer>
  /** Lets answers end by themselves for so long, then cuts the rest: their players' next range finds another node, or this one again. */
  drain(graceMs: number): Promise<void>
}

/** One more range of a stream cuts the oldest: a phone that changed its network left it behind. */
const mostRanges = 16
/** A stream is over when nothing of it was asked for so long: players ask for the next range within it. */
const lingerMs = 1_000

type Stream = { link: LiveLink; startedAt: Date; bytes: number; told: number; pace: (bytes: number, nowMs: number) => number; answers: Set<Hold>; entered: Promise<void>; over: NodeJS.Timeout | null }

export function createLiveStreams(deps: Pick<Deps, 'db' | 'now' | 'newId' | 'log' | 'config'>, endings: Endings): LiveStreams {
  const nodeId = deps.newId()
  const { perNode, bytesPerSecond } = deps.config.streams
  const streams = new Map<string, Stream>()
  const keyOf = ({ linkId, fileIndex }: LiveLink) => `${linkId}/${fileIndex}`
  const rowOf = ({ link: { linkId, fileIndex }, startedAt, bytes }: Stream, rate: number): StreamRow => ({ linkId, fileIndex, nodeId, startedAt, bytesSent: bytes, bytesPerSecond: rate, seenAt: deps.now() })
  let emptied: (() => void) | null = null

  // one statement after the other, or a stream that is over could be written down again
  let writing: Promise<void> = Promise.resolve()
  const write = (work: () => Promise<void>) => (writing = writing.then(work).catch((error: unknown) => logError(deps.log, error, 'the streams of this node could not be told')))
  let toldAt = performance.now()
  const telling = setInterval(() => {
    const seconds = (performance.now() - toldAt) / 1000
    toldAt = performance.now()
    void write(() => renewStreams(deps, [...streams.values()].map((stream) => {
      const rate = Math.round((stream.bytes - stream.told) / seconds)
      stream.told = stream.bytes
      return rowOf(stream, rate)
    })))
  }, forgottenMs / 3).unref()

  const begin = (link: LiveLink): Stream => {
    if (streams.size >= perNode) throw new Unavailable('STREAMS_PER_NODE is used up')
    const stream: Stream = { link, startedAt: deps.now(), bytes: 0, told: 0, pace: bytesPerSecond === null ? () => 0 : createPace(bytesPerSecond), answers: new Set(), entered: Promise.resolve(), over: null }
    streams.set(keyOf(link), stream)
    stream.entered = writing.then(() => reserveStream(deps, { ...rowOf(stream, 0), userId: link.userId }))
    stream.entered.catch(() => streams.delete(keyOf(link)))
    return stream
  }
  const end = (stream: Stream) => {
    if (stream.answers.size > 0 || streams.get(keyOf(stream.link)) !== stream) return
    streams.delete(keyOf(stream.link))
    void write(() => forgetStreams(deps, nodeId, [stream.link]))
  }
  const busy = () => [...streams.values()].some(({ answers }) => answers.size > 0)

  return {
    mark: () => endings.mark(),
    async enter(link, mark) {
      const stream = streams.get(keyOf(link)) ?? begin(link)
      const hold = endings.hold(link, mark)
      stream.answers.add(hold)
      if (stream.over) clearTimeout(stream.over)
      const [oldest] = stream.answers
      if (stream.answers.size > mostRanges) oldest?.end(tooManyStreams())
      const leave = () => {
        hold.release()
        if (stream.answers.delete(hold) && stream.answers.size === 0) stream.over = setTimeout(() => end(stream), lingerMs).unref()
        if (!busy()) emptied?.()
      }
      await stream.entered.catch((error: unknown) => {
        leave()
        throw error
      })
      return { signal: hold.signal, pace: (bytes) => stream.pace(bytes, performance.now()), sent: (bytes) => void (stream.bytes += bytes), leave }
    },
    async drain(graceMs) {
      const { promise, resolve } = Promise.withResolvers<void>()
      emptied = resolve
      const grace = setTimeout(resolve, graceMs)
      if (busy()) await promise
      clearTimeout(grace)
      clearInterval(telling)
      for (const { answers } of streams.values()) for (const answer of answers) answer.end(new Unavailable('this node stops'))
      await write(() => forgetStreams(deps, nodeId, [...streams.values()].map(({ link }) => link)))
    },
  }
}
