import type { LookupAddress } from 'node:dns'
import type { Torrent } from 'webtorrent'
import { networkOf } from '../lib/addresses.ts'
import { askHttpTracker } from './http-tracker.ts'
import type { Reach } from './reach.ts'
import { hostOf, type Announce } from './tracker.ts'
import { askUdpTracker } from './udp-tracker.ts'

/** What webtorrent's discovery wants of a tracker client. */
export interface Announcer {
  /** Asks for more peers now, or as soon as it would not be a nuisance. */
  update(): void
  complete(): void
  start(): void
  stop(): void
  destroy(done: () => void): void
  removeListener(): void
}

export interface AnnouncerOptions {
  readonly torrent: Pick<Torrent, 'infoHash' | 'announce' | 'length' | 'downloaded' | 'uploaded' | 'received' | 'destroyed'>
  readonly reach: Reach
  readonly peerId: string
  readonly port: number
  /** `leechers`: how many peers lack a part, as the tracker says; null where it does not say. */
  readonly onPeer: (peer: string, leechers: number | null) => void
  readonly onAnnounced: () => void
}

interface Tracker {
  readonly url: URL
  /** It knows of us. */
  known: boolean
  failures: number
  askedAt: number
  asking: Promise<void> | null
  timer: NodeJS.Timeout | null
}

/** Bounds for what a torrent's trackers, all of them a stranger's choice, can make the engine do (control D3). */
const mostTrackers = 20
/** A list of a hundred names that all mean one victim is asked so often. */
const mostOfOneAddress = 4
const mostPeers = 100
const seconds = { least: 60, most: 3_600, usual: 1_800, afterFailure: 30 }
const leastGapMs = 3_000
const answerMs = 15_000
const goodbyeMs = 1_000

/**
 * Tells a torrent's trackers that we are there, and hears of peers. In place of bittorrent-tracker's client, which follows
 * redirects, reads answers of any size, and whose faults in reading them end the process.
 */
export function announce(options: AnnouncerOptions): Announcer {
  const { torrent, reach } = options
  const trackers: Tracker[] = torrent.announce.slice(0, mostTrackers).map((url) => ({ url: new URL(url), known: false, failures: 0, askedAt: -Infinity, asking: null, timer: null }))
  const urlsOf = new Map<string, Set<string>>()
  const closing = new AbortController()
  let closed = false

  function said(event: Announce['event']): Announce {
    const left = torrent.length === undefined ? NaN : torrent.length - torrent.downloaded
    return {
      infoHash: torrent.infoHash,
      peerId: options.peerId,
      port: options.port,
      uploaded: torrent.uploaded,
      downloaded: torrent.received,
      left: Number.isFinite(left) ? Math.max(0, left) : 16_384, // not known yet: not nothing
      event,
      wanted: event === 'stopped' ? 0 : mostPeers,
    }
  }

  /** One at a time for each tracker; never rejects. */
  function ask(tracker: Tracker, event: Announce['event']): void {
    if (tracker.asking || closed) return
    if (tracker.timer) clearTimeout(tracker.timer)
    tracker.askedAt = performance.now()
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(answerMs)])
    tracker.asking = askNow(tracker, tracker.known ? event : 'started', signal).then(
      ({ intervalSeconds, peers, leechers }) => {
        tracker.failures = 0
        if (closed) return
        tracker.known = true
        options.onAnnounced()
        for (const peer of peers.slice(0, mostPeers)) if (!torrent.destroyed) options.onPeer(peer, leechers)
        again(tracker, Math.min(Math.max(intervalSeconds || seconds.usual, seconds.least), seconds.most))
      },
      () => {
        tracker.failures += 1
        if (!closed) again(tracker, Math.min(seconds.afterFailure * 2 ** tracker.failures, seconds.usual))
      },
    ).finally(() => { tracker.asking = null })
  }

  function again(tracker: Tracker, afterSeconds: number): void {
    tracker.timer = setTimeout(() => ask(tracker, null), afterSeconds * 1_000).unref()
  }

  async function askNow(tracker: Tracker, event: Announce['event'], signal: AbortSignal) {
    const address = await addressOf(hostOf(tracker.url))
    const urls = urlsOf.get(networkOf(address.address)) ?? new Set()
    urlsOf.set(networkOf(address.address), urls)
    if (!urls.has(tracker.url.href) && urls.size >= mostOfOneAddress) throw new Error('one tracker too many at this address')
    urls.add(tracker.url.href)
    signal.throwIfAborted()
    return (tracker.url.protocol === 'udp:' ? askUdpTracker : askHttpTracker)(tracker.url, address, said(event), signal)
  }

  function addressOf(host: string): Promise<LookupAddress> {
    const { promise, resolve, reject } = Promise.withResolvers<LookupAddress>()
    reach.lookup(host, { all: true }, (error, addresses) => {
      const [first] = typeof addresses === 'string' ? [] : addresses
      if (error || !first) reject(error ?? new Error('no address'))
      else resolve(first)
    })
    return promise
  }

  const announcer: Announcer = {
    start() {
      for (const tracker of trackers) ask(tracker, 'started')
    },
    update() {
      for (const tracker of trackers) if (performance.now() - tracker.askedAt > leastGapMs) ask(tracker, null)
    },
    complete() {
      for (const tracker of trackers) if (tracker.known) ask(tracker, 'completed')
    },
    stop() {},
    removeListener() {},
    destroy(done) {
      closed = true
      for (const { timer } of trackers) if (timer) clearTimeout(timer)
      closing.abort()
      // Peers hear no more of us; nobody waits long for that.
      const goodbye = AbortSignal.timeout(goodbyeMs)
      const told = trackers.filter(({ known }) => known).map((tracker) => askNow(tracker, 'stopped', goodbye))
      void Promise.allSettled([...told, ...trackers.map(({ asking }) => asking)]).then(() => done())
    },
  }
  announcer.start()
  return announcer
}
