import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'

/** A peer that has every piece, is willing, and never sends one: it notes what it is asked for (BEP 3, no extensions). */
export interface SilentPeer extends AsyncDisposable {
  readonly address: string
  /** Blocks asked for and not taken back, as `piece:offset`. */
  readonly wanted: ReadonlySet<string>
  /** How many were taken back. */
  cancelled(): number
}

const handshakeBytes = 68
const message = { unchoke: 1, interested: 2, bitfield: 5, request: 6, cancel: 8 }

export async function startSilentPeer(infoHash: string, pieces: number): Promise<SilentPeer> {
  const wanted = new Set<string>()
  const sockets = new Set<Socket>()
  let cancelled = 0

  function onMessage(socket: Socket, body: Buffer): void {
    const block = () => `${body.readUInt32BE(1)}:${body.readUInt32BE(5)}`
    if (body[0] === message.interested) socket.write(framed(message.unchoke, Buffer.alloc(0)))
    if (body[0] === message.request) wanted.add(block())
    if (body[0] === message.cancel && wanted.delete(block())) cancelled += 1
  }

  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)))
    let unread = Buffer.alloc(0)
    let greeted = false
    socket.on('data', (chunk) => {
      unread = Buffer.concat([unread, chunk])
      if (!greeted && unread.length >= handshakeBytes) {
        greeted = true
        unread = unread.subarray(handshakeBytes)
        socket.write(Buffer.concat([Buffer.from('\x13BitTorrent protocol\0\0\0\0\0\0\0\0', 'latin1'), Buffer.from(infoHash, 'hex'), Buffer.from('-SP0001-silentsilent')]))
        socket.write(framed(message.bitfield, allOf(pieces)))
      }
      while (greeted && unread.length >= 4 && unread.length >= 4 + unread.readUInt32BE()) {
        const length = unread.readUInt32BE()
        if (length > 0) onMessage(socket, unread.subarray(4, 4 + length))
        unread = unread.subarray(4 + length)
      }
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    wanted,
    cancelled: () => cancelled,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function framed(id: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(1 + payload.length)
  head[4] = id
  return Buffer.concat([head, payload])
}

function allOf(pieces: number): Buffer {
  const bits = Buffer.alloc(Math.ceil(pieces / 8), 255)
  if (pieces % 8) bits[bits.length - 1] = 0xff << (8 - (pieces % 8))
  return bits
}
