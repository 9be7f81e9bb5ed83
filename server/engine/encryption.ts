import type { Torrent } from 'webtorrent'
import { Latest } from '../lib/latest.ts'
import { callAgain, mostOddPeers } from './call-again.ts'

/**
 * Calls a peer that hung up on a plain handshake once more at once, encrypted (MSE). Plain comes first: encryption costs
 * round trips at each start and halves the throughput, and hides nothing that matters here; but some peers demand it.
 * Who hangs up on that as well is called plainly again, when webtorrent would have called.
 */
export function encryptOnRefusal(torrent: Torrent): void {
  const register = torrent._registerPeer.bind(torrent)
  const demanding = new Latest<string>(mostOddPeers)
  torrent._registerPeer = (peer) => {
    if (peer.type === 'tcpOutgoing' && demanding.has(peer.addr)) peer.secure = 1
    register(peer)
    if (peer.type !== 'tcpOutgoing') return
    peer.once('disconnect', () => {
      const { addr, secure, wire } = peer
      if (wire?.peerId) return // there was a handshake
      if (secure) return void demanding.delete(addr)
      demanding.add(addr)
      callAgain(torrent, peer)
    })
  }
}
