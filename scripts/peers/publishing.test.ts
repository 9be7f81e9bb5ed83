/** What the operator publishes, fetched by clients that nobody here wrote, as they come; and what they seed, fetched by us. */
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { PublishRequest } from '../../server/features/publishing/contract.ts'
import { publicationById, requestPublication, resumePublications, torrentFileOf } from '../../server/features/publishing/publishing.ts'
import { auditFor } from '../../server/kit/audit.ts'
import { buildTorrentFile, parseTorrentFile } from '../../server/lib/torrent.ts'
import { startTestApp, type TestApp } from '../../server/test/app.ts'
import { generateBytes } from '../../server/test/content.ts'
import { readThrough, startTestEngine } from '../../server/test/engine.ts'
import { scrape, startSwarm, startTracker } from '../../server/test/swarm.ts'
import { fetchWithAria2, fetchWithLibtorrent, fetchWithTransmission, seedWithAria2, seedWithLibtorrent, seedWithTransmission, type FetchOrder, type SeedOrder } from './clients.ts'
import { isPresent, type DebianPeer } from './presence.ts'

const MiB = 1024 * 1024
vi.setConfig({ testTimeout: 120_000 })

/** ASCII alone: libtorrent 2.0.8 garbles others in the addresses of web seeds. */
const contents = [['Film.mp4', 3 * MiB + 11], ['Film.en.srt', 900], ['extras/Making of.mkv', 2 * MiB], ['empty.txt', 0]] as const
const files = contents.map(([path, sizeBytes]) => ({ path: `Our film/${path}`, sizeBytes }))

let app: TestApp
let tracker: Awaited<ReturnType<typeof startTracker>>
let home: string
/** By whether the torrent is private. */
const torrents = new Map<boolean, { torrent: Uint8Array; infoHash: string }>()
beforeAll(async () => {
  tracker = await startTracker()
  app = await startTestApp({ engine: true, jobs: true, settings: { PUBLISH_TRACKERS: tracker.url, SEED_RATIO_PERCENT: '0', TORRENT_UPLOAD_LIMIT: '0', ALLOW_SERVICE_PORTS: 'on', RATE_LIMIT_FACTOR: '100', WEB_SEED_BYTES_PER_SECOND: '100000000', TORRENT_CONNECTS_PER_ADDRESS: '10000' } })
  home = await mkdtemp(join(tmpdir(), 'torrent-streamer-publishing-'))
  for (const [path, size] of contents) {
    await mkdir(join(home, 'Our film', path, '..'), { recursive: true })
    await writeFile(join(home, 'Our film', path), generateBytes(path, 0, size))
  }
  for (const isPrivate of [false, true]) torrents.set(isPrivate, await publish(isPrivate))
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await tracker[Symbol.asyncDispose]()
  await rm(home, { recursive: true, force: true })
})

async function publish(isPrivate: boolean) {
  const actor = { kind: 'operator' } as const
  const request = { id: 'test', ip: '127.0.0.1', headers: {}, idempotencyKey: null }
  const wanted = PublishRequest.parse({ path: join(home, 'Our film'), title: 'Our film', approve: true, private: isPrivate, webSeed: !isPrivate })
  const { id } = await requestPublication({ ...app.deps, actor, request, audit: auditFor(app.deps, actor, request) }, wanted)
  await vi.waitFor(async () => expect(await publicationById(app.deps, id)).toMatchObject({ state: 'published' }), { timeout: 20_000 })
  return torrentFileOf(app.deps, id)
}

/** The `.torrent` in a file of its own, and an empty folder. */
async function orderOf(name: string, torrent: Uint8Array): Promise<FetchOrder> {
  const torrentFile = join(home, `${name}.torrent`)
  await writeFile(torrentFile, torrent)
  await mkdir(join(home, name))
  return { torrentFile, folder: join(home, name), files }
}

async function expectWhole(folder: string): Promise<void> {
  for (const [path, size] of contents.filter(([, size]) => size > 0)) expect([path, sha256(await readFile(join(folder, 'Our film', path)))]).toEqual([path, sha256(generateBytes(path, 0, size))])
}
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

const fetchers: [DebianPeer, (order: FetchOrder) => Promise<unknown>][] = [['libtorrent', fetchWithLibtorrent], ['aria2', fetchWithAria2], ['transmission', fetchWithTransmission]]
const seeders: [DebianPeer, (order: SeedOrder) => Promise<AsyncDisposable>][] = [['libtorrent', seedWithLibtorrent], ['aria2', seedWithAria2], ['transmission', seedWithTransmission]]

test.for(fetchers.flatMap(([peer, fetch]) => [false, true].map((isPrivate) => ({ peer, fetch, isPrivate }))))('$peer, as it comes, fetches all of a published folder (private: $isPrivate)', async ({ peer, fetch, isPrivate }, { skip }) => {
  skip(!isPresent(peer), `${peer} is not installed: npm run peers`)
  const { infoHash } = torrents.get(isPrivate) ?? expect.fail('not published')
  const info = parseTorrentFile((torrents.get(isPrivate) ?? expect.fail('not published')).torrent)
  // by peers alone: without the web seed
  const order = await orderOf(`${peer}-${isPrivate}`, buildTorrentFile(info.infoBytes, [tracker.url]))
  const leechers = async () => (await scrape(tracker.url, infoHash)).leechers
  const before = await leechers()
  const fetching = fetch(order)
  if (peer === 'transmission') {
    // It takes no address of loopback from a tracker: it waits for us to call, when a tracker names it to us.
    await vi.waitFor(async () => expect(await leechers()).toBeGreaterThan(before), { timeout: 20_000 })
    await app.deps.engine.seed([])
    await resumePublications(app.deps)
  }
  await fetching
  await expectWhole(order.folder)
  const { torrents: active } = await app.deps.engine.stats()
  expect(active.find((one) => one.infoHash === infoHash)?.sentBytes).toBeGreaterThanOrEqual(5 * MiB)
})

test.for(fetchers)('%s fetches all of it from the web seed alone', async ([peer, fetch], { skip }) => {
  skip(!isPresent(peer), `${peer} is not installed: npm run peers`)
  const { torrent } = torrents.get(false) ?? expect.fail('not published')
  const { infoBytes, webSeeds } = parseTorrentFile(torrent)
  expect(webSeeds).toHaveLength(1)
  const order = await orderOf(`${peer}-web-seed`, buildTorrentFile(infoBytes, [], webSeeds))
  await fetch(order)
  await expectWhole(order.folder)
})

test.for(seeders)('%s seeds to us', async ([peer, seed], { skip }) => {
  skip(!isPresent(peer), `${peer} is not installed: npm run peers`)
  await using swarm = await startSwarm({ files: [{ path: 'theirs.bin', sizeBytes: 3 * MiB }], seed: peer, seeding: false })
  const order = await orderOf(`${peer}-seeds`, swarm.torrentFile)
  const bytes = Buffer.from((await swarm.files[0]?.read(0, 3 * MiB)) ?? [])
  await writeFile(join(order.folder, 'theirs.bin'), bytes)
  await using _seeder = await seed({ ...order, infoHash: swarm.infoHash, trackerUrl: swarm.trackerUrl })
  await using engine = await startTestEngine()
  expect((await readThrough(engine.client, swarm, { timeoutMs: 30_000 })).equals(bytes)).toBe(true)
})
