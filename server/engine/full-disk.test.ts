import { createHash } from 'node:crypto'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { AvailableBytes } from './available-bytes.ts'
import { storedBytes } from '../test/disk.ts'
import { drain, readThrough, startTestEngine, type TestEngine } from '../test/engine.ts'
import { mountSmallDisk, type SmallDisk } from '../test/small-disk.ts'
import { startSwarm } from '../test/swarm.ts'
import { MapFile } from './map-file.ts'

const MiB = 1024 * 1024
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const none = 'No file system can be mounted here: a full disk was not tried.'

describe('a disk that others fill', () => {
  let disk: SmallDisk | null
  let folders = 0
  beforeAll(async () => { disk = await mountSmallDisk(64 * MiB) })
  afterEach(() => disk?.clear())
  afterAll(async () => { await disk?.[Symbol.asyncDispose]() })

  async function engineOn({ folder }: SmallDisk, settings: { freeSpaceBytes?: number } = {}): Promise<TestEngine> {
    folders += 1
    const dataDir = join(folder, String(folders))
    await mkdir(dataDir)
    return startTestEngine({ dataDir, idleMs: 0, ...settings })
  }

  it('has what was played least recently make room, though the budget would allow more', async ({ skip }) => {
    if (!disk) return skip(!disk, none)
    await using old = await startSwarm({ files: [{ path: 'old.mkv', sizeBytes: 4 * MiB }], pieceLength: 128 * 1024 })
    await using fresh = await startSwarm({ files: [{ path: 'fresh.mkv', sizeBytes: 3 * MiB }], pieceLength: 128 * 1024 })
    await using engine = await engineOn(disk)
    await readThrough(engine.client, old)
    await disk.fill(64 * 1024) // the engine, which has just looked, knows nothing of it
    expect(sha256(await readThrough(engine.client, fresh))).toBe(fresh.files[0]?.sha256)
    const { cache } = await engine.client.stats()
    expect(cache).toMatchObject({ usedBytes: 3 * MiB, evictions: 1 })
    expect(storedBytes(engine.dataDir)).toBe(3 * MiB)
  })

  it('is an error of its own when nothing can go; nothing is claimed, what plays plays on, and all is well when there is room again', async ({ skip }) => {
    if (!disk) return skip(!disk, none)
    await using playing = await startSwarm({ files: [{ path: 'playing.mkv', sizeBytes: MiB }], pieceLength: 128 * 1024 })
    await using fresh = await startSwarm({ files: [{ path: 'fresh.mkv', sizeBytes: 3 * MiB }], pieceLength: 128 * 1024 })
    await using engine = await engineOn(disk)
    using reader = engine.client.reader({ source: playing.source, fileIndex: 0, start: 0, end: MiB })
    await reader.waitFor(MiB - 1, 60_000)
    await disk.fill(200 * 1024) // a piece and the map fit, two pieces do not
    for (let time = 0; time < 2; time += 1) {
      using bytes = new AvailableBytes(engine.client, { source: fresh.source, fileIndex: 0, start: 0, end: 3 * MiB })
      await expect(bytes.ready(MiB, 60_000)).rejects.toMatchObject({ code: 'storage_full' })
    }
    expect(engine.events.map(({ event }) => event)).toContain('storage_full')
    expect(engine.events.map(({ event }) => event)).not.toContain('engine_exited')
    // writes that are still on their way have their room until they fail
    await vi.waitFor(async () => expect((await engine.client.stats()).cache.usedBytes).toBe(storedBytes(engine.dataDir)), { timeout: 10_000 })
    const map = await MapFile.read(join(engine.dataDir, fresh.infoHash))
    expect(map?.pieces.count() ?? 0).toBeLessThanOrEqual(1)
    expect(sha256(await drain(engine.client, reader, 0))).toBe(playing.files[0]?.sha256)
    await disk.clear()
    expect(sha256(await readThrough(engine.client, fresh))).toBe(fresh.files[0]?.sha256)
  })

  it('keeps the floor that is left to them, whatever is played', async ({ skip }) => {
    if (!disk) return skip(!disk, none)
    await using swarm = await startSwarm({ name: 'pack', files: Array.from({ length: 6 }, (_, index) => ({ path: `${index}.mkv`, sizeBytes: 4 * MiB })), pieceLength: 256 * 1024 })
    const floor = (await disk.freeBytes()) - 12 * MiB
    await using engine = await engineOn(disk, { freeSpaceBytes: floor })
    let least = Infinity
    for (const fileIndex of swarm.files.keys()) {
      expect(sha256(await readThrough(engine.client, swarm, { fileIndex }))).toBe(swarm.files[fileIndex]?.sha256)
      least = Math.min(least, await disk.freeBytes())
    }
    expect(least).toBeGreaterThanOrEqual(floor)
    const { cache } = await engine.client.stats()
    expect(cache.evictions).toBeGreaterThanOrEqual(3)
    expect((await readdir(join(engine.dataDir, swarm.infoHash))).length).toBeLessThan(6)
  })
})
