import { createHash } from 'node:crypto'
import { rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import WebTorrent, { type Torrent } from 'webtorrent'
import { AvailableBytes } from './available-bytes.ts'
import { segmentsIn, storedBytes } from '../test/disk.ts'
import { readThrough, startTestEngine, type TestEngine } from '../test/engine.ts'
import { startSwarm, type Swarm } from '../test/swarm.ts'
import { torrentObject } from './torrent-object.ts'

const MiB = 1024 * 1024
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const kill = (engine: TestEngine) => process.kill(engine.client.listening()?.pid ?? 0, 'SIGKILL')
const cacheOf = async (engine: TestEngine) => (await engine.client.stats()).cache

/** As the server reads for a player: what is not there after all is asked for again. */
async function play(engine: TestEngine, swarm: Swarm, { fileIndex = 0, start = 0, each = async (_at: number) => {} } = {}): Promise<string> {
  const end = swarm.files[fileIndex]?.sizeBytes ?? 0
  using bytes = new AvailableBytes(engine.client, { source: swarm.source, fileIndex, start, end })
  const hash = createHash('sha256')
  const buffer = Buffer.alloc(512 * 1024)
  for (let at = start; at < end;) {
    const count = await bytes.read(at, buffer, 60_000)
    hash.update(buffer.subarray(0, count))
    at += count
    bytes.progress(at)
    await each(at)
  }
  return hash.digest('hex')
}

describe('a film larger than the cache', () => {
  it('plays through it, again and again, and the disk never holds more', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'film.mkv', sizeBytes: 96 * MiB }], pieceLength: 256 * 1024 })
    await using engine = await startTestEngine({ cacheBytes: 40 * MiB })
    let most = 0
    for (let time = 0; time < 2; time += 1) {
      expect(await play(engine, swarm, { each: async () => { most = Math.max(most, storedBytes(engine.dataDir)) } })).toBe(swarm.files[0]?.sha256)
    }
    expect(most).toBeLessThanOrEqual(40 * MiB)
    const { usedBytes, evictions } = await cacheOf(engine)
    expect(usedBytes).toBe(storedBytes(engine.dataDir))
    expect(evictions).toBeGreaterThanOrEqual(2)
  })

  it('and what a second reader needs, far behind, stays under it', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'film.mkv', sizeBytes: 160 * MiB }], pieceLength: 256 * 1024 })
    await using engine = await startTestEngine({ cacheBytes: 80 * MiB })
    using paused = new AvailableBytes(engine.client, { source: swarm.source, fileIndex: 0, start: 0, end: 160 * MiB })
    await paused.ready(0, 60_000)
    expect(await play(engine, swarm, { start: 32 * MiB })).toBe(sha256(await read(swarm, 32 * MiB, 128 * MiB)))
    await swarm.killSeeder() // so it must be on disk
    const buffer = Buffer.alloc(64 * 1024)
    expect(await paused.read(0, buffer, 5_000)).toBe(buffer.length)
    expect(buffer.equals(await read(swarm, 0, buffer.length))).toBe(true)
    expect(segmentsIn(engine.dataDir)).toContain(join(swarm.infoHash, '0-0'))
    expect((await cacheOf(engine)).evictions).toBeGreaterThanOrEqual(2)
  })

  it('starts nothing for which there is no room, and fetches nothing: until there is', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'film.mkv', sizeBytes: 8 * MiB }], pieceLength: 256 * 1024 })
    await using other = await startSwarm({ files: [{ path: 'other.mkv', sizeBytes: MiB }], pieceLength: 256 * 1024 })
    await using engine = await startTestEngine({ cacheBytes: MiB })
    using held = engine.client.reader({ source: swarm.source, fileIndex: 0, start: 0, end: 8 * MiB })
    await vi.waitFor(async () => expect((await cacheOf(engine)).usedBytes).toBe(MiB), { timeout: 30_000 })
    await expect(play(engine, other)).rejects.toMatchObject({ code: 'storage_full' })
    expect(await other.uploadedBytes()).toBeLessThan(16_384) // greetings, and not one block
    expect(engine.events.filter(({ event }) => event === 'storage_full')).not.toEqual([])
    held.release()
    expect(await play(engine, other)).toBe(other.files[0]?.sha256)
    expect((await cacheOf(engine)).usedBytes).toBe(storedBytes(engine.dataDir))
  })
})

describe('what is dropped', () => {
  it('is said to peers that were told of it, and fetched again for who reads it', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'clip.mp4', sizeBytes: 2 * MiB }], pieceLength: 256 * 1024 })
    await using engine = await startTestEngine()
    await readThrough(engine.client, swarm, { end: MiB }) // not all of it: who has all says so in one word, and webtorrent keeps no bits then
    const { client, torrent } = await joinAsPeer(swarm, engine.client.listening()?.port ?? 0)
    const has = () => torrent.wires.some((wire) => wire.peerPieces.get(0))
    try {
      await vi.waitFor(() => {
        expect(has()).toBe(true)
        torrent.wires[0]?.interested()
        expect(torrent.wires[0]?.peerChoking).toBe(false) // so it has heard all that was said before: which extensions we know
      }, { timeout: 20_000 })
      expect(await engine.client.evict(swarm.infoHash)).toBe(MiB)
      await vi.waitFor(() => expect([has(), torrent.wires.length]).toEqual([false, 1]), { timeout: 10_000 })
      expect(storedBytes(engine.dataDir)).toBe(0)
      expect(await play(engine, swarm)).toBe(swarm.files[0]?.sha256)
      await vi.waitFor(() => expect(has()).toBe(true), { timeout: 10_000 })
    } finally {
      await new Promise((resolve) => client.destroy(resolve))
    }
  })

  it('of a torrent that was there whole is fetched again, too, from peers that took us for a seeder', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'clip.mp4', sizeBytes: 2 * MiB }], pieceLength: 256 * 1024 })
    await using engine = await startTestEngine()
    await readThrough(engine.client, swarm)
    expect(await engine.client.evict(swarm.infoHash)).toBe(2 * MiB)
    expect(await play(engine, swarm)).toBe(swarm.files[0]?.sha256)
  })

  it.each([
    ['deleted', (path: string) => rm(path)],
    ['cut short', (path: string) => truncate(path, 300_000)],
  ])('by other hands (%s) under a reader is asked for again, and the bytes are right', async (_how, harm) => {
    await using swarm = await startSwarm({ files: [{ path: 'clip.mp4', sizeBytes: 6 * MiB }], pieceLength: 256 * 1024 })
    await using engine = await startTestEngine()
    await readThrough(engine.client, swarm)
    expect(await play(engine, swarm, { start: MiB, each: async (at) => {
      if (at === MiB + 512 * 1024) await harm(join(engine.dataDir, swarm.infoHash, '0-0'))
    } })).toBe(sha256(await read(swarm, MiB, 5 * MiB)))
    expect(await play(engine, swarm)).toBe(swarm.files[0]?.sha256)
    expect((await cacheOf(engine)).usedBytes).toBe(storedBytes(engine.dataDir))
  })
})

describe('a torrent removed', () => {
  it('while ten read it: each is told, and neither disk nor accounting has any of it', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'film.mkv', sizeBytes: 64 * MiB }], rateBytesPerSecond: 4_000_000 })
    await using engine = await startTestEngine()
    const readers = Array.from({ length: 10 }, (_, index) => new AvailableBytes(engine.client, { source: swarm.source, fileIndex: 0, start: index * 100_000, end: 64 * MiB }))
    await Promise.all(readers.map((reader, index) => reader.ready(index * 100_000, 60_000)))
    const told = Promise.allSettled(readers.map((reader) => reader.ready(63 * MiB, 60_000)))
    await engine.client.remove(swarm.infoHash)
    expect((await told).map((one) => one.status === 'rejected' && (one.reason as { code: string }).code)).toEqual(Array.from({ length: 10 }, () => 'removed'))
    expect(storedBytes(engine.dataDir)).toBe(0)
    expect(await cacheOf(engine)).toMatchObject({ usedBytes: 0, segments: 0 })
    for (const reader of readers) reader[Symbol.dispose]()
  })
})

describe('an engine that is killed while it makes room', () => {
  it('under a player: the stream is right to the last byte', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'film.mkv', sizeBytes: 96 * MiB }], pieceLength: 256 * 1024 })
    await using engine = await startTestEngine({ cacheBytes: 40 * MiB })
    const kills = [20 * MiB, 50 * MiB, 85 * MiB]
    expect(await play(engine, swarm, { each: async (at) => {
      if (at < (kills[0] ?? Infinity)) return
      kills.shift()
      kill(engine)
      await vi.waitFor(() => expect(engine.client.alive()).toBe(false), { timeout: 10_000 })
    } })).toBe(swarm.files[0]?.sha256)
    expect(kills).toEqual([])
    expect((await cacheOf(engine)).usedBytes).toBe(storedBytes(engine.dataDir))
    expect(storedBytes(engine.dataDir)).toBeLessThanOrEqual(40 * MiB)
  })
})

async function read(swarm: Swarm, offset: number, length: number): Promise<Uint8Array> {
  return (await swarm.files[0]?.read(offset, length)) ?? new Uint8Array()
}

/** A leecher that wants nothing, connected to the engine alone. */
async function joinAsPeer(swarm: Swarm, port: number): Promise<{ client: WebTorrent; torrent: Torrent }> {
  const client = new WebTorrent({ dht: false, lsd: false, utPex: false, natUpnp: false, natPmp: false, utp: false, webSeeds: false, secure: 0, tracker: {}, maxConns: 5, torrentPort: { host: '127.0.0.1', port: 0 } })
  const torrent = client.add(torrentObject(swarm.torrent, [], [`127.0.0.1:${port}`]), { deselect: true, storeCacheSlots: 0 })
  await new Promise((resolve) => torrent.once('ready', resolve))
  return { client, torrent }
}
