import type { Socket } from 'node:net'
import type WebTorrent from 'webtorrent'
import { networkOf, unmapped } from '../lib/addresses.ts'
import type { EngineSettings } from './contract.ts'
import type { Reach } from './reach.ts'
import type { Seeds } from './seeds.ts'

/** Connections that have not said which torrent they are for. */
const mostSilent = 50
const handshakeMs = 10_000

/**
 * Who may connect to us (controls D3, D7): addresses that we would connect to ourselves, a few from each, and so many in
 * all. webtorrent's own `blocked` and `maxConns` look at outgoing connections alone.
 */
export function guardIncoming(client: WebTorrent, { reach, settings, seeds, hasRoom }: { reach: Reach; settings: EngineSettings; seeds: Seeds; hasRoom: () => boolean }): void {
  const { _connPool: pool } = client
  const { tcpServer: server } = pool
  const from = new Map<string, number>()
  const silent = new Set<Socket>()

  server.off('connection', pool._onTCPConnectionBound)
  server.on('connection', (socket) => {
    const address = socket.remoteAddress
    socket.on('error', () => {}) // whoever has it by then hears of its end
    if (!address || !mayEnter(unmapped(address))) {
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
    void infoHashOfHandshake(socket).then(async (infoHash) => {
      if (infoHash !== null) await seeds.wake(infoHash)
      if (socket.destroyed) return
      pool._onConnection(socket, 'tcp')
      socket.on('data', onData)
    })
  })

  function mayEnter(address: string): boolean {
    return reach.mayReach(address) && hasRoom() && silent.size < mostSilent && (from.get(networkOf(address)) ?? 0) < settings.connectionsPerAddress
  }
}

/** Where the info-hash stands in a plain handshake (BEP 3). */
const [plainHead, hashAt, hashEnd] = [Buffer.from('\x13BitTorrent protocol', 'latin1'), 28, 48]

/** Which torrent the first bytes name, left to be read by others; null for what is no plain handshake, or never comes. */
function infoHashOfHandshake(socket: Socket): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>()
  const onReadable = () => {
    const head = socket.read(hashEnd) as Buffer | null
    if (head === null) return
    done()
    socket.unshift(head)
    resolve(head.length >= hashEnd && head.subarray(0, plainHead.length).equals(plainHead) ? head.toString('hex', hashAt, hashEnd) : null)
  }
  const onClose = () => {
    done()
    resolve(null)
  }
  const done = () => void socket.off('readable', onReadable).off('close', onClose)
  socket.on('readable', onReadable).once('close', onClose)
  return promise
}
