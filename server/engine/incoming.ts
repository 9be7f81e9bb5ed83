import type { Socket } from 'node:net'
import type WebTorrent from 'webtorrent'
import { networkOf, unmapped } from '../lib/addresses.ts'
import type { EngineSettings } from './contract.ts'
import type { Reach } from './reach.ts'

/** Connections that have not said which torrent they are for. */
const mostSilent = 50
const handshakeMs = 10_000

/**
 * Who may connect to us (controls D3, D7): addresses that we would connect to ourselves, a few from each, and so many in
 * all. webtorrent's own `blocked` and `maxConns` look at outgoing connections alone.
 */
export function guardIncoming(client: WebTorrent, { reach, settings, hasRoom }: { reach: Reach; settings: EngineSettings; hasRoom: () => boolean }): void {
  const { _connPool: pool } = client
  const { tcpServer: server } = pool
  const from = new Map<string, number>()
  const silent = new Set<Socket>()

  server.off('connection', pool._onTCPConnectionBound)
  server.on('connection', (socket) => {
    const address = socket.remoteAddress
    if (!address || !mayEnter(unmapped(address))) {
      socket.on('error', () => {})
      socket.resetAndDestroy()
      return
    }
    const network = networkOf(address)
    from.set(network, (from.get(network) ?? 0) + 1)
    silent.add(socket)
    const timer = setTimeout(() => { if (silent.has(socket)) socket.destroy() }, handshakeMs).unref()
    let heard = 0
    // 68 bytes are a handshake; webtorrent ends the connection when they are not, or are for a torrent it has not.
    const onData = (chunk: Buffer) => {
      heard += chunk.length
      if (heard < 68) return
      silent.delete(socket)
      socket.off('data', onData)
    }
    socket.once('close', () => {
      clearTimeout(timer)
      silent.delete(socket)
      const left = (from.get(network) ?? 1) - 1
      if (left > 0) from.set(network, left)
      else from.delete(network)
    })
    pool._onConnection(socket, 'tcp')
    socket.on('data', onData)
  })

  function mayEnter(address: string): boolean {
    return reach.mayReach(address) && hasRoom() && silent.size < mostSilent && (from.get(networkOf(address)) ?? 0) < settings.connectionsPerAddress
  }
}
