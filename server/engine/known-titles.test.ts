/** What makes a title that was read or looked at before start sooner. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { readThrough, startTestEngine } from '../test/engine.ts'
import { startSilentPeer } from '../test/silent-peer.ts'
import { startSwarm } from '../test/swarm.ts'
import { partsOf, rememberedPeers, rememberPeers } from './remembered-peers.ts'

const MiB = 1024 * 1024

describe('peers that have sent what was right', () => {
  it('are called another time, though no tracker answers any more; they outlive the engine', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'film.bin', sizeBytes: 4 * MiB }] })
    await using engine = await startTestEngine({ idleMs: 50 })
    await readThrough(engine.client, swarm, { end: MiB })
    await vi.waitFor(async () => expect((await engine.client.stats()).torrents).toEqual([]), { timeout: 10_000 })
    expect(await readFile(join(engine.dataDir, swarm.infoHash, 'peers'), 'utf8')).toMatch(/^127\.0\.0\.1:\d+$/)
    process.kill(engine.client.listening()?.pid ?? 0, 'SIGKILL')
    const { torrent } = await swarm.source.load()
    const source = { infoHash: swarm.infoHash, load: async () => ({ torrent, trackers: [] }) }
    using reader = engine.client.reader({ source, fileIndex: 0, start: 3 * MiB, end: 4 * MiB })
    expect(await reader.waitFor(3 * MiB, 30_000)).toBeGreaterThan(3 * MiB)
  })

  it('are not called where their addresses are not allowed', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'film.bin', sizeBytes: 4 * MiB }], seeding: false })
    await using peer = await startSilentPeer(swarm.infoHash, 16)
    await using engine = await startTestEngine({ allowPrivateAddresses: false })
    const { torrent } = await swarm.source.load()
    const source = { infoHash: swarm.infoHash, load: async () => ({ torrent, trackers: [] }) }
    {
      using reader = engine.client.reader({ source, fileIndex: 0, start: 0, end: MiB })
      await expect(reader.waitFor(0, 300)).rejects.toMatchObject({ code: 'swarm_timeout' })
    }
    await writeFile(join(engine.dataDir, swarm.infoHash, 'peers'), peer.address)
    process.kill(engine.client.listening()?.pid ?? 0, 'SIGKILL')
    await vi.waitFor(() => expect(engine.client.alive()).toBe(false), { timeout: 10_000 })
    using reader = engine.client.reader({ source, fileIndex: 0, start: 0, end: MiB })
    await expect(reader.waitFor(0, 2_000)).rejects.toMatchObject({ code: 'swarm_timeout' })
    expect(peer.calls()).toBe(0)
  })

  it('are kept in a small file, of which only addresses are taken', async () => {
    await using engine = await startTestEngine()
    const folder = engine.dataDir
    expect(await rememberedPeers(folder)).toEqual([])
    const peers = Array.from({ length: 30 }, (_, at) => `198.51.100.${at}:6881`)
    await rememberPeers(folder, peers)
    expect(await rememberedPeers(folder)).toEqual(peers.slice(0, 20))
    await writeFile(join(folder, 'peers'), 'localhost:1\n1.2.3.4:5\n[::1]:6\n1.2.3.4:99999\n1.2.3.4:5\n256.1.1.1:5\n[1.2.3.4]:5\nx')
    expect(await rememberedPeers(folder)).toEqual(['1.2.3.4:5', '[::1]:6'])
    await writeFile(join(folder, 'peers'), '1.2.3.4:5\n'.repeat(1_000))
    expect(await rememberedPeers(folder)).toEqual([])
    expect(partsOf('[2001:db8::1]:80')).toEqual({ host: '2001:db8::1', port: 80 })
  })
})

describe('a title that is known', () => {
  it('starts without asking the swarm for its metadata: a peer that has none is enough', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'film.bin', sizeBytes: 4 * MiB }], pieceLength: MiB, seeding: false })
    // it speaks no extension, ut_metadata neither
    await using peer = await startSilentPeer(swarm.infoHash, 4, { sends: { block: async (piece, offset, length) => (await swarm.files[0]?.read(piece * MiB + offset, length)) ?? new Uint8Array() } })
    await using engine = await startTestEngine()
    const { torrent } = await swarm.source.load()
    const source = { infoHash: swarm.infoHash, load: async () => ({ torrent, trackers: [], peers: [peer.address] }) }
    using reader = engine.client.reader({ source, fileIndex: 0, start: 0, end: MiB })
    expect(await reader.waitFor(0, 30_000)).toBe(MiB)
  })
})

describe('a warm torrent', () => {
  const warmed = async (seed: string) => {
    const swarm = await startSwarm({ files: [{ path: 'film.bin', sizeBytes: 4 * MiB }], pieceLength: MiB, seed, seeding: false })
    const peer = await startSilentPeer(swarm.infoHash, 4)
    const { torrent } = await swarm.source.load()
    const source = { infoHash: swarm.infoHash, load: async () => ({ torrent, trackers: [], peers: [peer.address] }) }
    return { peer, source, async [Symbol.asyncDispose]() { await peer[Symbol.asyncDispose](); await swarm[Symbol.asyncDispose]() } }
  }

  it('has its peers connected and interested, and fetches nothing; a reader needs no new connection', async () => {
    await using title = await warmed('warm')
    await using engine = await startTestEngine()
    await engine.client.warm(title.source, 60_000)
    await vi.waitFor(async () => expect((await engine.client.stats()).torrents).toMatchObject([{ peers: 1, readers: 0 }]), { timeout: 10_000 })
    await vi.waitFor(() => expect(title.peer.heard).toContain('interested'), { timeout: 10_000 })
    expect(title.peer.heard.filter((line) => line.startsWith('request'))).toEqual([])
    using _reader = engine.client.reader({ source: title.source, fileIndex: 0, start: 0, end: MiB })
    await vi.waitFor(() => expect(title.peer.wanted.size).toBe(64), { timeout: 10_000 })
    expect(title.peer.calls()).toBe(1)
  })

  it('leaves when its time is over', async () => {
    await using title = await warmed('brief')
    await using engine = await startTestEngine()
    await engine.client.warm(title.source, 50)
    await vi.waitFor(async () => expect((await engine.client.stats()).torrents).toEqual([]), { timeout: 10_000 })
    await expect(engine.client.warm(title.source, 60_001)).rejects.toThrow()
  })

  it('is one of eight: the one warmed longest ago makes room, one that is read does not', async () => {
    await using engine = await startTestEngine()
    await using made = new AsyncDisposableStack()
    const titles = await Promise.all(Array.from({ length: 10 }, async (_, at) => made.use(await warmed(`of many ${at}`))))
    const [read, first, ...others] = titles
    if (!read || !first) throw new Error('there are ten')
    await engine.client.warm(read.source, 60_000)
    using _reader = engine.client.reader({ source: read.source, fileIndex: 0, start: 0, end: MiB })
    await vi.waitFor(async () => expect((await engine.client.stats()).torrents).toMatchObject([{ readers: 1 }]), { timeout: 10_000 })
    for (const { source } of [first, ...others]) await engine.client.warm(source, 60_000)
    const active = (await engine.client.stats()).torrents.map(({ infoHash }) => infoHash).sort()
    expect(active).toEqual([read, ...others].map(({ source }) => source.infoHash).sort())
  })
})
