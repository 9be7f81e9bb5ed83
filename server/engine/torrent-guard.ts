import type WebTorrent from 'webtorrent'
import type { Discovery, Torrent, Wire } from 'webtorrent'
import { networkOf } from '../lib/addresses.ts'
import { isPeerPort } from '../lib/ports.ts'
import { announce } from './announcer.ts'
import { splitPeer } from './compact-peers.ts'
import type { EngineSettings } from './contract.ts'
import type { Dials } from './dials.ts'
import { findLiars } from './liars.ts'
import type { Reach } from './reach.ts'
import type { Seeds } from './seeds.ts'
import { attach, drop, type GuardedWire } from './wire-guard.ts'
import type { UtMetadata } from './ut-metadata.ts'

export interface TorrentGuardOptions {
  readonly client: WebTorrent
  readonly settings: EngineSettings
  readonly reach: Reach
  readonly dials: Dials
  readonly seeds: Seeds
  /** Banned networks of this torrent, kept from one of its lives to the next. */
  readonly banned: Set<string>
  readonly onBan: (offence: string) => void
}

/** Peers known of one torrent, connected ones included. */
const mostPeers = 500
const mostBanned = 1_000
/** What may be sent before anything was fetched: a leech must find out that there is something to have. */
const freeBytes = 1024 * 1024
/** Where peers of a private torrent may come from (BEP 27). */
const privateSources = new Set<string | undefined>([undefined, 'manual', 'tracker'])

/** Bounds whom a torrent talks to, from the moment webtorrent makes it (controls D3, D6, D7). */
export function guardTorrent(torrent: Torrent, { client, settings, reach, dials, seeds, banned, onBan }: TorrentGuardOptions): void {
  const isBanned = (host: string) => banned.has(networkOf(host))
  const ban = (host: string, offence: string) => {
    if (banned.size >= mostBanned || isBanned(host)) return
    banned.add(networkOf(host))
    onBan(offence)
    for (const wire of [...torrent.wires]) if (wire.remoteAddress && isBanned(wire.remoteAddress)) drop(guarded(wire), offence)
  }
  const liars = findLiars(torrent, (host) => ban(host, 'wrong bytes'))

  const { addPeer, _drain: drain, _request: request, _startDiscovery: startDiscovery, _addIncomingPeer: addIncoming } = torrent

  torrent.addPeer = (peer, source) => {
    if (typeof peer !== 'string') {
      peer.destroy() // WebRTC: nothing here asks for it
      return false
    }
    const { host, port } = splitPeer(peer) ?? { host: '', port: 0 }
    const takes = torrent._peers.size < mostPeers && !seeds.isWithheld(torrent.infoHash) && reach.mayReach(host) && !isBanned(host)
      && (settings.allowServicePorts || isPeerPort(port)) && (!torrent.private || privateSources.has(source))
    return takes && addPeer.call(torrent, peer, source)
  }

  let draining = false
  torrent._drain = () => {
    if (torrent.destroyed || draining) return
    // Dropping one drains again.
    draining = true
    for (let next = torrent._queue[0]; next && torrent._numConns + torrent._numPending < client.maxConns; next = torrent._queue[0]) {
      const host = splitPeer(next.addr)?.host ?? ''
      if (!isBanned(host) && dials.take(host)) break
      torrent._queue.shift()
      next.destroy()
    }
    draining = false
    drain.call(torrent)
  }

  torrent._addIncomingPeer = (peer) => {
    if (torrent._numConns + torrent._numPending >= client.maxConns || seeds.isWithheld(torrent.infoHash)) return peer.destroy()
    addIncoming.call(torrent, peer)
  }

  torrent._request = (wire, piece, hotswap) => liars.mayAsk(guarded(wire), piece) && request.call(torrent, wire, piece, hotswap)

  torrent._startDiscovery = () => {
    const { lsd } = client
    const { private: isPrivate = false } = torrent
    const isQuiet = isPrivate || seeds.isWithheld(torrent.infoHash)
    client.lsd = lsd && !isQuiet // webtorrent asks only of DHT and PEX whether the torrent is private
    torrent.private = isQuiet
    startDiscovery.call(torrent)
    torrent.private = isPrivate
    client.lsd = lsd
    const { discovery } = torrent
    if (!discovery || discovery.tracker) return
    const sink = { onPeer: (peer: string) => void discovery.emit('peer', peer, 'tracker'), onAnnounced: () => void discovery.emit('trackerAnnounce') }
    discovery.tracker = seeds.attach(torrent, sink) ?? announce({ torrent, reach, port: client.torrentPort, peerId: client.peerId, ...sink })
    if (discovery.lsd) guardLsd(discovery.lsd, torrent.infoHash)
  }

  torrent.on('wire', (wire: Wire) => {
    const ward = guarded(wire)
    if (wire.type === 'tcpOutgoing' && wire.remoteAddress) dials.giveBack(wire.remoteAddress)
    if (wire.remoteAddress && isBanned(wire.remoteAddress)) return drop(ward, 'banned')
    const { ut_metadata: utMetadata } = wire as unknown as { ut_metadata: UtMetadata }
    utMetadata.serve(torrent.infoHash, torrent.metadata)
    attach(ward, {
      pieces: () => (torrent.metadata ? torrent.pieces.length : null),
      mayUpload: (bytes) => seeds.has(torrent.infoHash) || (!seeds.isWithheld(torrent.infoHash) && isWithinShare(torrent, bytes, settings.sharePercent)),
      onBlock: liars.onBlock,
      onOffence: (wire_, offence) => { if (wire_.remoteAddress) ban(wire_.remoteAddress, offence) },
    })
  })
}

/** Of what others published, no more is sent than a share of what was fetched. */
const isWithinShare = ({ uploaded, received }: Torrent, bytes: number, percent: number): boolean => percent > 0 && uploaded + bytes <= freeBytes + (received * percent) / 100

const guarded = (wire: Wire): GuardedWire => wire as unknown as GuardedWire

/** bittorrent-lsd throws on a datagram that is cut short, takes peers of other torrents, and ends the torrent with its socket (BEP 14). */
function guardLsd(lsd: NonNullable<Discovery['lsd']>, infoHash: string): void {
  lsd.removeAllListeners('error').on('error', () => {})
  const parse = lsd._parseAnnounce.bind(lsd)
  lsd._parseAnnounce = (text) => {
    if (!/^BT-SEARCH \* HTTP\/1\.1\r\nHost: [^\r\n]+\r\nPort: \d{1,5}\r\n/.test(text) || text.length > 1400) return null
    const announced = parse(text)
    return announced?.infoHash.some((one) => one.toLowerCase() === infoHash) ? { ...announced, infoHash: [infoHash] } : null
  }
}
