import net, { type Socket } from 'node:net'
import type { Torrent } from 'webtorrent'
import { PieceMemory, type Piece } from './piece-memory.ts'
import { speedMeter } from './speed-meter.ts'

/** As much of bittorrent-protocol 5 as is needed to read what a peer sends. */
interface Wire {
  readonly destroyed: boolean
  readonly requests: readonly { piece: number; offset: number; length: number }[]
  readonly _encryptor: object | null
  downloadSpeed: (bytes?: number) => number
  uploadSpeed: (bytes?: number) => number
  /** What has come and is no whole message yet. */
  _buffer: Uint8Array[]
  _bufferSize: number
  /** How many bytes are next handed to `_parser`. */
  readonly _parserSize: number
  readonly _parser: (bytes: Uint8Array) => void
  readonly _onMessage: (message: Uint8Array) => void
  readonly _onMessageLength: (head: Uint8Array) => void
  _parse(size: number, parser: (bytes: Uint8Array) => void): void
  _onPiece(piece: number, offset: number, block: Uint8Array): void
  _write(data: Uint8Array, done: (error: Error | null) => void): void
  once(event: 'close', listener: () => void): void
}
interface Peer {
  readonly conn: Socket | null
  readonly wire: Wire | null
  emit(event: 'download', bytes: number): boolean
}
interface Swarm {
  _drain(): void
  readonly _peers: ReadonlyMap<string, Peer>
  readonly pieces: readonly (Piece | null)[]
  readonly client: { readonly throttleGroups: { readonly down: { getEnabled(): boolean } } }
}

const handshakeBytes = 68
const pieceMessage = 7
/** id, index and offset of a block (BEP 3). */
const pieceHeadBytes = 9

/** Every socket reads into this: what is in it has been taken before the next one reads. Larger than Node's own 64 KiB: fewer calls. */
const incoming = Buffer.allocUnsafeSlow(256 * 1024)
/** Takes the bytes of blocks that nobody wants any more. */
const waste = Buffer.allocUnsafeSlow(128 * 1024 + pieceHeadBytes)

/**
 * Reads what called peers send straight into the memory of pieces. webtorrent takes new memory for each chunk read, copies what is left of a
 * message together with the next chunk, and the blocks together to a piece: three times the bytes, and most of the garbage
 * collector's work. Peers that encrypt, and all while a download limit is set, go by webtorrent's own way.
 */
export function receiveInPlace(torrent: Torrent, pieceLength: number): void {
  const swarm = torrent as unknown as Swarm
  const memory = new PieceMemory(pieceLength)
  const intakes = new WeakMap<Socket, Intake>()
  // after those who look at what was sent
  torrent.on('verified', (piece: number) => setImmediate(() => memory.written(piece)))
  torrent.on('warning', (warning: Error) => {
    const failed = /^Piece (\d+) failed verification$/.exec(warning.message)?.[1]
    if (failed !== undefined) memory.failed(Number(failed))
  })
  torrent.on('wire', (wire: unknown) => {
    const peer = [...swarm._peers.values()].find((one) => one.wire === wire)
    const intake = peer?.conn && intakes.get(peer.conn)
    if (peer && intake && !peer.wire?._encryptor && !swarm.client.throttleGroups.down.getEnabled()) intake.attach(peer)
  })

  const drain = swarm._drain.bind(torrent)
  swarm._drain = () => {
    const { connect } = net
    // The one call of `net.connect` in there; `onread` can be asked for only when a socket is made.
    net.connect = ((options: net.NetConnectOpts) => {
      const intake = new Intake(swarm, memory)
      const socket = connect({ ...options, onread: { buffer: incoming, callback: (bytes) => intake.take(incoming.subarray(0, bytes)) } })
      intake.socket = socket
      sendTogether(socket)
      intakes.set(socket, intake)
      return socket
    }) as typeof connect
    try {
      drain()
    } finally {
      net.connect = connect
    }
  }
}

/** What is written in one turn leaves as one packet: requests are asked for by the dozen, and each was a system call. */
function sendTogether(socket: Socket): void {
  const { write } = socket
  let corked = false
  socket.write = (...args: unknown[]) => {
    if (!corked) {
      corked = true
      socket.cork()
      process.nextTick(() => {
        corked = false
        socket.uncork()
      })
    }
    return Reflect.apply(write, socket, args) as boolean
  }
}

/** A block that is coming in. */
interface Block { readonly index: number; readonly offset: number; readonly into: Buffer; filled: number; release(): void }

/** One connection: at first as webtorrent would have it, until its wire has seen all that had come by then. */
class Intake {
  socket: Socket | null = null
  #swarm: Swarm
  #memory: PieceMemory
  #peer: Peer | null = null
  #wire: Wire | null = null
  #direct = false
  /** Handed to the socket's stream, and seen by the wire of it. */
  #pushed = 0
  #seen = 0
  /** What has come of the next message or of its head. */
  #partial = Buffer.alloc(0)
  #block: Block | null = null

  constructor(swarm: Swarm, memory: PieceMemory) {
    this.#swarm = swarm
    this.#memory = memory
  }

  /** Called in the middle of the handshake: what came with it is still on its way through the wire. */
  attach(peer: Peer): void {
    const { wire } = peer
    if (!wire) return
    this.#peer = peer
    this.#wire = wire
    wire.downloadSpeed = speedMeter()
    wire.uploadSpeed = speedMeter()
    this.#seen = handshakeBytes + wire._bufferSize
    const write = wire._write
    wire._write = (data, done) => {
      this.#seen += data.length
      write.call(wire, data, done)
    }
    wire.once('close', () => this.#block?.release())
  }

  take(bytes: Buffer): boolean {
    const [wire, peer] = [this.#wire, this.#peer]
    if (!wire || !peer || (!this.#direct && this.#seen !== this.#pushed)) {
      this.#pushed += bytes.length
      this.socket?.push(Buffer.from(bytes))
      return true
    }
    if (!this.#direct) {
      this.#direct = true
      this.#partial = Buffer.concat(wire._buffer)
      wire._buffer = []
      wire._bufferSize = 0
    }
    peer.emit('download', bytes.length)
    this.#read(wire, bytes)
    return true
  }

  #read(wire: Wire, bytes: Buffer): void {
    for (let rest = bytes; !wire.destroyed && (rest.length > 0 || wire._parserSize <= this.#partial.length);) {
      rest = this.#block ? this.#fill(wire, this.#block, rest) : this.#next(wire, rest)
    }
  }

  /** Takes a message, or the head of a block. @returns what is left */
  #next(wire: Wire, bytes: Buffer): Buffer {
    const inMessage = wire._parser === wire._onMessage
    const first = this.#partial[0] ?? bytes[0]
    const isBlock = inMessage && first === pieceMessage && wire._parserSize > pieceHeadBytes
    const needed = isBlock ? pieceHeadBytes : wire._parserSize
    const taken = Math.max(0, needed - this.#partial.length)
    if (bytes.length < taken) {
      this.#partial = Buffer.concat([this.#partial, bytes])
      return bytes.subarray(bytes.length)
    }
    // A copy: whoever keeps it would see it change.
    const whole = taken === 0 ? this.#partial.subarray(0, needed) : Buffer.concat([this.#partial, bytes.subarray(0, taken)])
    this.#partial = taken === 0 ? this.#partial.subarray(needed) : Buffer.alloc(0)
    if (!isBlock) wire._parser(whole)
    else {
      this.#block = this.#roomFor(wire, whole.readUInt32BE(1), whole.readUInt32BE(5), wire._parserSize - pieceHeadBytes)
      if (this.#partial.length > 0) {
        // only at the change from one way to the other
        const come = Buffer.concat([this.#partial, bytes.subarray(taken)])
        this.#partial = Buffer.alloc(0)
        return come
      }
    }
    return bytes.subarray(taken)
  }

  #fill(wire: Wire, block: Block, bytes: Buffer): Buffer {
    const count = Math.min(bytes.length, block.into.length - block.filled)
    bytes.copy(block.into, block.filled, 0, count)
    block.filled += count
    if (block.filled === block.into.length) {
      this.#block = null
      wire._parse(4, wire._onMessageLength)
      wire._onPiece(block.index, block.offset, block.into)
      block.release()
    }
    return bytes.subarray(count)
  }

  #roomFor(wire: Wire, index: number, offset: number, length: number): Block {
    const asked = wire.requests.some((request) => request.piece === index && request.offset === offset && request.length === length)
    const piece = asked ? this.#swarm.pieces[index] : null
    const room = piece && this.#memory.claim(piece, index, offset, length)
    if (room) return { index, offset, filled: 0, ...room }
    // asked for, but another wire fills its place; or not asked for, and looked at by nobody
    const into = asked ? Buffer.allocUnsafeSlow(length) : waste.subarray(0, length)
    return { index, offset, filled: 0, into, release: () => {} }
  }
}
