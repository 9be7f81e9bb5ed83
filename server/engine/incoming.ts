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
      // Most clients encrypt first (MSE) and come back plainly at once when that is not taken; webtorrent would wait for 25 s.
      if (infoHash === null) return socket.resetAndDestroy()
      await seeds.wake(infoHash)
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

/** Which torrent the first bytes name, left to be read by others; null as soon as they are no plain handshake, or end. */
function infoHashOfHandshake(socket: Socket): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>()
  let head = Buffer.alloc(0)
  const done = (infoHash: string | null) => {
    socket.off('readable', onReadable).off('close', onClose)
    if (head.length > 0 && !socket.destroyed) socket.unshift(head)
    resolve(infoHash)
  }
  const onReadable = () => {
    for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) head = Buffer.concat([head, chunk])
    const known = Math.min(head.length, plainHead.length)
    if (!head.subarray(0, known).equals(plainHead.subarray(0, known))) done(null)
    else if (head.length >= hashEnd) done(head.toString('hex', hashAt, hashEnd))
  }
  const onClose = () => done(null)
  socket.on('readable', onReadable).once('close', onClose)
  return promise
}
