import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { startTestEngine, readThrough, drain, type TestEngine } from '../test/engine.ts'
import { startSilentPeer, type SilentPeer } from '../test/silent-peer.ts'
import { startSwarm, type Swarm } from '../test/swarm.ts'
import type { TorrentSource } from './reader.ts'

const MiB = 1024 * 1024
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

describe('a film of 64 MiB from a seeder of 8 MB/s', () => {
  let swarm: Swarm
  let engine: TestEngine
  beforeAll(async () => {
    swarm = await startSwarm({ files: [{ path: 'film.mkv', sizeBytes: 64 * MiB }], pieceLength: 256 * 1024, rateBytesPerSecond: 8_000_000 })
    engine = await startTestEngine({ windowBytes: 2 * MiB })
  })
  afterAll(async () => {
    await engine[Symbol.asyncDispose]()
    await swarm[Symbol.asyncDispose]()
  })
  const fetched = async () => (await engine.client.stats()).fetchedBytes

  it('gives the first byte, and that of each seek, with less than a fifth of it fetched, and every byte right', async () => {
    const { client } = engine
    for (const start of [0, 64 * MiB - 100_000, 32 * MiB, 48 * MiB + 12_345]) {
      using reader = client.reader({ source: swarm.source, fileIndex: 0, start, end: 64 * MiB })
      await reader.waitFor(start, 30_000)
      expect(await fetched()).toBeLessThan((64 * MiB) / 5)
    }
    expect(sha256(await readThrough(client, swarm))).toBe(swarm.files[0]?.sha256)
  })

  it('fetches nothing twice', async () => {
    const before = await fetched()
    // What was on its way at each of the three seeks came for nothing, 150 ms of the line at most;
    // the rest came once, with its protocol: 1.02 to 1.05 in all.
    expect(before).toBeLessThan(64 * MiB * 1.1)
    expect(sha256(await readThrough(engine.client, swarm))).toBe(swarm.files[0]?.sha256)
    expect(await fetched() - before).toBeLessThan(50_000) // keep-alives and the like
  })
})

describe('the window', () => {
  it('bounds what is fetched for a reader that stands still, and moves with it', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'film.bin', sizeBytes: 64 * MiB }], pieceLength: 256 * 1024 })
    await using engine = await startTestEngine({ windowBytes: 2 * MiB })
    using reader = engine.client.reader({ source: swarm.source, fileIndex: 0, start: 0, end: 64 * MiB })
    const verified = (bytes: number) => vi.waitFor(async () => expect((await engine.client.stats()).torrents[0]?.verifiedPieces).toBe(bytes / (256 * 1024)), { timeout: 30_000 })
    await verified(2 * MiB)
    expect(await settledFetch(engine)).toBeLessThan(2.1 * MiB)
    reader.progress(3 * MiB)
    await verified(5 * MiB)
    expect(await settledFetch(engine)).toBeLessThan(5.1 * MiB)
  })

  it('ends with the range: a reader that has used it all is let be until it goes', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'clip.mp4', sizeBytes: 2 * MiB }], pieceLength: 256 * 1024 })
    await using engine = await startTestEngine()
    using reader = engine.client.reader({ source: swarm.source, fileIndex: 0, start: 0, end: 2 * MiB })
    await drain(engine.client, reader, 0)
    expect((await engine.client.stats()).torrents).toMatchObject([{ readers: 1, verifiedPieces: 8 }])
    expect(await reader.waitFor(0, 1)).toBe(2 * MiB)
  })

  it('holds back what is called available, though all of it is there', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'film.mkv', sizeBytes: 16 * MiB }], pieceLength: 256 * 1024 })
    await using engine = await startTestEngine({ windowBytes: 2 * MiB })
    await readThrough(engine.client, swarm)
    using reader = engine.client.reader({ source: swarm.source, fileIndex: 0, start: 5 * MiB, end: 16 * MiB })
    expect(await reader.waitFor(5 * MiB, 30_000)).toBe(6 * MiB) // a sixteenth of the file
    expect(sha256(await drain(engine.client, reader, 5 * MiB))).toBe(sha256(await whole(swarm, 11 * MiB)))
  })

  it('follows a reader that waits far ahead', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'film.mkv', sizeBytes: 64 * MiB }], pieceLength: 256 * 1024 })
    await using engine = await startTestEngine({ windowBytes: 2 * MiB })
    using reader = engine.client.reader({ source: swarm.source, fileIndex: 0, start: 0, end: 64 * MiB })
    expect(await reader.waitFor(20 * MiB, 30_000)).toBeGreaterThan(20 * MiB)
  })

  it('is let go at once: all that a released reader had asked for is taken back, and nothing more is asked', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'film.mkv', sizeBytes: 64 * MiB }], pieceLength: 128 * 1024, seeding: false })
    await using peer = await startSilentPeer(swarm.infoHash, 512)
    await using engine = await startTestEngine()
    using reader = engine.client.reader({ source: await seededBy(swarm, peer), fileIndex: 0, start: 0, end: 64 * MiB })
    await vi.waitFor(() => expect(peer.wanted.size).toBeGreaterThan(0), { timeout: 10_000 })
    reader.release()
    await vi.waitFor(() => expect(peer.wanted.size).toBe(0), { timeout: 10_000 })
    await expect(reader.waitFor(32 * MiB, 30_000)).rejects.toMatchObject({ code: 'aborted' })
    expect((await engine.client.stats()).torrents).toMatchObject([{ readers: 0, peers: 1 }])
    expect([...peer.wanted]).toEqual([])
  })

  it('is let go by an abort, also one that came first', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'film.mkv', sizeBytes: 4 * MiB }], seeding: false })
    await using engine = await startTestEngine()
    const abort = new AbortController()
    const wanted = { source: swarm.source, fileIndex: 0, start: 0, end: 4 * MiB, signal: abort.signal }
    using reader = engine.client.reader(wanted)
    const waiting = reader.waitFor(0, 30_000)
    await vi.waitFor(async () => expect((await engine.client.stats()).torrents).toMatchObject([{ readers: 1 }]), { timeout: 10_000 })
    abort.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'aborted' })
    using late = engine.client.reader(wanted)
    await expect(late.waitFor(0, 30_000)).rejects.toMatchObject({ code: 'aborted' })
    await vi.waitFor(async () => expect((await engine.client.stats()).torrents).toMatchObject([{ readers: 0 }]), { timeout: 10_000 })
  })

  it('takes back what it asked a peer for: a seek need not wait behind it', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'film.mkv', sizeBytes: 64 * MiB }], pieceLength: MiB, seeding: false })
    await using peer = await startSilentPeer(swarm.infoHash, 64)
    await using engine = await startTestEngine()
    const source = await seededBy(swarm, peer)
    const pieces = () => [...peer.wanted].map((block) => Number(block.split(':')[0]))
    {
      using _reader = engine.client.reader({ source, fileIndex: 0, start: 0, end: 64 * MiB })
      await vi.waitFor(() => expect(pieces().length).toBeGreaterThan(0), { timeout: 10_000 })
      expect(Math.max(...pieces())).toBeLessThan(4)
    }
    using _seek = engine.client.reader({ source, fileIndex: 0, start: 40 * MiB, end: 64 * MiB })
    await vi.waitFor(() => expect(pieces()[0]).toBeGreaterThanOrEqual(40), { timeout: 10_000 })
    expect(Math.min(...pieces())).toBeGreaterThanOrEqual(40)
    expect(peer.cancelled()).toBeGreaterThan(0)
  })

  it('belongs to each reader of its own, and what they share is fetched once', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'film.mkv', sizeBytes: 16 * MiB }] })
    await using engine = await startTestEngine()
    const all = await Promise.all([0, 0, 4 * MiB, 8 * MiB].map((start) => readThrough(engine.client, swarm, { start })))
    for (const bytes of all) expect(sha256(bytes.subarray(bytes.length - 8 * MiB))).toBe(sha256(await whole(swarm, 8 * MiB)))
    expect((await engine.client.stats()).fetchedBytes).toBeLessThan(16 * MiB * 1.1)
  })
})

describe('a torrent of several files', () => {
  it('gives any of them, those that share a piece too, and keeps its hands off the rest', async () => {
    const files = [{ path: 'a/film.mkv', sizeBytes: 20 * MiB }, { path: 'a/film.srt', sizeBytes: 70_001 }, { path: 'empty', sizeBytes: 0 }, { path: 'b/film.srt', sizeBytes: 1 }, { path: 'extras.mkv', sizeBytes: 20 * MiB }]
    await using swarm = await startSwarm({ name: 'folder', files, pieceLength: 64 * 1024 })
    await using engine = await startTestEngine()
    const layout = await engine.client.open(swarm.source)
    expect(layout).toEqual({ pieceLength: 64 * 1024, files: files.map(({ sizeBytes }, index) => ({ index, lengthBytes: sizeBytes })) })
    for (const fileIndex of [1, 3]) expect(sha256(await readThrough(engine.client, swarm, { fileIndex }))).toBe(swarm.files[fileIndex]?.sha256)
    expect(await settledFetch(engine)).toBeLessThan(MiB)
  })

  it('lies on disk under names of our own, whatever its own are', async () => {
    const paths = ['verified', '0-0', 'a b/c.mkv', 'a b/c.mkv', 'CON', '…/\u202egpj.exe', 'x'.repeat(200)]
    await using swarm = await startSwarm({ name: 'verified', files: paths.map((path) => ({ path, sizeBytes: 30_000 })), pieceLength: 16_384 })
    await using engine = await startTestEngine()
    for (const fileIndex of paths.keys()) expect(sha256(await readThrough(engine.client, swarm, { fileIndex }))).toBe(swarm.files[fileIndex]?.sha256)
    expect((await readdir(engine.dataDir)).sort()).toEqual([swarm.infoHash, 'compiled'].sort())
    expect((await readdir(join(engine.dataDir, swarm.infoHash))).sort()).toEqual([...paths.map((_, index) => `${index}-0`), 'peers', 'verified'].sort())
  })
})

describe('an idle torrent', () => {
  it('leaves the swarm and memory, and comes back when it is read again', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'clip.mp4', sizeBytes: 3 * MiB }] })
    await using engine = await startTestEngine({ idleMs: 50 })
    await readThrough(engine.client, swarm, { end: MiB })
    await vi.waitFor(async () => expect((await engine.client.stats()).torrents).toEqual([]), { timeout: 10_000 })
    const { fetchedBytes } = await engine.client.stats()
    expect(fetchedBytes).toBeGreaterThan(MiB)
    expect(sha256(await readThrough(engine.client, swarm))).toBe(swarm.files[0]?.sha256)
    expect((await engine.client.stats()).fetchedBytes).toBeLessThan(3.3 * MiB)
  })

  it('stays while somebody reads', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'clip.mp4', sizeBytes: 3 * MiB }] })
    await using engine = await startTestEngine({ idleMs: 0 })
    using reader = engine.client.reader({ source: swarm.source, fileIndex: 0, start: 0, end: 3 * MiB })
    await readThrough(engine.client, swarm, { end: 1000 })
    expect(sha256(await drain(engine.client, reader, 0))).toBe(swarm.files[0]?.sha256)
  })
})

/** The swarm's torrent with this peer alone. */
async function seededBy(swarm: Swarm, peer: SilentPeer): Promise<TorrentSource> {
  const { torrent } = await swarm.source.load()
  return { infoHash: swarm.infoHash, load: async () => ({ torrent, trackers: [], peers: [peer.address] }) }
}

/** What has been fetched once nothing more comes: the same figure twice, half a second apart. */
async function settledFetch(engine: TestEngine): Promise<number> {
  let last = -1
  return vi.waitFor(async () => {
    const { fetchedBytes } = await engine.client.stats()
    const still = fetchedBytes - last < 200 // a keep-alive is not a fetch
    last = fetchedBytes
    if (!still) throw new Error('still fetching')
    return fetchedBytes
  }, { timeout: 20_000, interval: 500 })
}

/** The last bytes of the first file, as they should be. */
const whole = async (swarm: Swarm, length: number) => (await swarm.files[0]?.read((swarm.files[0]?.sizeBytes ?? 0) - length, length)) ?? new Uint8Array()
