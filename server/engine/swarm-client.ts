import WebTorrent, { type Torrent } from 'webtorrent'
import { EngineError, type EngineSettings } from './contract.ts'
import { createDials } from './dials.ts'
import { guardIncoming } from './incoming.ts'
import type { Reach } from './reach.ts'
import type { Seeds } from './seeds.ts'
import { guardTorrent } from './torrent-guard.ts'
import { createUploads } from './uploads.ts'
import { UtMetadata } from './ut-metadata.ts'
import { UtPex } from './ut-pex.ts'
import { guardWires } from './wire-guard.ts'

/** Connections being opened, of all torrents. */
const mostHalfOpen = 30
/** Torrents whose bans are remembered. */
const mostBanLists = 1_000

/**
 * The BitTorrent client: TCP peers from trackers, and of what calls out by itself only what is switched on. Everything a
 * stranger can do to it is bounded here, by guards of our own around it. Rejects with `listen_failed`.
 */
export async function joinSwarm(settings: EngineSettings, reach: Reach, seeds: Seeds, onBan: (infoHash: string, offence: string) => void): Promise<WebTorrent> {
  const { host, port, connectionsPerTorrent, connections, discovery } = settings
  await guardWires({ uploads: createUploads(settings.uploadBytesPerSecond), extensions: { ut_metadata: UtMetadata, ut_pex: UtPex } })
  const client = new WebTorrent({
    dht: discovery.dht,
    dhtPort: { port: 0, address: host },
    lsd: discovery.lsd,
    utPex: discovery.pex,
    natUpnp: discovery.upnp,
    natPmp: false,
    utp: false, // with it a peer that speaks TCP alone was reached after 41 s
    webSeeds: false,
    secure: 0, // encryption first costs a round trip or two at each start, and hides nothing that matters here
    tracker: false, // ours: announcer.ts
    maxConns: connectionsPerTorrent,
    torrentPort: { host, port }, // a number alone would listen on every interface
    ...(settings.downloadBytesPerSecond === null ? {} : { downloadLimit: settings.downloadBytesPerSecond }),
  })
  client.blocked = { contains: (address) => !reach.mayReach(address) }

  // webtorrent asks before each connect, and knows a bound for each torrent alone.
  const count = (key: '_numConns' | '_numPending') => client.torrents.reduce((sum, torrent) => sum + torrent[key], 0)
  const hasRoom = () => count('_numConns') + count('_numPending') < connections && count('_numPending') < mostHalfOpen
  Object.defineProperty(client, 'maxConns', { get: () => (hasRoom() ? connectionsPerTorrent : 0) })
  guardIncoming(client, { reach, settings, seeds, hasRoom })

  const dials = createDials(settings.connectsPerAddress)
  const bans = new Map<string, Set<string>>()
  client.on('add', (torrent: Torrent) => {
    // Its info-hash is known, its discovery has not begun.
    torrent.once('_infoHash', () => {
      if (torrent.destroyed) return // it was there already
      const banned = bans.get(torrent.infoHash) ?? new Set()
      bans.delete(torrent.infoHash)
      bans.set(torrent.infoHash, banned)
      for (const oldest of bans.keys()) if (bans.size > mostBanLists) bans.delete(oldest)
      guardTorrent(torrent, { client, settings, reach, dials, seeds, banned, onBan: (offence) => onBan(torrent.infoHash, offence) })
      // Room that one torrent leaves is for all.
      const { removePeer } = torrent
      torrent.removePeer = (peer) => {
        removePeer.call(torrent, peer)
        for (const other of client.torrents) if (other !== torrent && other._queue?.length > 0) other._drain()
      }
    })
  })

  const { promise, resolve, reject } = Promise.withResolvers<WebTorrent>()
  const fail = (error: unknown) => reject(new EngineError('listen_failed', `Cannot listen for peers on ${host}:${port}: ${String(error)}`))
  client.once('error', fail)
  client.once('listening', () => {
    seeds.join(client, reach)
    client.off('error', fail) // from here on an error of the client itself is a crash: the server starts another
    resolve(client)
  })
  return promise
}
