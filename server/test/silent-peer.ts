import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'

/** A peer that has every piece and is willing, but sends blocks as it is told to, none at first: it notes what it is asked for (BEP 3, no extensions). */
export interface SilentPeer extends AsyncDisposable {
  readonly address: string
  /** Blocks asked for and not taken back, as `piece:offset`. */
  readonly wanted: ReadonlySet<string>
  /** How many were taken back. */
  cancelled(): number
  /** Everything asked for, in turn: `request 3:0`, `cancel 3:0`, `interested`, `bitfield`. */
  readonly heard: readonly string[]
  /** How often it was called. */
  calls(): number
}

export interface SilentPeerOptions {
  /** Whether it lets itself be asked: when it is found interesting, together with its handshake, or once this has happened. */
  readonly unchokes?: 'when-interested' | 'with-handshake' | Promise<unknown>
  /** Whether it answers a handshake. */
  readonly greets?: boolean
  /** Gives the bytes of a block; it is sent as soon as it is asked for, or one so often. */
  readonly sends?: { readonly block: (piece: number, offset: number, length: number) => Promise<Uint8Array>; readonly everyMs?: number }
}

const handshakeBytes = 68
const message = { unchoke: 1, interested: 2, bitfield: 5, request: 6, piece: 7, cancel: 8 }

export async function startSilentPeer(infoHash: string, pieces: number, { unchokes = 'when-interested', greets = true, sends }: SilentPeerOptions = {}): Promise<SilentPeer> {
  const wanted = new Map<string, () => void>()
  const sockets = new Set<Socket>()
  const heard: string[] = []
  let [cancelled, calls] = [0, 0]

  const unchoke = (socket: Socket) => socket.write(framed(message.unchoke))
  function onMessage(socket: Socket, body: Buffer): void {
    const numbers = () => [body.readUInt32BE(1), body.readUInt32BE(5), body.readUInt32BE(9)] as const
    if (body[0] === message.bitfield) heard.push('bitfield')
    if (body[0] === message.interested) {
      heard.push('interested')
      if (unchokes === 'when-interested') unchoke(socket)
    }
    if (body[0] === message.request) {
      const [piece, offset, length] = numbers()
      heard.push(`request ${piece}:${offset}`)
      wanted.set(`${piece}:${offset}`, () => void sendBlock(socket, piece, offset, length))
      if (sends && sends.everyMs === undefined) sendNext()
    }
    if (body[0] === message.cancel) {
      const [piece, offset] = numbers()
      heard.push(`cancel ${piece}:${offset}`)
      if (wanted.delete(`${piece}:${offset}`)) cancelled += 1
    }
  }

  function sendNext(): void {
    const [next] = wanted
    if (!next) return
    wanted.delete(next[0])
    next[1]()
  }
  async function sendBlock(socket: Socket, piece: number, offset: number, length: number): Promise<void> {
    const block = await sends?.block(piece, offset, length)
    if (block) socket.write(framed(message.piece, Buffer.concat([uint32(piece), uint32(offset), block])))
  }
  const timer = sends?.everyMs === undefined ? null : setInterval(sendNext, sends.everyMs)

  const server = createServer((socket) => {
    calls += 1
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)))
    if (typeof unchokes === 'object') void unchokes.then(() => unchoke(socket))
    let unread = Buffer.alloc(0)
    let greeted = false
    socket.on('data', (chunk) => {
      unread = Buffer.concat([unread, chunk])
      if (!greeted && unread.length >= handshakeBytes) {
        greeted = true
        unread = unread.subarray(handshakeBytes)
        const handshake = Buffer.concat([Buffer.from('\x13BitTorrent protocol\0\0\0\0\0\0\0\0', 'latin1'), Buffer.from(infoHash, 'hex'), Buffer.from('-SP0001-silentsilent')])
        if (greets) socket.write(Buffer.concat([handshake, framed(message.bitfield, allOf(pieces)), ...(unchokes === 'with-handshake' ? [framed(message.unchoke)] : [])]))
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
    get wanted() { return new Set(wanted.keys()) },
    heard,
    cancelled: () => cancelled,
    calls: () => calls,
    async [Symbol.asyncDispose]() {
      if (timer) clearInterval(timer)
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

const framed = (id: number, payload: Uint8Array = Buffer.alloc(0)): Buffer => Buffer.concat([uint32(1 + payload.length), Buffer.from([id]), payload])

function allOf(pieces: number): Buffer {
  const bits = Buffer.alloc(Math.ceil(pieces / 8), 255)
  if (pieces % 8) bits[bits.length - 1] = 0xff << (8 - (pieces % 8))
  return bits
}
