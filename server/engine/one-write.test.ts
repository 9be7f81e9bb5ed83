import { EventEmitter } from 'node:events'
import type { Torrent, Wire } from 'webtorrent'
import { expect, it } from 'vitest'
import { Requests } from './requests.ts'

it('requests of one turn leave as one, and the wire writes as before afterwards, however many turns there were', () => {
  const written: string[] = []
  const push = (bytes: Uint8Array) => void written.push(Buffer.from(bytes).toString())
  const wire = { destroyed: false, peerChoking: false, requests: [] as object[], peerPieces: { get: () => true }, peerExtendedHandshake: {}, downloadSpeed: () => 0, _push: push }
  const torrent = Object.assign(new EventEmitter(), {
    wires: [wire],
    pieceLength: 16 * 1024,
    _updateWire: () => {},
    _update: () => torrent._updateWire(wire as unknown as Wire),
    _request: (_wire: Wire, piece: number) => {
      if (wire.requests.length === 3) return false
      wire._push(Buffer.from(String(piece)))
      wire.requests.push({ piece, offset: 0, length: 1, callback: () => {} })
      return true
    },
  } as { wires: object[]; pieceLength: number; _updateWire: (wire: Wire) => void; _update: () => void; _request: (wire: Wire, piece: number) => boolean })
  const requests = new Requests(torrent as unknown as Torrent)
  for (let turn = 1; turn <= 3; turn += 1) {
    wire.requests.length = 0
    requests.want([7, 8], [7])
    expect(written).toEqual(Array.from({ length: turn }, () => '777'))
    expect(wire._push).toBe(push)
  }
  requests.close()
})
