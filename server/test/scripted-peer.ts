import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { encodeBencode, type Encodable } from '../lib/bencode.ts'
import type { Swarm } from './swarm.ts'

/** Ids of BEP 3, BEP 6 and BEP 10. */
export const message = {
  choke: 0, unchoke: 1, interested: 2, have: 4, bitfield: 5, request: 6, piece: 7, cancel: 8,
  haveAll: 14, reject: 16, allowedFast: 17, extended: 20,
} as const

/** What a peer of a test does; whatever it does not say, it does not do. */
export interface PeerScript {
  readonly infoHash: string
  /** Sent instead of the handshake in answer to one. */
  readonly greeting?: Buffer
  /** Hangs up behind its handshake on who has said more than one before it, as aria2 does. */
  readonly isShy?: boolean
  /** Both have greeted each other. */
  onGreeted?(wire: ScriptedWire): void
  onMessage?(wire: ScriptedWire, id: number, payload: Buffer): void
}

/** One connection of a peer that speaks the protocol by hand, and so may speak it wrongly. */
export interface ScriptedWire {
  readonly socket: Socket
  /** The other side's 68 bytes; none before `onGreeted`. */
  handshake: Buffer
  /** `numbers` are four bytes each. */
  send(id: number, numbers?: readonly number[], bytes?: Uint8Array): void
  /** The extended handshake (BEP 10), or with an id an extension's message. */
  extended(payload: Encodable | Buffer, id?: number): void
  raw(bytes: Uint8Array | string): void
}

export interface ScriptedPeer extends AsyncDisposable {
  /** `host:port` */
  readonly address: string
  /** How often it was connected to, and how often it is now. */
  connections(): number
  live(): number
}

const handshakeBytes = 68
/** Says that it speaks the extension protocol (BEP 10) and the fast extension (BEP 6). */
const reserved = Buffer.from([0, 0, 0, 0, 0, 0x10, 0, 0x04])

export const handshakeOf = (infoHash: string): Buffer =>
  Buffer.concat([Buffer.from('\x13BitTorrent protocol', 'latin1'), reserved, Buffer.from(infoHash, 'hex'), Buffer.from('-SP0001-scriptedpeer')])

/** A peer that waits to be connected to. Other addresses of loopback than 127.0.0.1 make it another one. */
export async function startPeer(script: PeerScript, host = '127.0.0.1'): Promise<ScriptedPeer> {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer((socket) => {
    connections += 1
    sockets.add(socket.on('close', () => sockets.delete(socket)))
    speak(socket, script, () => socket.write(script.greeting ?? handshakeOf(script.infoHash)))
  }).listen(0, host)
  await once(server, 'listening')
  return {
    address: `${host}:${(server.address() as AddressInfo).port}`,
    connections: () => connections,
    live: () => sockets.size,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A peer that connects, from an address of its own. */
export async function dialPeer(port: number, script: PeerScript, from = '127.0.0.1'): Promise<ScriptedWire> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from })
  const wire = speak(socket, script, () => {})
  await once(socket, 'connect')
  socket.write(handshakeOf(script.infoHash))
  return wire
}

function speak(socket: Socket, script: PeerScript, answer: () => void): ScriptedWire {
  const wire: ScriptedWire = {
    socket: socket.on('error', () => {}),
    handshake: Buffer.alloc(0),
    send: (id, numbers = [], bytes = new Uint8Array()) => void socket.write(framed(id, numbers, bytes)),
    extended: (payload, id = 0) => void socket.write(framed(message.extended, [], Buffer.concat([Buffer.from([id]), Buffer.isBuffer(payload) ? payload : encodeBencode(payload)]))),
    raw: (bytes) => void socket.write(bytes),
  }
  let unread = Buffer.alloc(0)
  let greeted = false
  socket.on('data', (chunk) => {
    unread = Buffer.concat([unread, chunk])
    if (!greeted) {
      if (unread.length < handshakeBytes) return
      greeted = true
      wire.handshake = unread.subarray(0, handshakeBytes)
      unread = unread.subarray(handshakeBytes)
      answer()
      if (script.isShy && unread.length > 0) return void socket.end()
      script.onGreeted?.(wire)
    }
    while (unread.length >= 4 && unread.length >= 4 + unread.readUInt32BE()) {
      const length = unread.readUInt32BE()
      const body = unread.subarray(4, 4 + length)
      unread = unread.subarray(4 + length)
      if (length > 0) script.onMessage?.(wire, body[0] ?? 0, body.subarray(1))
    }
  })
  return wire
}

export function framed(id: number, numbers: readonly number[] = [], bytes: Uint8Array = new Uint8Array()): Buffer {
  const head = Buffer.alloc(5 + numbers.length * 4)
  head.writeUInt32BE(head.length - 4 + bytes.length)
  head[4] = id
  numbers.forEach((number, at) => head.writeUInt32BE(number >>> 0, 5 + at * 4))
  return Buffer.concat([head, bytes])
}

/** Seeds the one file of a swarm; `send` may do otherwise with a block than send it as it is. */
export function seeding(swarm: Pick<Swarm, 'infoHash' | 'torrent' | 'files'>, send = sendAsIs): PeerScript {
  const { pieceLength } = swarm.torrent
  return {
    infoHash: swarm.infoHash,
    onGreeted: (wire) => {
      wire.extended(new Map([['m', new Map([['ut_metadata', 2]])]]))
      wire.send(message.bitfield, [], allOf(swarm.torrent.pieceHashes.length / 20))
    },
    onMessage: (wire, id, payload) => {
      if (id === message.interested) wire.send(message.unchoke)
      if (id !== message.request) return
      const [piece, offset, length] = [0, 4, 8].map((at) => payload.readUInt32BE(at)) as [number, number, number]
      void swarm.files[0]?.read(piece * pieceLength + offset, length).then((bytes) => send(wire, { piece, offset, bytes: Buffer.from(bytes) }))
    },
  }
}
export interface Block { readonly piece: number; readonly offset: number; readonly bytes: Buffer }
export const sendAsIs = (wire: ScriptedWire, { piece, offset, bytes }: Block): void => wire.send(message.piece, [piece, offset], bytes)

export function allOf(pieces: number): Buffer {
  const bits = Buffer.alloc(Math.ceil(pieces / 8), 255)
  if (pieces % 8) bits[bits.length - 1] = 0xff << (8 - (pieces % 8))
  return bits
}
