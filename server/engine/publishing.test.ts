import { existsSync, readdirSync } from 'node:fs'
import { mkdtemp, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { buildTorrentFile, type TorrentInfo } from '../lib/torrent.ts'
import { generateBytes } from '../test/content.ts'
import { damage } from '../test/damage.ts'
import { segmentsIn, storedBytes } from '../test/disk.ts'
import { readThrough, startTestEngine, type TestEngine } from '../test/engine.ts'
import { ownFile, publishOwn } from '../test/own-files.ts'
import { dialPeer, message, type ScriptedWire } from '../test/scripted-peer.ts'
import { scrape, startTracker } from '../test/swarm.ts'
import type { EngineClient } from './client.ts'
import { publishedFolder, stagingFolder } from './segments.ts'

const MiB = 1024 * 1024
vi.setConfig({ testTimeout: 30_000 })

let tracker: Awaited<ReturnType<typeof startTracker>>
let engine: TestEngine
let viewer: TestEngine
beforeAll(async () => {
  tracker = await startTracker()
  engine = await startTestEngine({ publishedBytes: 64 * MiB, sharePercent: 0 })
  viewer = await startTestEngine()
})
afterAll(async () => {
  await viewer[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
  await tracker[Symbol.asyncDispose]()
})

const clientOf = () => engine.client
/** As another engine would come by it. */
const sourceOf = ({ infoHash, infoBytes }: TorrentInfo, trackers = [tracker.url]) => ({ infoHash, load: async () => ({ torrent: buildTorrentFile(infoBytes, trackers), trackers }) })
const asSwarm = (info: TorrentInfo, trackers?: string[]) => ({ source: sourceOf(info, trackers), files: info.files.map(({ path, lengthBytes }) => ({ path, sizeBytes: lengthBytes, sha256: '', read: async () => new Uint8Array() })) })
const offer = (client: EngineClient, ...infos: TorrentInfo[]) => client.seed(infos.map(({ infoHash }) => ({ infoHash, trackers: [tracker.url] })))
const stagedIn = (dataDir: string) => (existsSync(join(dataDir, stagingFolder)) ? readdirSync(join(dataDir, stagingFolder)) : [])
async function expectExact(client: EngineClient, dataDir: string): Promise<void> {
  const { cache } = await client.stats()
  expect(cache.usedBytes + cache.publishedBytes).toBe(storedBytes(dataDir))
}

describe('publishing', () => {
  test('reads each file once, accounts for every byte, and gives them back', async () => {
    const seen: number[] = []
    const files = [ownFile('a/film.bin', 3 * MiB + 7), ownFile('b.txt', 5), ownFile('empty.txt', 0), ownFile('c/long.bin', 33 * MiB)]
    const info = await publishOwn(clientOf(), files, { name: 'A folder', onBytes: (total) => seen.push(total) })
    expect(info).toMatchObject({ name: 'A folder', pieceLength: 64 * 1024, private: false, sizeBytes: 36 * MiB + 12 })
    expect(info.files.map(({ path, lengthBytes }) => [path, lengthBytes])).toEqual([['a/film.bin', 3 * MiB + 7], ['b.txt', 5], ['empty.txt', 0], ['c/long.bin', 33 * MiB]])
    expect(seen.at(-1)).toBe(info.sizeBytes)
    expect(segmentsIn(engine.dataDir)).toEqual(['0-0', '1-0', '3-0', '3-1'].map((name) => join(info.infoHash, name)))
    expect(stagedIn(engine.dataDir)).toEqual([])
    await expectExact(clientOf(), engine.dataDir)
    for (const [fileIndex, { path, lengthBytes }] of info.files.entries()) {
      if (lengthBytes > 0) expect((await readThrough(clientOf(), asSwarm(info, []), { fileIndex })).equals(generateBytes(path, 0, lengthBytes))).toBe(true)
    }
    await clientOf().remove(info.infoHash)
  })

  test('takes a stream of unknown length in pieces of a fixed one', async () => {
    const info = await publishOwn(clientOf(), [ownFile('stream.bin', 2 * MiB + 1, { sizeBytes: null })], { private: true })
    expect(info).toMatchObject({ name: 'stream.bin', pieceLength: MiB, private: true, files: [{ path: 'stream.bin', lengthBytes: 2 * MiB + 1 }] })
    await expectExact(clientOf(), engine.dataDir)
    expect((await readThrough(clientOf(), asSwarm(info, []))).equals(generateBytes('stream.bin', 0, 2 * MiB + 1))).toBe(true)
    await clientOf().remove(info.infoHash)
  })

  test.each<[string, () => Promise<unknown>, object]>([
    ['more than the budget', () => publishOwn(clientOf(), [ownFile('big.bin', 65 * MiB, { onChunk: () => Promise.reject(new Error('nothing is read')) })]), { code: 'storage_full', message: expect.stringContaining('PUBLISHED_BYTES') }],
    ['a stream that grows past it', () => publishOwn(clientOf(), [ownFile('endless.bin', 65 * MiB, { sizeBytes: null, chunkBytes: 8 * MiB })]), { code: 'storage_full' }],
    ['a file that grew', () => publishOwn(clientOf(), [ownFile('grew.bin', MiB, { sizeBytes: MiB - 1 })]), { message: expect.stringContaining('longer') }],
    ['a file that shrank', () => publishOwn(clientOf(), [ownFile('shrank.bin', MiB, { sizeBytes: MiB + 1 })]), { message: expect.stringContaining('shorter') }],
    ['a name that leaves its folder', () => publishOwn(clientOf(), [ownFile('../x.bin', MiB), ownFile('y', 1)]), { message: expect.stringContaining('leaves its folder') }],
    ['no bytes at all', () => publishOwn(clientOf(), [ownFile('empty.bin', 0)]), { message: expect.stringContaining('no bytes') }],
    ['no file', () => publishOwn(clientOf(), []), { message: expect.stringContaining('0 files') }],
    ['a read that fails', () => publishOwn(clientOf(), [ownFile('fails.bin', MiB, { onChunk: async (at) => { if (at > 0) throw new Error('the disk is gone') } })]), { message: 'the disk is gone' }],
    ['who changed their mind', () => publishOwn(clientOf(), [ownFile('stopped.bin', MiB)], { signal: AbortSignal.abort(new Error('stopped')) }), { message: 'stopped' }],
    ['what must not be', () => publishOwn(clientOf(), [ownFile('taken.bin', MiB)], { beforehand: () => Promise.reject(new Error('taken down')) }), { message: 'taken down' }],
  ])('refuses %s and leaves nothing', async (_what, publish, refusal) => {
    await expect(publish()).rejects.toMatchObject(refusal)
    expect(stagedIn(engine.dataDir)).toEqual([])
    expect(segmentsIn(engine.dataDir)).toEqual([])
    expect((await clientOf().stats()).cache).toMatchObject({ publishedBytes: 0, usedBytes: 0, segments: 0 })
  })

  test('refuses a torrent that is not what was written, and a name for another folder', async () => {
    const info = await publishOwn(clientOf(), [ownFile('one.bin', MiB)])
    const torrent = buildTorrentFile(info.infoBytes, [])
    await clientOf().stage({ id: 'ab', lengths: [MiB] })
    await expect(clientOf().publish({ id: 'ab', infoHash: info.infoHash, torrent })).rejects.toMatchObject({ code: 'refused' })
    await clientOf().discard('ab')
    await expect(clientOf().publish({ id: 'ab', infoHash: info.infoHash, torrent })).rejects.toMatchObject({ code: 'not_staged' })
    await clientOf().remove(info.infoHash)
  })

  test('takes the place of what viewers had fetched of the same torrent', async () => {
    await using other = await startTestEngine({ sharePercent: 0 })
    const files = () => [ownFile('same.bin', 2 * MiB)]
    const info = await publishOwn(clientOf(), files())
    await offer(clientOf(), info)
    await readThrough(other.client, asSwarm(info), { end: MiB })
    expect((await other.client.stats()).cache).toMatchObject({ publishedBytes: 0 })
    await publishOwn(other.client, files())
    expect((await other.client.stats()).cache).toMatchObject({ usedBytes: 0, publishedBytes: 2 * MiB })
    await expectExact(other.client, other.dataDir)
    expect(await other.client.evict(info.infoHash)).toBe(0)
    expect((await readThrough(other.client, asSwarm(info, []))).equals(generateBytes('same.bin', 0, 2 * MiB))).toBe(true)
    await clientOf().remove(info.infoHash)
  })
})

describe('a published torrent', () => {
  test('is announced asleep, wakes for whoever connects, sends more than any share, and is gone when it is removed', async () => {
    const info = await publishOwn(clientOf(), [ownFile('shared.bin', 4 * MiB)])
    expect(await offer(clientOf(), info)).toEqual([])
    await vi.waitFor(async () => expect(await scrape(tracker.url, info.infoHash)).toEqual({ seeders: 1, leechers: 0 }), { timeout: 10_000 })
    expect(await clientOf().stats()).toMatchObject({ torrents: [], seeds: 1 })
    expect((await readThrough(viewer.client, asSwarm(info))).equals(generateBytes('shared.bin', 0, 4 * MiB))).toBe(true)
    expect((await clientOf().stats()).torrents).toMatchObject([{ infoHash: info.infoHash, readers: 0, verifiedPieces: 64 }])
    await clientOf().remove(info.infoHash)
    expect(await clientOf().stats()).toMatchObject({ torrents: [], seeds: 0, cache: { publishedBytes: 0 } })
    expect(segmentsIn(engine.dataDir)).toEqual([])
    await viewer.client.remove(info.infoHash)
    await vi.waitFor(async () => expect(await scrape(tracker.url, info.infoHash)).toEqual({ seeders: 0, leechers: 0 }), { timeout: 10_000 })
  })

  test('that is not on offer is announced to nobody and given to nobody, and plays here all the same', async () => {
    const info = await publishOwn(clientOf(), [ownFile('withheld.bin', MiB)])
    const mine = { ...asSwarm(info), source: { infoHash: info.infoHash, load: async () => ({ torrent: buildTorrentFile(info.infoBytes, [tracker.url]), trackers: [tracker.url] }) } }
    using reader = clientOf().reader({ source: mine.source, fileIndex: 0, start: 0, end: MiB })
    expect(await reader.waitFor(0, 10_000)).toBeGreaterThan(0)
    const { port } = clientOf().listening() ?? { port: 0 }
    const peers = [`127.0.0.1:${port}`]
    await expect(readThrough(viewer.client, { ...mine, source: { infoHash: info.infoHash, load: async () => ({ torrent: buildTorrentFile(info.infoBytes, []), trackers: [], peers }) } }, { timeoutMs: 1_000 })).rejects.toMatchObject({ code: 'swarm_timeout' })
    expect(await scrape(tracker.url, info.infoHash)).toEqual({ seeders: 0, leechers: 0 })
    // from here on it is
    await offer(clientOf(), info)
    await viewer.client.remove(info.infoHash)
    expect((await readThrough(viewer.client, asSwarm(info))).equals(generateBytes('withheld.bin', 0, MiB))).toBe(true)
    await Promise.all([clientOf(), viewer.client].map((client) => client.remove(info.infoHash)))
  })

  test('calls a peer that its tracker names', async () => {
    await using shut = await startTestEngine({ connectionsPerAddress: 1 })
    const info = await publishOwn(clientOf(), [ownFile('called.bin', MiB)])
    const reading = readThrough(shut.client, asSwarm(info))
    await vi.waitFor(async () => expect((await scrape(tracker.url, info.infoHash)).leechers).toBe(1), { timeout: 10_000 })
    await offer(clientOf(), info)
    expect((await reading).equals(generateBytes('called.bin', 0, MiB))).toBe(true)
    await clientOf().remove(info.infoHash)
  })

  test('without a tracker is found by who knows where it is', async () => {
    const info = await publishOwn(clientOf(), [ownFile('quiet.bin', MiB)])
    await clientOf().seed([{ infoHash: info.infoHash, trackers: [] }])
    const peers = [`127.0.0.1:${clientOf().listening()?.port}`]
    const source = { infoHash: info.infoHash, load: async () => ({ torrent: buildTorrentFile(info.infoBytes, []), trackers: [], peers }) }
    expect((await readThrough(viewer.client, { ...asSwarm(info), source })).equals(generateBytes('quiet.bin', 0, MiB))).toBe(true)
    await Promise.all([clientOf(), viewer.client].map((client) => client.remove(info.infoHash)))
  })

  test('removed while ten fetch it, ends for all of them', async () => {
    const info = await publishOwn(clientOf(), [ownFile('many.bin', 8 * MiB)])
    await clientOf().seed([{ infoHash: info.infoHash, trackers: [] }])
    const { port } = clientOf().listening() ?? { port: 0 }
    const got = new Map<ScriptedWire, number>()
    const ask = (wire: ScriptedWire) => wire.send(message.request, [(got.get(wire) ?? 0) % 128, 0, 16_384])
    const ten = await Promise.all(Array.from({ length: 10 }, () => dialPeer(port, {
      infoHash: info.infoHash,
      onGreeted: (wire) => wire.send(message.interested),
      onMessage: (wire, id) => {
        if (id === message.unchoke) ask(wire)
        if (id !== message.piece) return
        got.set(wire, (got.get(wire) ?? 0) + 1)
        ask(wire)
      },
    })))
    const closed = ten.map(({ socket }) => new Promise((resolve) => socket.once('close', resolve)))
    await vi.waitFor(() => expect(got.size).toBe(10), { timeout: 20_000 })
    await clientOf().remove(info.infoHash)
    await Promise.all(closed)
    expect(await clientOf().stats()).toMatchObject({ torrents: [], seeds: 0, cache: { publishedBytes: 0 } })
    expect(segmentsIn(engine.dataDir)).toEqual([])
  })
})

describe('after a crash', () => {
  const dataDirs: string[] = []
  afterAll(() => Promise.all(dataDirs.map((dataDir) => rm(dataDir, { recursive: true, force: true }))))
  const ownFolder = async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'publishing-'))
    dataDirs.push(dataDir)
    return dataDir
  }
  const kill = async ({ client }: TestEngine) => {
    const pid = client.listening()?.pid ?? 0
    process.kill(pid, 'SIGKILL')
    await vi.waitFor(() => expect(client.listening()?.pid ?? pid).not.toBe(pid), { timeout: 20_000, interval: 20 })
  }

  test('in the midst of publishing nothing is left, and publishing again works', async () => {
    const dataDir = await ownFolder()
    await using own = await startTestEngine({ dataDir })
    for (const at of [0, 40 * MiB]) {
      const files = [ownFile('film.bin', 41 * MiB, { chunkBytes: MiB, onChunk: async (now) => { if (now === at) await kill(own) } })]
      await expect(publishOwn(own.client, files)).rejects.toMatchObject({ code: expect.stringMatching(/^(not_staged|unavailable)$/) })
      expect(segmentsIn(dataDir)).toEqual([])
      expect(stagedIn(dataDir)).toEqual([])
      expect((await own.client.stats()).cache).toMatchObject({ publishedBytes: 0 })
    }
    const info = await publishOwn(own.client, [ownFile('film.bin', 41 * MiB, { chunkBytes: MiB })])
    await expectExact(own.client, dataDir)
    expect(readdirSync(join(dataDir, publishedFolder))).toEqual([`${info.infoHash}.torrent`])
  })

  test('at any moment of the last step it is published whole or not at all', async () => {
    const dataDir = await ownFolder()
    await using own = await startTestEngine({ dataDir })
    for (const delay of [0, 1, 3, 6]) {
      const name = `at-${delay}.bin`
      const killed = Promise.withResolvers<void>()
      const publishing = publishOwn(own.client, [ownFile(name, 300_000)], { beforehand: async () => void setTimeout(() => killed.resolve(kill(own)), delay) })
      const published = await publishing.then((info) => info, () => null)
      await killed.promise
      const info = published ?? (await publishOwn(own.client, [ownFile(name, 300_000)]))
      await expectExact(own.client, dataDir)
      expect(stagedIn(dataDir)).toEqual([])
      expect(await own.client.seed([{ infoHash: info.infoHash, trackers: [] }])).toEqual([])
      expect((await readThrough(own.client, asSwarm(info, []), { timeoutMs: 10_000 })).equals(generateBytes(name, 0, 300_000))).toBe(true)
      await own.client.remove(info.infoHash)
    }
    expect(readdirSync(join(dataDir, publishedFolder))).toEqual([])
  })

  test('it is offered again, and when the whole service starts anew', async () => {
    const dataDir = await ownFolder()
    const own = await startTestEngine({ dataDir })
    const info = await publishOwn(own.client, [ownFile('kept.bin', MiB)])
    await offer(own.client, info)
    await kill(own)
    expect(await own.client.stats()).toMatchObject({ seeds: 1, cache: { publishedBytes: MiB, usedBytes: 0 } })
    expect((await readThrough(viewer.client, asSwarm(info))).equals(generateBytes('kept.bin', 0, MiB))).toBe(true)
    await viewer.client.remove(info.infoHash)
    await own[Symbol.asyncDispose]()
    await using again = await startTestEngine({ dataDir })
    expect(await offer(again.client, info, { ...info, infoHash: 'a'.repeat(40) })).toEqual(['a'.repeat(40)])
    expect((await readThrough(viewer.client, asSwarm(info))).equals(generateBytes('kept.bin', 0, MiB))).toBe(true)
    await viewer.client.remove(info.infoHash)
  })

  test('or a restore that changed its times it is all there, but for what is damaged', async () => {
    const dataDir = await ownFolder()
    const info = await (async () => {
      await using own = await startTestEngine({ dataDir })
      return await publishOwn(own.client, [ownFile('restored.bin', MiB)])
    })()
    const segment = join(dataDir, info.infoHash, '0-0')
    await utimes(segment, new Date(), new Date(1_000_000))
    await using again = await startTestEngine({ dataDir })
    await offer(again.client, info)
    expect((await readThrough(again.client, asSwarm(info, []))).equals(generateBytes('restored.bin', 0, MiB))).toBe(true)
    await again.client.remove(info.infoHash)

    const other = await publishOwn(again.client, [ownFile('damaged.bin', MiB)])
    await damage(join(dataDir, other.infoHash, '0-0'), 70_000, 100)
    await expect(readThrough(again.client, asSwarm(other, []), { timeoutMs: 1_000 })).rejects.toMatchObject({ code: 'swarm_timeout' })
    expect((await readThrough(again.client, asSwarm(other, []), { end: 64 * 1024 })).equals(generateBytes('damaged.bin', 0, 64 * 1024))).toBe(true)
  })
})
