/** What peers hear from us, and when; what we make of those that are slow to answer. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { startTestEngine } from '../test/engine.ts'
import { message, startPeer } from '../test/scripted-peer.ts'
import { startSilentPeer, type SilentPeer } from '../test/silent-peer.ts'
import { startSwarm, type Swarm } from '../test/swarm.ts'
import type { TorrentSource } from './reader.ts'

const MiB = 1024 * 1024
const film = (pieceLength = MiB) => startSwarm({ files: [{ path: 'film.bin', sizeBytes: 16 * MiB }], pieceLength, seeding: false })
const blockOf = (swarm: Swarm, pieceLength: number) => async (piece: number, offset: number, length: number) => (await swarm.files[0]?.read(piece * pieceLength + offset, length)) ?? new Uint8Array()

/** The swarm's torrent with these peers alone. */
async function of(swarm: Swarm, ...peers: SilentPeer[]): Promise<TorrentSource> {
  const { torrent } = await swarm.source.load()
  return { infoHash: swarm.infoHash, load: async () => ({ torrent, trackers: [], peers: peers.map(({ address }) => address) }) }
}

describe('a new wire', () => {
  it('hears that we are interested right behind our handshake, before it has said a word', async () => {
    await using swarm = await film()
    await using peer = await startSilentPeer(swarm.infoHash, 16, { greets: false })
    await using engine = await startTestEngine()
    using _reader = engine.client.reader({ source: await of(swarm, peer), fileIndex: 0, start: 0, end: 16 * MiB })
    await vi.waitFor(() => expect(peer.heard).toEqual(['bitfield', 'interested']), { timeout: 10_000 })
  })

  it('is asked for a whole piece at once: the first wanted, not a block of the last', async () => {
    await using swarm = await film()
    await using peer = await startSilentPeer(swarm.infoHash, 16)
    await using engine = await startTestEngine()
    using _reader = engine.client.reader({ source: await of(swarm, peer), fileIndex: 0, start: 0, end: 16 * MiB })
    await vi.waitFor(() => expect(peer.wanted.size).toBe(64), { timeout: 10_000 })
    // the second time for a peer that is webtorrent itself: it hears nothing that comes with a handshake
    expect(peer.heard.slice(0, 3)).toEqual(['bitfield', 'interested', 'interested'])
    expect(peer.heard.filter((said) => said.startsWith('request'))).toEqual(Array.from({ length: 64 }, (_, block) => `request 0:${block * 16_384}`))
  })

  it('that lets itself be asked in one packet with its handshake is asked', async () => {
    await using swarm = await film()
    await using peer = await startSilentPeer(swarm.infoHash, 16, { unchokes: 'with-handshake' })
    await using engine = await startTestEngine()
    using _reader = engine.client.reader({ source: await of(swarm, peer), fileIndex: 0, start: 0, end: 16 * MiB })
    await vi.waitFor(() => expect(peer.wanted.size).toBeGreaterThan(0), { timeout: 10_000 })
  })

  it('that calls us and is interested in one packet with its handshake may ask at once', async () => {
    await using swarm = await film()
    await using silent = await startSilentPeer(swarm.infoHash, 16)
    await using engine = await startTestEngine()
    using _reader = engine.client.reader({ source: await of(swarm, silent), fileIndex: 0, start: 0, end: 16 * MiB })
    await vi.waitFor(() => expect(silent.wanted.size).toBeGreaterThan(0), { timeout: 10_000 })
    const socket = connect(engine.client.listening()?.port ?? 0, '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    await once(socket, 'connect')
    socket.write(Buffer.concat([Buffer.from('\x13BitTorrent protocol\0\0\0\0\0\0\0\0', 'latin1'), Buffer.from(swarm.infoHash, 'hex'), Buffer.from('-SP0001-callercaller'), Buffer.from([0, 0, 0, 1, 2])]))
    let said = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => { said = Buffer.concat([said, chunk]) })
    // webtorrent would think of it every ten seconds
    await vi.waitFor(() => expect(said.subarray(68).includes(Buffer.from([0, 0, 0, 1, 1]))).toBe(true), { timeout: 5_000 })
  })
})

describe('a seek', () => {
  it('takes everything back first, and then asks for what it needs', async () => {
    await using swarm = await film()
    await using peer = await startSilentPeer(swarm.infoHash, 16)
    await using engine = await startTestEngine()
    const source = await of(swarm, peer)
    const left = engine.client.reader({ source, fileIndex: 0, start: 0, end: 16 * MiB })
    await vi.waitFor(() => expect(peer.wanted.size).toBe(64), { timeout: 10_000 })
    left.release()
    using _seek = engine.client.reader({ source, fileIndex: 0, start: 8 * MiB, end: 16 * MiB })
    await vi.waitFor(() => expect(peer.heard.at(-1)).toMatch(/^request 8:/), { timeout: 10_000 })
    const said = peer.heard.filter((line) => /^(request|cancel)/.test(line)).slice(64)
    expect(said.slice(0, 64).every((line) => line.startsWith('cancel 0:'))).toBe(true)
    expect(said.slice(64).every((line) => line.startsWith('request 8:'))).toBe(true)
  })
})

describe('a seek back', () => {
  it('is not left waiting by a peer that forgets what it is asked for anew while it still reads it', async () => {
    await using swarm = await film()
    const { source } = swarm
    const block = blockOf(swarm, MiB)
    // as webtorrent does, here with reads that end once all has been asked for, taken back, and asked for again
    const asked = new Map<string, number>()
    let takenBack = 0
    await using peer = await startPeer({
      infoHash: swarm.infoHash,
      onGreeted: (wire) => {
        wire.send(message.haveAll)
        wire.send(message.unchoke)
      },
      onMessage: (wire, id, payload) => {
        if (id === message.cancel) takenBack += 1
        if (id !== message.request) return
        const [piece, offset, length] = [payload.readUInt32BE(0), payload.readUInt32BE(4), payload.readUInt32BE(8)]
        const times = (asked.get(`${piece}:${offset}`) ?? 0) + 1
        asked.set(`${piece}:${offset}`, times)
        if (times > 2) void block(piece, offset, length).then((bytes) => wire.send(message.piece, [piece, offset], bytes))
      },
    })
    await using engine = await startTestEngine()
    const { torrent } = await source.load()
    const only: TorrentSource = { infoHash: swarm.infoHash, load: async () => ({ torrent, trackers: [], peers: [peer.address] }) }
    const left = engine.client.reader({ source: only, fileIndex: 0, start: 0, end: MiB })
    await vi.waitFor(() => expect(asked.size).toBe(64), { timeout: 10_000 })
    left.release()
    await vi.waitFor(() => expect(takenBack).toBe(64), { timeout: 10_000 })
    using back = engine.client.reader({ source: only, fileIndex: 0, start: 0, end: MiB })
    // webtorrent itself would give the requests up after 30 s
    expect(await back.waitFor(0, 20_000)).toBe(MiB)
  })
})

describe('what a reader waits for is asked of another peer', () => {
  it.each([
    ['that sends nothing', undefined],
    ['that sends a block now and then', 1_000],
  ])('when the first is one %s', async (_what, everyMs) => {
    await using swarm = await film()
    const block = blockOf(swarm, MiB)
    const asked = Promise.withResolvers<void>()
    await using bad = await startSilentPeer(swarm.infoHash, 16, everyMs === undefined ? {} : { sends: { block, everyMs } })
    await using good = await startSilentPeer(swarm.infoHash, 16, { unchokes: asked.promise, sends: { block } })
    await using engine = await startTestEngine()
    using reader = engine.client.reader({ source: await of(swarm, bad, good), fileIndex: 0, start: 0, end: 16 * MiB })
    await vi.waitFor(() => expect(bad.wanted.size).toBeGreaterThan(32), { timeout: 10_000 })
    asked.resolve()
    // webtorrent would wait 30 s for the first, and much longer for the other
    expect(await reader.waitFor(0, 15_000)).toBeGreaterThan(0)
    expect(bad.cancelled()).toBeGreaterThan(32)
  })

  it('but not taken from the only one that has it, however slow', async () => {
    await using swarm = await film(64 * 1024)
    await using slow = await startSilentPeer(swarm.infoHash, 256, { sends: { block: blockOf(swarm, 64 * 1024), everyMs: 700 } })
    await using engine = await startTestEngine()
    using reader = engine.client.reader({ source: await of(swarm, slow), fileIndex: 0, start: 0, end: 64 * 1024 })
    expect(await reader.waitFor(0, 30_000)).toBe(64 * 1024)
    expect(slow.heard.filter((line) => line.startsWith('request'))).toHaveLength(4)
    expect(slow.cancelled()).toBe(0)
  })
})

describe('the end of a film', () => {
  it.each([['film.mp4', true], ['film.bin', false]])('of %s is fetched soon after its start: %s', async (path, fetched) => {
    await using swarm = await startSwarm({ files: [{ path, sizeBytes: 16 * MiB }], pieceLength: 256 * 1024, seeding: false })
    const block = blockOf(swarm, 256 * 1024)
    await using peer = await startSilentPeer(swarm.infoHash, 64, { sends: { block } })
    await using engine = await startTestEngine()
    using reader = engine.client.reader({ source: await of(swarm, peer), fileIndex: 0, start: 0, end: 16 * MiB })
    await reader.waitFor(0, 30_000)
    // a sixteenth of the file is the window, and a MiB the tail
    const pieces = fetched ? [0, 1, 2, 3, 60, 61, 62, 63] : [0, 1, 2, 3]
    await vi.waitFor(async () => expect((await engine.client.stats()).torrents[0]?.verifiedPieces).toBe(pieces.length), { timeout: 10_000 })
    const asked = new Set(peer.heard.flatMap((line) => /^request (\d+):/.exec(line)?.[1] ?? []).map(Number))
    expect([...asked].sort((a, b) => a - b)).toEqual(pieces)
  })
})
