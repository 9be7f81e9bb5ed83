import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { expect, test, vi } from 'vitest'
import { readThrough, startTestEngine } from '../test/engine.ts'
import { allOf, framed, handshakeOf, message, seeding, startPeer, type Block, type PeerScript, type ScriptedPeer, type ScriptedWire } from '../test/scripted-peer.ts'
import { startSwarm, type Swarm } from '../test/swarm.ts'

const sizeBytes = 2_000_001
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** A film, and the peers that have it. */
async function offer(...scripts: ((swarm: Swarm) => PeerScript)[]) {
  await using made = new AsyncDisposableStack()
  const swarm = made.use(await startSwarm({ files: [{ path: 'film.mkv', sizeBytes }], pieceLength: 128 * 1024, seeding: false }))
  const peers: ScriptedPeer[] = []
  for (const [index, script] of scripts.entries()) peers.push(made.use(await startPeer(script(swarm), `127.0.0.${index + 1}`)))
  const engine = made.use(await startTestEngine())
  const { torrent } = await swarm.source.load()
  const source = { infoHash: swarm.infoHash, load: async () => ({ torrent, trackers: [], peers: peers.map(({ address }) => address) }) }
  const closing = made.move()
  return { engine, swarm: { ...swarm, source }, peers, [Symbol.asyncDispose]: () => closing.disposeAsync() }
}

/** Writes bytes as so many packets of their own. */
async function trickle(socket: Socket, bytes: Buffer, packetBytes: number): Promise<void> {
  socket.setNoDelay(true)
  for (let at = 0; at < bytes.length; at += packetBytes) {
    socket.write(bytes.subarray(at, at + packetBytes))
    await new Promise(setImmediate)
  }
}

const shy = (swarm: Swarm): PeerScript => ({ ...seeding(swarm), isShy: true })

const blockOf = ({ piece, offset, bytes }: Block) => framed(message.piece, [piece, offset], bytes)

test.each([
  ['heads cut anywhere', 7_919],
  ['larger than what is read at once', 300_000],
])('messages in packets of another size than theirs: %s', async (_, packetBytes) => {
  let queue = Promise.resolve()
  await using film = await offer((swarm) => seeding(swarm, (wire, block) => {
    queue = queue.then(() => trickle(wire.socket, Buffer.concat([blockOf(block), framed(message.have, [block.piece])]), packetBytes))
  }))
  expect(sha256(await readThrough(film.engine.client, film.swarm))).toBe(film.swarm.files[0]?.sha256)
})

const opening = (swarm: Swarm): Buffer => Buffer.concat([framed(message.bitfield, [], allOf(swarm.torrent.pieceHashes.length / 20)), framed(message.unchoke)])

const slowly = (swarm: Swarm): PeerScript => {
  const script = seeding(swarm)
  return {
    ...script,
    onGreeted: (wire) => void trickle(wire.socket, opening(swarm), 1),
    // What is said meanwhile would fall between the bytes.
    onMessage: (wire, id, payload) => void (id === message.request && script.onMessage?.(wire, id, payload)),
  }
}

const atOnce = (swarm: Swarm): PeerScript => ({
  ...seeding(swarm),
  greeting: Buffer.concat([handshakeOf(swarm.infoHash), opening(swarm)]),
  onGreeted: () => {},
})

test.each([['byte by byte', slowly], ['with all that follows it in the same packet', atOnce], ['of a peer that hangs up on who says more than that before it', shy]])('a greeting %s', async (_, script) => {
  await using film = await offer(script)
  expect(sha256(await readThrough(film.engine.client, film.swarm))).toBe(film.swarm.files[0]?.sha256)
})

test('blocks that were not asked for, or come twice, change nothing', async () => {
  const garbage = (bytes: Buffer) => Buffer.alloc(bytes.length, 0xee)
  await using film = await offer((swarm) => seeding(swarm, (wire, block) => {
    wire.raw(blockOf(block))
    // Few, as a flood of them ends the connection.
    if (block.piece < 4) wire.raw(blockOf({ ...block, bytes: garbage(block.bytes) }))
    if (block.piece === 5 && block.offset === 0) wire.raw(blockOf({ piece: 6, offset: 4, bytes: garbage(block.bytes.subarray(0, 4_000)) }))
  }))
  expect(sha256(await readThrough(film.engine.client, film.swarm))).toBe(film.swarm.files[0]?.sha256)
  expect(film.peers[0]?.live()).toBe(1)
})

test('a connection that ends in the middle of a block leaves it to the next', async () => {
  let cut = 0
  const ending = new Set<ScriptedWire>()
  await using film = await offer((swarm) => seeding(swarm, (wire, block) => {
    if (ending.has(wire)) return // what came behind half a block would be taken for the rest of it
    if (cut === 2 || block.piece !== 3 + cut) return wire.raw(blockOf(block))
    cut += 1
    ending.add(wire)
    wire.socket.write(blockOf({ ...block, bytes: Buffer.alloc(block.bytes.length, 1) }).subarray(0, 9_000), () => wire.socket.destroy())
  }))
  expect(sha256(await readThrough(film.engine.client, film.swarm))).toBe(film.swarm.files[0]?.sha256)
  expect(cut).toBe(2)
})

test('memory of one piece serves the next: what was read of the first is not changed by it', async () => {
  await using film = await offer(seeding)
  const first = await readThrough(film.engine.client, film.swarm, { end: 300_000 })
  const before = sha256(first)
  await readThrough(film.engine.client, film.swarm)
  expect(sha256(await readThrough(film.engine.client, film.swarm, { end: 300_000 }))).toBe(before)
  await vi.waitFor(async () => expect((await film.engine.client.stats()).torrents[0]?.verifiedPieces).toBe(Math.ceil(sizeBytes / (128 * 1024))), { timeout: 10_000 })
})
