import type { Peer, Torrent } from 'webtorrent'

/** Peers of one torrent that are remembered as wanting to be met otherwise: more than may be connected, and no end of names. */
export const mostOddPeers = 200

/** Calls a peer that has hung up once more at once: whatever made it hang up is done otherwise now. Its count of tries stays. */
export function callAgain(torrent: Torrent, { addr, retries }: Peer): void {
  // by then webtorrent has taken the peer off its list
  queueMicrotask(() => {
    if (torrent.destroyed || !torrent.addPeer(addr)) return
    const again = torrent._peers.get(addr)
    if (again) again.retries = retries
  })
}
