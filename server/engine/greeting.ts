/** What is said to a peer as soon as it can be, and what it says too soon for webtorrent to hear. */
import type { Torrent, Wire } from 'webtorrent'
import { Latest } from '../lib/latest.ts'
import { callAgain, mostOddPeers } from './call-again.ts'

/**
 * Sends each peer that is called what we have and that we are interested right behind our handshake, not a round trip
 * later in answer to its own (BEP 3 lets both follow at once); acts on what peers say in one packet with their handshake.
 * aria2 hangs up when more than a handshake comes before its own has gone out: such a peer is called again at once, and
 * then told nothing before it has answered.
 */
export function greetEarly(torrent: Torrent): void {
  const register = torrent._registerPeer.bind(torrent)
  const early = new WeakSet<Wire>()
  /** Wires on which the peer has said something behind its handshake. */
  const heard = new WeakSet<Wire>()
  const shy = new Latest<string>(mostOddPeers)
  torrent._registerPeer = (peer) => {
    register(peer)
    // Without it requests wait for the acknowledgement of those before: 40 ms, as peers delay it.
    if (peer.connected) peer.conn?.setNoDelay()
    else peer.once('connect', () => peer.conn?.setNoDelay())
    if (peer.type !== 'tcpOutgoing') return
    const handshake = peer.handshake.bind(peer)
    peer.handshake = () => {
      handshake()
      if (!peer.wire || shy.has(peer.addr) || !torrent.ready || !torrent.pieces.some((piece) => piece !== null)) return
      early.add(peer.wire)
      introduce(torrent, peer.wire)
    }
    peer.once('disconnect', () => {
      const { addr, wire } = peer
      if (!wire?.peerId || !early.has(wire) || heard.has(wire)) return
      shy.add(addr)
      callAgain(torrent, peer)
    })
  }
  torrent.on('wire', (wire: Wire) => {
    for (const said of ['bitfield', 'have', 'have-all', 'have-none', 'extended', 'choke', 'unchoke']) wire.once(said, () => heard.add(wire))
    // Said again in answer to its bitfield: a peer that is webtorrent itself hears nothing that comes with a handshake.
    if (early.has(wire)) wire.amInterested = false
    // By then webtorrent listens; for what came before, it looks at `peerPieces` alone.
    setImmediate(() => {
      if (torrent.destroyed || wire.destroyed) return
      if (wire.peerInterested) wire.unchoke()
      torrent._updateWire(wire)
    })
  })
}

function introduce(torrent: Torrent, wire: Wire): void {
  const told = Uint8Array.from(torrent.bitfield.buffer)
  wire.bitfield(torrent.bitfield)
  wire.interested()
  // webtorrent would say it now; all that is left to say is what has come since.
  wire.bitfield = wire.haveAll = wire.haveNone = () => {
    for (let piece = 0; piece < torrent.pieces.length; piece += 1) {
      const known = ((told[piece >> 3] ?? 0) >> (7 - (piece & 7))) & 1
      if (!known && torrent.bitfield.get(piece)) wire.have(piece)
    }
  }
}
