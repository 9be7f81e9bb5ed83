import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { readCompact } from './compact-peers.ts'
import type { Announce, AskTracker } from './tracker.ts'

const protocolId = Buffer.from('0000041727101980', 'hex')
const action = { connect: 0, announce: 1, error: 3 }
const events = { none: 0, completed: 1, started: 2, stopped: 3 }
/** Datagrams get lost: asked so often, waiting so long each time. */
const tries = 3
const waitMs = 4_000

/** Announces over UDP (BEP 15). The socket is connected: the kernel passes on answers from that address alone. */
export const askUdpTracker: AskTracker = async (url, { address, family }, announce, signal) => {
  const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4', signal })
  try {
    const connected = once(socket, 'connect', { signal })
    socket.connect(Number(url.port), address)
    await connected
    const greeting = await exchange(socket, action.connect, protocolId, Buffer.alloc(0), signal)
    const answer = await exchange(socket, action.announce, greeting.subarray(8, 16), bodyOf(announce), signal)
    return { intervalSeconds: answer.readUInt32BE(8), leechers: answer.readUInt32BE(12), peers: readCompact(answer.subarray(20), family === 6 ? 6 : 4) }
  } finally {
    socket.on('error', () => {})
    if (!signal.aborted) socket.close() // an aborted one closes itself
  }
}

const leastBytes: Readonly<Record<number, number>> = { [action.connect]: 16, [action.announce]: 20 }

/** Sends `head action transaction body` until an answer to it comes. */
async function exchange(socket: Socket, wanted: number, head: Uint8Array, body: Uint8Array, signal: AbortSignal): Promise<Buffer> {
  const transaction = randomBytes(4)
  const actionBytes = Buffer.alloc(4)
  actionBytes.writeUInt32BE(wanted)
  for (let tried = 0; tried < tries; tried += 1) {
    socket.send(Buffer.concat([head, actionBytes, transaction, body]))
    const answer = await answerTo(socket, transaction, AbortSignal.any([signal, AbortSignal.timeout(waitMs)]))
    if (answer === null) continue
    const kind = answer.readUInt32BE(0)
    if (kind === action.error) throw new Error(answer.subarray(8, 208).toString())
    if (kind !== wanted || answer.length < (leastBytes[wanted] ?? 0)) throw new Error('an answer that is none')
    return answer
  }
  throw new Error('no answer')
}

async function answerTo(socket: Socket, transaction: Buffer, signal: AbortSignal): Promise<Buffer | null> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer | null>()
  const onMessage = (message: Buffer) => {
    if (message.length >= 8 && message.subarray(4, 8).equals(transaction)) resolve(message)
  }
  const onAbort = () => resolve(null)
  socket.on('message', onMessage).once('error', reject)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await promise
  } finally {
    socket.off('message', onMessage).off('error', reject)
    signal.removeEventListener('abort', onAbort)
  }
}

function bodyOf({ infoHash, peerId, port, uploaded, downloaded, left, event, wanted }: Announce): Buffer {
  const body = Buffer.alloc(82)
  Buffer.from(infoHash, 'hex').copy(body, 0)
  Buffer.from(peerId, 'hex').copy(body, 20)
  for (const [at, count] of [[40, downloaded], [48, left], [56, uploaded]] as const) body.writeBigUInt64BE(BigInt(count), at)
  body.writeUInt32BE(events[event ?? 'none'], 64)
  randomBytes(4).copy(body, 72) // the key
  body.writeInt32BE(wanted, 76)
  body.writeUInt16BE(port, 80)
  return body
}
