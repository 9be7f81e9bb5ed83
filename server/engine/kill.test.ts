import { createHash } from 'node:crypto'
import { mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { storedBytes } from '../test/disk.ts'
import { startSwarm, type Swarm } from '../test/swarm.ts'
import { Cache } from './cache.ts'
import { EngineSettings } from './contract.ts'
import { MapFile } from './map-file.ts'
import { lengthOfPiece, pieceSpans } from './piece-spans.ts'
import { EngineProcess } from './process.ts'

const MiB = 1024 * 1024
const budget = 24 * MiB

describe('an engine that is killed again and again while it fetches and drops', () => {
  let swarms: Swarm[]
  let dataDir: string
  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'killed-'))
    // Files that share pieces with their neighbours, in two torrents: together three times what may be kept.
    swarms = await Promise.all(['one', 'other'].map((name) =>
      startSwarm({ name, files: Array.from({ length: 12 }, (_, index) => ({ path: `${index}.mkv`, sizeBytes: 3 * MiB + 1000 * index })), pieceLength: 128 * 1024 })))
  })
  afterAll(async () => {
    for (const swarm of swarms) await swarm[Symbol.asyncDispose]()
    await rm(dataDir, { recursive: true, force: true })
  })

  it('claims nothing that is not there and right, accounts for all that lies on disk, and keeps to its budget', async () => {
    const random = generator(20_261_121)
    let claimed = 0
    let lives = 0
    for (let life = 0; life < 12; life += 1) {
      lives += await liveAndDie(random)
      for (const swarm of swarms) claimed += await checkClaims(swarm)
      const onDisk = storedBytes(dataDir)
      expect(onDisk).toBeLessThanOrEqual(budget)
      const cache = new Cache({ ...settings(), onEvent: () => {} })
      expect((await cache.stats()).usedBytes).toBe(onDisk)
    }
    expect(lives).toBe(12) // each was killed at work
    expect(claimed).toBeGreaterThan(12 * 20)
  }, 240_000)

  const settings = (): EngineSettings => EngineSettings.parse({ dataDir, host: '127.0.0.1', port: 0, allowPrivateAddresses: true, cacheBytes: budget, publishedBytes: 0, freeSpaceBytes: 0, windowBytes: MiB, idleMs: 200, connectionsPerTorrent: 10, connectsPerAddress: 1_000 })

  /** Reads files here and there, three at a time, until so much has come; then kills it. Says whether it was still alive then. */
  async function liveAndDie(random: (below: number) => number): Promise<number> {
    const { promise: enough, resolve } = Promise.withResolvers<void>()
    let left = 20 + random(150)
    let lastReader = 0
    const ends = new Map<number, number>()
    const engine = new EngineProcess({
      dataDir,
      memoryBytes: settings().memoryBytes,
      nodeArguments: ['--require', fileURLToPath(new URL('../test/loopback-only.cjs', import.meta.url))],
      onMessage: (message) => {
        if (message.kind !== 'available') return
        left -= 1
        if (left === 0) return resolve()
        engine.note({ kind: 'progress', readerId: message.readerId, position: message.upTo })
        if (message.upTo < (ends.get(message.readerId) ?? 0)) return
        engine.note({ kind: 'release', readerId: message.readerId })
        void read()
      },
      onOutput: () => {},
    })
    const read = async () => {
      const swarm = swarms[random(2)]
      const fileIndex = random(12)
      const end = swarm?.files[fileIndex]?.sizeBytes ?? 0
      lastReader += 1
      const readerId = lastReader
      ends.set(readerId, end)
      if (swarm) await engine.withOpen(swarm.source, () => engine.request('want', { readerId, infoHash: swarm.infoHash, fileIndex, start: 0, end, position: 0 })).catch(() => {})
    }
    await engine.request('configure', settings())
    for (let reader = 0; reader < 3; reader += 1) void read()
    await enough
    const isAlive = engine.pid !== undefined && process.kill(engine.pid, 'SIGKILL')
    expect(await engine.exited).toBe('SIGKILL')
    return isAlive ? 1 : 0
  }

  /** Hashes whatever the map says is there, as it lies on disk; says how many pieces that is. */
  async function checkClaims({ torrent }: Swarm): Promise<number> {
    const map = await MapFile.read(join(dataDir, torrent.infoHash))
    const segments = await readdir(join(dataDir, torrent.infoHash)).catch(() => [])
    let claimed = 0
    for (let piece = 0; map && piece < map.pieces.pieces; piece += 1) {
      if (!map.pieces.has(piece)) continue
      claimed += 1
      const hash = createHash('sha1')
      for (const span of pieceSpans(torrent, piece, 0, lengthOfPiece(torrent, piece))) {
        if (span.path === null) continue
        expect(segments).toContain(`${span.fileIndex}-${span.segment}`)
        await using file = await open(join(dataDir, span.path))
        const { buffer, bytesRead } = await file.read(Buffer.alloc(span.length), 0, span.length, span.offset)
        hash.update(buffer.subarray(0, bytesRead))
      }
      expect([piece, hash.digest('hex')]).toEqual([piece, Buffer.from(torrent.pieceHashes.subarray(piece * 20, piece * 20 + 20)).toString('hex')])
    }
    return claimed
  }
})

/** Numbers below a bound, the same in each run (the moments are as random as the machine). */
function generator(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
