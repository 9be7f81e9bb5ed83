import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, test, vi } from 'vitest'
import { encodeBencode, type Encodable } from '../lib/bencode.ts'
import { infoHashOf } from '../lib/infohash.ts'
import { readThrough, startTestEngine, type TestEngine } from '../test/engine.ts'
import { allOf, dialPeer, framed, handshakeOf, message, seeding, sendAsIs, startPeer, type ScriptedPeer, type ScriptedWire } from '../test/scripted-peer.ts'
import { startSwarm, type Swarm } from '../test/swarm.ts'

const MiB = 1024 * 1024
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
/** The swarm's torrent from these peers, without a tracker. */
const sourceOf = (swarm: Swarm, ...peers: { readonly address: string }[]) =>
  ({ infoHash: swarm.infoHash, load: async () => ({ torrent: swarm.torrentFile, trackers: [], peers: peers.map(({ address }) => address) }) })
const readFrom = (engine: TestEngine, swarm: Swarm, ...peers: { readonly address: string }[]) =>
  readThrough(engine.client, { source: sourceOf(swarm, ...peers), files: swarm.files })
const isClosed = (socket: Socket) => vi.waitFor(() => expect(socket.closed).toBe(true), { timeout: 15_000 })
const bansOf = (engine: TestEngine) => engine.events.filter(({ event }) => event === 'peer_banned').map(({ detail }) => detail)

describe('a stream survives, while one honest peer remains, a peer that', () => {
  it('lies: it is found and banned, and who was honest in the same pieces is not', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'film.mkv', sizeBytes: 4 * MiB }], pieceLength: 128 * 1024, seeding: false })
    await using engine = await startTestEngine()
    await using honest = await startPeer(seeding(swarm), '127.0.0.2')
    let lies = 0
    await using liar = await startPeer(seeding(swarm, (wire, block) => {
      lies += 1
      sendAsIs(wire, { ...block, bytes: randomBytes(block.bytes.length) })
    }), '127.0.0.3')
    expect(sha256(await readFrom(engine, swarm, liar, honest))).toBe(swarm.files[0]?.sha256)
    expect(lies).toBeGreaterThan(0)
    await vi.waitFor(() => expect([bansOf(engine), liar.live()]).toEqual([['wrong bytes'], 0]))
    expect([honest.live(), honest.connections()]).toEqual([1, 1])
  })

  it('lies now and then, in one block of many', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'film.mkv', sizeBytes: 4 * MiB }], pieceLength: 128 * 1024, seeding: false })
    await using engine = await startTestEngine()
    await using honest = await startPeer(seeding(swarm), '127.0.0.2')
    await using liar = await startPeer(seeding(swarm, (wire, block) => sendAsIs(wire, block.piece % 4 === 1 ? { ...block, bytes: block.bytes.fill(0, 0, 9) } : block)), '127.0.0.3')
    expect(sha256(await readFrom(engine, swarm, liar, honest))).toBe(swarm.files[0]?.sha256)
    await vi.waitFor(() => expect([new Set(bansOf(engine)), liar.live()]).toEqual([new Set(['wrong bytes']), 0]))
    expect([honest.live(), honest.connections()]).toEqual([1, 1])
  })

  it('goes after each piece', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'film.mkv', sizeBytes: 2 * MiB }], pieceLength: 64 * 1024, seeding: false })
    await using engine = await startTestEngine()
    await using honest = await startPeer(seeding(swarm), '127.0.0.2')
    await using fickle = await startPeer(seeding(swarm, (wire, block) => {
      sendAsIs(wire, block)
      if (block.offset > 0) wire.socket.end()
    }), '127.0.0.3')
    expect(sha256(await readFrom(engine, swarm, fickle, honest))).toBe(swarm.files[0]?.sha256)
    expect(honest.live()).toBe(1)
  })

  it('takes requests and never answers', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'film.mkv', sizeBytes: 2 * MiB }], pieceLength: 64 * 1024, seeding: false })
    await using engine = await startTestEngine()
    await using honest = await startPeer(seeding(swarm), '127.0.0.2')
    await using staller = await startPeer(seeding(swarm, () => {}), '127.0.0.3')
    expect(sha256(await readFrom(engine, swarm, staller, honest))).toBe(swarm.files[0]?.sha256)
  })

  it('answers with a byte a second', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'film.mkv', sizeBytes: 2 * MiB }], pieceLength: 64 * 1024, seeding: false })
    await using engine = await startTestEngine()
    await using honest = await startPeer(seeding(swarm), '127.0.0.2')
    let timer: NodeJS.Timeout | undefined
    await using trickler = await startPeer(seeding(swarm, (wire, { piece, offset, bytes }) => {
      const answer = framed(message.piece, [piece, offset], bytes)
      let sent = 0
      timer ??= setInterval(() => wire.raw(answer.subarray(sent, sent += 1)), 1_000)
    }), '127.0.0.3')
    expect(sha256(await readFrom(engine, swarm, trickler, honest))).toBe(swarm.files[0]?.sha256)
    clearInterval(timer)
    expect(timer).toBeDefined() // it was asked
  })
})

it('a peer that hangs up, and greets the encrypted call that follows with nonsense, harms nobody', async () => {
  await using swarm = await startSwarm({ files: [{ path: 'film.mkv', sizeBytes: MiB }], seeding: false })
  await using engine = await startTestEngine()
  let greeted = 0
  const nonsense = [Buffer.alloc(2_000), Buffer.alloc(2_000, 255), randomBytes(2_000)]
  const servers = await Promise.all(nonsense.map(async (bytes, at) => {
    let calls = 0
    const server = createServer((socket) => {
      socket.on('error', () => {})
      calls += 1
      if (calls === 1) return socket.destroy()
      greeted += 1
      socket.resume().write(bytes)
    }).listen(0, `127.0.4.${at + 1}`)
    await once(server, 'listening')
    return { server, address: `127.0.4.${at + 1}:${(server.address() as AddressInfo).port}` }
  }))
  await using honest = await startPeer(seeding(swarm), '127.0.0.2')
  expect(sha256(await readFrom(engine, swarm, ...servers, honest))).toBe(swarm.files[0]?.sha256)
  await vi.waitFor(() => expect(greeted).toBeGreaterThanOrEqual(3))
  await engine.client.stats()
  expect(engine.events.filter(({ event }) => event !== 'peer_banned').map(({ event }) => event)).toEqual(['engine_started'])
  for (const { server } of servers) server.close()
})

describe('metadata', () => {
  it('comes from the honest peer, whatever the others send', async () => {
    const infoBytes = Buffer.from(encodeBencode(new Map<string, Encodable>([['length', 2_560 * 16_384], ['name', 'film.mkv'], ['piece length', 16_384], ['pieces', randomBytes(2_560 * 20)]])))
    const infoHash = infoHashOf(infoBytes)
    await using engine = await startTestEngine()
    await using stack = new AsyncDisposableStack()
    const greetings: number[] = []
    /** Greets with a size, and answers each request of a piece. */
    const peer = async (last: number, metadataSize: number, answer: (wire: ScriptedWire, piece: number) => void) => stack.use(await startPeer({
      infoHash,
      onGreeted: (wire) => {
        greetings.push(last)
        wire.extended(new Map<string, Encodable>([['m', new Map([['ut_metadata', 2]])], ['metadata_size', metadataSize]]))
      },
      onMessage: (wire, id, payload) => {
        const piece = /5:piecei(\d+)e/.exec(payload.subarray(1).toString('latin1'))?.[1]
        if (id === message.extended && payload[0] === 2 && piece !== undefined) answer(wire, Number(piece))
      },
    }, `127.0.3.${last}`))
    const data = (wire: ScriptedWire, piece: number, bytes: Uint8Array, totalSize = infoBytes.length) =>
      wire.extended(Buffer.concat([encodeBencode(new Map([['msg_type', 1], ['piece', piece], ['total_size', totalSize]])), bytes]), 1)
    const blockOf = (piece: number) => infoBytes.subarray(piece * 16_384, (piece + 1) * 16_384)

    const hostile = await Promise.all([
      peer(1, infoBytes.length, (wire, piece) => data(wire, piece, randomBytes(blockOf(piece).length))), // another hash
      peer(2, infoBytes.length, (wire, piece) => data(wire, piece + 100, blockOf(piece))), // out of range
      peer(3, infoBytes.length, (wire, piece) => data(wire, piece, randomBytes(20_000))), // too long
      peer(4, 4, (wire) => data(wire, 0, Buffer.from('l-3:'), 4)), // on which the bencode package never ends
      peer(5, 10_000_000, (wire) => wire.extended(new Map([['metadata_size', 9_000_000]]))), // now this, now that
      peer(6, infoBytes.length, (wire, piece) => { for (let times = 0; times < 500; times += 1) wire.extended(Buffer.from(encodeBencode(new Map([['msg_type', 2], ['piece', piece]]))), 1) }),
      peer(7, 0, () => {}),
    ])
    const asked: [ScriptedWire, number][] = []
    const honest = await peer(9, infoBytes.length, (wire, piece) => asked.push([wire, piece]))
    const metadata = engine.client.metadata({ infoHash, trackers: [], peers: [...hostile, honest].map(({ address }) => address), timeoutMs: 60_000 })
    metadata.catch(() => {}) // told below
    await vi.waitFor(() => expect([greetings.toSorted((a, b) => a - b), asked.length]).toEqual([[1, 2, 3, 4, 5, 6, 7, 9], 4]), { timeout: 30_000 })
    await vi.waitFor(() => expect(hostile.slice(0, 5).map((one) => one.live())).toEqual([0, 0, 0, 0, 0]), { timeout: 30_000 })
    for (const [wire, piece] of asked.toReversed()) data(wire, piece, blockOf(piece)) // in the wrong order, which is allowed
    expect(Buffer.from(await metadata).equals(infoBytes)).toBe(true)
    expect(engine.events.filter(({ event }) => event !== 'peer_banned').map(({ event }) => event)).toEqual(['engine_started'])
  })

  it('is taken from a peer that connects to us only with the right hash, too', async () => {
    const infoBytes = encodeBencode(new Map<string, Encodable>([['length', 5], ['name', 'a'], ['piece length', 16_384], ['pieces', randomBytes(20)]]))
    const infoHash = infoHashOf(infoBytes)
    await using engine = await startTestEngine()
    const metadata = engine.client.metadata({ infoHash, trackers: [], peers: [], timeoutMs: 30_000 })
    await engine.client.stats()
    const offer = (bytes: Uint8Array, from: string) => dialPeer(engine.client.listening()?.port ?? 0, {
      infoHash,
      onGreeted: (wire) => wire.extended(new Map<string, Encodable>([['m', new Map([['ut_metadata', 2]])], ['metadata_size', bytes.length]])),
      onMessage: (wire, id, payload) => {
        if (id === message.extended && payload[0] === 2) wire.extended(Buffer.concat([encodeBencode(new Map([['msg_type', 1], ['piece', 0], ['total_size', bytes.length]])), bytes]), 1)
      },
    }, from)
    const other = encodeBencode(new Map<string, Encodable>([['length', 5], ['name', 'b'], ['piece length', 16_384], ['pieces', randomBytes(20)]]))
    const liar = await offer(other, '127.0.3.1')
    await isClosed(liar.socket)
    const honest = await offer(infoBytes, '127.0.3.2')
    expect(Buffer.from(await metadata).equals(infoBytes)).toBe(true)
    honest.socket.destroy()
  })
})

describe('a peer that says', () => {
  let engine: TestEngine
  let swarm: Swarm
  let seeder: ScriptedPeer
  let addresses = 0
  const closing = new AsyncDisposableStack()

  beforeAll(async () => {
    swarm = closing.use(await startSwarm({ files: [{ path: 'film.mkv', sizeBytes: 4 * MiB }], pieceLength: 32 * 1024, seeding: false }))
    engine = closing.use(await startTestEngine({ idleMs: 600_000 }))
    seeder = closing.use(await startPeer(seeding(swarm), '127.0.0.2'))
    await readThrough(engine.client, { source: sourceOf(swarm, seeder), files: swarm.files }, { end: MiB })
  })
  afterAll(() => closing.disposeAsync())

  /** A leech, each from an address of its own: those that misbehave are not let in again. */
  async function leech(script: { onGreeted(wire: ScriptedWire): void; onMessage?(wire: ScriptedWire, id: number, payload: Buffer): void }) {
    addresses += 1
    const { port } = engine.client.listening() ?? { port: 0 }
    return dialPeer(port, { infoHash: swarm.infoHash, ...script }, `127.0.7.${addresses}`)
  }
  const greeting = (fields: Record<string, number> = {}) => new Map<string, number | Map<string, number>>([['m', new Map([['ut_metadata', 9]])], ...Object.entries(fields)])
  const metadata = (fields: Record<string, number>) => Buffer.from(encodeBencode(new Map(Object.entries(fields))))
  const many = (count: number, make: (at: number) => Buffer) => Buffer.concat(Array.from({ length: count }, (_, at) => make(at)))
  const keepAlive = Buffer.alloc(4)
  const extended = (payload: Buffer, id = 0) => framed(message.extended, [], Buffer.concat([Buffer.from([id]), payload]))

  test.each<[string, (wire: ScriptedWire) => void]>([
    ['that a message of 2 GiB follows', (wire) => wire.raw(Buffer.from('7fffffff07', 'hex'))],
    ['that a message of 4 GiB follows', (wire) => wire.raw(Buffer.from('ffffffff07', 'hex'))],
    ['a HAVE that is cut short', (wire) => wire.raw(Buffer.from('000000020400', 'hex'))],
    ['a piece that the torrent has not', (wire) => wire.send(message.have, [128])],
    ['piece 2^31', (wire) => wire.send(message.have, [2 ** 31])],
    ['a bitfield of another length', (wire) => wire.send(message.bitfield, [], allOf(1000))],
    ['bitfields without end', (wire) => { for (let times = 0; times < 2_000; times += 1) wire.send(message.bitfield, [], Buffer.alloc(16)) }],
    ['a request of a piece that is none', (wire) => wire.send(message.request, [2 ** 31 + 5, 0, 16_384])],
    ['a request of 2 GiB', (wire) => wire.send(message.request, [0, 0, 2 ** 31])],
    ['a request of nothing', (wire) => wire.send(message.request, [0, 0, 0])],
    ['blocks that nobody asked for', (wire) => wire.raw(many(200, (at) => framed(message.piece, [at, 0], Buffer.alloc(16_384))))],
    ['a thousand unknown messages', (wire) => wire.raw(many(3_000, () => framed(99)))],
    ['a thousand keep-alives', (wire) => wire.raw(many(3_000, () => keepAlive))],
    ['choke and unchoke without end', (wire) => wire.raw(many(3_000, (at) => framed(at % 2)))],
    ['allowed-fast without end', (wire) => wire.raw(many(3_000, (at) => framed(message.allowedFast, [at])))],
    ['rejects without end', (wire) => wire.raw(many(5_000, () => framed(message.reject, [127, 0, 16_384])))],
    ['an extended handshake that is no bencoding', (wire) => wire.extended(Buffer.from('hello'))],
    ['an extended handshake on which the bencode package never ends', (wire) => wire.extended(Buffer.from('l-3:'))],
    ['an extended handshake 60,000 lists deep', (wire) => wire.extended(Buffer.from(`d1:m${'l'.repeat(60_000)}`))],
    ['an extended handshake of 20,000 values', (wire) => wire.extended(Buffer.from(`d1:ml${'i1e'.repeat(20_000)}ee`))],
    ['an extension with the number 2^40', (wire) => wire.extended(new Map([['m', new Map([['ut_metadata', 2 ** 40]])]]))],
    ['metadata of -1 bytes', (wire) => wire.extended(greeting({ metadata_size: -1 }))],
    ['metadata of 2^31 bytes', (wire) => wire.extended(greeting({ metadata_size: 2 ** 31 }))],
    ['metadata now of this size, now of that', (wire) => { for (const size of [100, 200]) wire.extended(greeting({ metadata_size: size })) }],
    ['extended handshakes without end', (wire) => { for (let times = 0; times < 20; times += 1) wire.extended(greeting()) }],
    ['a metadata request without having greeted', (wire) => wire.extended(metadata({ msg_type: 0, piece: 0 }), 1)],
    ['a metadata message that is no bencoding', (wire) => wire.extended(Buffer.from('d-1:'), 1)],
    ['a metadata message without a piece', (wire) => wire.extended(metadata({ msg_type: 1 }), 1)],
    ['metadata piece -1', (wire) => wire.extended(metadata({ msg_type: 1, piece: -1, total_size: 5 }), 1)],
    ['metadata piece 2^40', (wire) => wire.extended(metadata({ msg_type: 1, piece: 2 ** 40 }), 1)],
  ])('%s is let go, and not let in again', async (_what, misbehave) => {
    const { pid } = engine.client.listening() ?? {}
    const wire = await leech({ onGreeted: misbehave })
    const { localAddress } = wire.socket.resume()
    await isClosed(wire.socket)
    const again = await dialPeer(engine.client.listening()?.port ?? 0, { infoHash: swarm.infoHash }, localAddress)
    await isClosed(again.socket.resume())
    await engine.client.stats()
    expect(engine.client.listening()?.pid).toBe(pid)
  })

  test.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['a web request', Buffer.from(`GET / HTTP/1.1\r\n\r\n${' '.repeat(100)}`)],
    ['a torrent that is not here, and hostile bencoding in the same breath', Buffer.concat([handshakeOf('0'.repeat(40)), framed(20, [], Buffer.from('\0l-3:', 'latin1'))])],
    ['hostile bencoding in the same breath as its handshake', Buffer.alloc(1)],
  ])('at first %s is let go', async (what, bytes) => {
    const { port, pid } = engine.client.listening() ?? { port: 0 }
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    await once(socket, 'connect')
    socket.resume().write(what.startsWith('hostile') ? Buffer.concat([handshakeOf(swarm.infoHash), extended(Buffer.from('l-3:'))]) : bytes)
    await isClosed(socket)
    expect(engine.client.listening()?.pid).toBe(pid)
  })

  it('metadata messages for what nobody asked, or in any order, harms nobody', async () => {
    const wire = await leech({
      onGreeted: (greeted) => {
        greeted.extended(greeting({ metadata_size: 40_000 }))
        for (const piece of [2, 1, 0, 1]) greeted.extended(Buffer.concat([metadata({ msg_type: 1, piece, total_size: 40_000 }), Buffer.alloc(16_384)]), 1)
        for (let times = 0; times < 100; times += 1) greeted.extended(metadata({ msg_type: 2, piece: 0 }), 1)
        greeted.extended(metadata({ msg_type: 0, piece: 0 }), 1)
      },
    })
    const heard: Buffer[] = []
    wire.socket.on('data', (chunk) => heard.push(chunk))
    await vi.waitFor(() => expect(Buffer.concat(heard).includes('8:msg_typei1e5:piecei0e')).toBe(true))
    wire.socket.destroy()
  })

  it('HAVE of every piece, over and over, costs little', async () => {
    const wire = await leech({ onGreeted: (greeted) => greeted.raw(many(100_000, (at) => framed(message.have, [at % 128]))) })
    wire.socket.resume()
    await vi.waitFor(() => expect(wire.socket.bytesWritten).toBeGreaterThan(900_000))
    await engine.client.stats()
    wire.socket.destroy()
  })

  it('that it wants everything at once and takes nothing in cannot fill the memory', async () => {
    const { pid } = engine.client.listening() ?? {}
    const before = await residentBytes(pid)
    const leeches = await Promise.all(Array.from({ length: 4 }, () => leech({
      onGreeted: (wire) => {
        wire.socket.pause()
        wire.send(message.interested)
        for (let burst = 0; burst < 20; burst += 1) wire.raw(many(1_000, (at) => framed(message.request, [at % 16, 0, 32_768])))
      },
    })))
    await vi.waitFor(() => expect(leeches.every(({ socket }) => socket.writableLength === 0 || socket.destroyed)).toBe(true), { timeout: 20_000 })
    await engine.client.stats()
    expect(engine.client.listening()?.pid).toBe(pid)
    expect((await residentBytes(pid)) - before).toBeLessThan(100 * MiB) // 80,000 requests of 32 KiB are 2.4 GiB
    for (const { socket } of leeches) socket.destroy()
  })

  it('and after all of them it serves as before, and never crashed', async () => {
    expect(sha256(await readThrough(engine.client, { source: sourceOf(swarm, seeder), files: swarm.files }))).toBe(swarm.files[0]?.sha256)
    expect(engine.events.filter(({ event }) => event !== 'peer_banned').map(({ event }) => event)).toEqual(['engine_started'])
  })
})

async function residentBytes(pid: number | undefined): Promise<number> {
  const [, kilobytes = 'NaN'] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) * 1024
}
