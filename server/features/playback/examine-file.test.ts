/** Media facts at the door: learned by the real job, engine and swarm, from a few ranges of each file. */
import { mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EngineClient } from '../../engine/client.ts'
import type { Person } from '../../test/actors.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { startTestEngine, type TestEngine } from '../../test/engine.ts'
import { hostile, lengthened, timeBomb } from '../../test/hostile-media.ts'
import { startSwarm, type Swarm } from '../../test/swarm.ts'
import { approveTitle, offerTitle } from '../../test/titles.ts'

const clipFile = (name: string): string => fileURLToPath(new URL(`../../test/clips/${name}`, import.meta.url))
const filmBytes = 300 * 1024 * 1024
const mib = 1024 * 1024

let folder: string
let engine: TestEngine
let app: TestApp
let viewer: Person
let moderator: Person
/** The rates that readers told the engine, by file. */
const rates: [fileIndex: number, bytesPerSecond: number | undefined][] = []
/** What happens before the engine hears of the next claim on a file. */
let beforeClaim: (() => Promise<void>) | null = null

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'media-'))
  engine = await startTestEngine()
  app = await startTestApp({ jobs: true, settings: { RATE_LIMIT_FACTOR: '100', SWARM_TIMEOUT_SECONDS: '8' }, overrides: { engine: watched(engine.client) } })
  viewer = await app.as.user()
  moderator = await app.as.moderator()
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

/** The engine itself, but each claim is noted, and can be held up. */
function watched(client: EngineClient): EngineClient {
  return {
    ...bound(client),
    reader(wanted) {
      rates.push([wanted.fileIndex, wanted.bytesPerSecond])
      if (!beforeClaim) return client.reader(wanted)
      const late = beforeClaim().then(() => client.reader(wanted))
      beforeClaim = null
      const release = () => void late.then((reader) => reader.release(), () => {})
      return {
        infoHash: wanted.source.infoHash,
        fileIndex: wanted.fileIndex,
        end: wanted.end,
        lives: 0,
        waitFor: async (position, timeoutMs) => (await late).waitFor(position, timeoutMs),
        progress: () => {},
        release,
        [Symbol.dispose]: release,
      }
    },
  }
}

const bound = (client: EngineClient): EngineClient => ({
  dataDir: client.dataDir,
  alive: () => client.alive(),
  listening: () => client.listening(),
  open: (source) => client.open(source),
  metadata: (wanted) => client.metadata(wanted),
  warm: (source, forMs) => client.warm(source, forMs),
  evict: (infoHash, fileIndex) => client.evict(infoHash, fileIndex),
  buffered: (file) => client.buffered(file),
  reader: (wanted) => client.reader(wanted),
  stage: (wanted) => client.stage(wanted),
  publish: (wanted) => client.publish(wanted),
  discard: (id) => client.discard(id),
  seed: (torrents) => client.seed(torrents),
  remove: (infoHash) => client.remove(infoHash),
  stats: () => client.stats(),
  [Symbol.asyncDispose]: () => Promise.resolve(),
})

async function offerAndApprove(swarm: Swarm, title: string): Promise<string> {
  const torrentId = await offerTitle(app, swarm, title)
  await approveTitle(app, torrentId, moderator.token)
  return torrentId
}
const filesOf = async (torrentId: string) => (await app.call('GET', `/torrents/${torrentId}`, { token: viewer.token })).body.files as { path: string; playable: string; durationSeconds: number | null }[]
const fileOf = async (torrentId: string, index: number) => (await filesOf(torrentId))[index]
const fetchedOf = async ({ infoHash }: Swarm) => (await engine.client.stats()).torrents.find((torrent) => torrent.infoHash === infoHash)?.fetchedBytes ?? 0
const isExamined = async (torrentId: string, index: number) => (await app.deps.sql`select 1 from torrent_files where torrent_id = ${torrentId} and index = ${index} and examined_at is not null`).length === 1

async function made(name: string, bytes: Uint8Array): Promise<{ path: string; from: string }> {
  await writeFile(join(folder, name), bytes)
  return { path: name, from: join(folder, name) }
}

describe('a title, once it is approved', () => {
  let swarm: Swarm
  let torrentId: string
  beforeAll(async () => {
    const { beginning, end } = lengthened(readFileSync(clipFile('index-at-end.mp4')), filmBytes)
    const film = await made('Film.mp4', beginning)
    await using file = await open(film.from, 'r+')
    await file.write(end, 0, end.length, filmBytes - end.length)
    swarm = await startSwarm({
      name: 'A box of films',
      pieceLength: mib,
      files: [
        film,
        { path: 'Two languages.mkv', from: clipFile('two-languages.mkv') },
        await made('Text.mp4', hostile['a text by the name of a film']()),
        await made('Boxes.mp4', hostile['an mp4 of 200,000 boxes within each other']()),
        { path: 'Noise.webm', sizeBytes: 2_000_000 },
        { path: 'Small.webm', from: clipFile('vp9-opus.webm') },
        { path: 'Read me.txt', sizeBytes: 3_000_000 },
      ],
    })
    torrentId = await offerTitle(app, swarm, 'A box of films')
  })
  afterAll(() => swarm[Symbol.asyncDispose]())

  test('is looked into; before, nothing of it is fetched, and what plays is a guess by name', async () => {
    const pending = await app.call('GET', `/admin/torrents/${torrentId}`, { token: moderator.token })
    expect(pending.body.files.map(({ playable, durationSeconds }: { playable: string; durationSeconds: null }) => [playable, durationSeconds])).toEqual([
      ['direct', null], ['external_player', null], ['direct', null], ['direct', null], ['direct', null], ['direct', null], ['no', null],
    ])
    expect((await engine.client.stats()).fetchedBytes).toBe(0)

    await approveTitle(app, torrentId, moderator.token)
    await expect.poll(async () => (await filesOf(torrentId)).map(({ path, playable, durationSeconds }) => [path, playable, durationSeconds]), { timeout: 60_000 }).toEqual([
      ['Film.mp4', 'direct', 2],
      ['Two languages.mkv', 'external_player', 2.021],
      ['Text.mp4', 'no', null],
      ['Boxes.mp4', 'no', null],
      ['Noise.webm', 'no', null],
      // the five largest are looked into at once, others when they are played
      ['Small.webm', 'direct', null],
      ['Read me.txt', 'no', null],
    ])
    const [mkv] = await app.deps.sql`select container, index_at, bytes_per_second, tracks from torrent_files where torrent_id = ${torrentId} and index = 1`
    expect(mkv).toMatchObject({ container: 'mkv', index_at: 'end', bytes_per_second: '6101', tracks: [{ codec: 'h264' }, { codec: 'aac', language: 'en' }, { codec: 'aac', language: 'de' }] })
  })

  test('costs a small part of it, and nobody holds a claim on more', async () => {
    expect(await fetchedOf(swarm)).toBeGreaterThan(2 * mib)
    expect(await fetchedOf(swarm)).toBeLessThan(16 * mib)
    expect((await engine.client.stats()).torrents.find(({ infoHash }) => infoHash === swarm.infoHash)?.readers).toBe(0)
  })

  test('a file not among the largest is looked into when it is first played, and its rate is told to the engine from then on', async () => {
    const play = () => app.call('POST', `/torrents/${torrentId}/files/5/playback`, { token: viewer.token })
    const first = await play()
    expect([first.status, first.body.playable]).toEqual([201, 'direct'])
    await expect.poll(async () => (await fileOf(torrentId, 5))?.durationSeconds).toBe(2.008)
    rates.length = 0
    expect((await fetch((await play()).body.url)).status).toBe(200)
    await expect.poll(() => rates).toEqual([[5, Math.round(5_097 / 2.008)]])
  })

  test('a preview and a playback say how it plays by what was found', async () => {
    const { body } = await app.call('POST', `/admin/torrents/${torrentId}/preview`, { token: moderator.token, body: { fileIndex: 3 } })
    expect(body.playable).toBe('no')
    expect((await app.call('POST', `/torrents/${torrentId}/files/1/playback`, { token: viewer.token })).body.playable).toBe('external_player')
    expect((await app.deps.sql`select 1 from graphile_worker.jobs where task_identifier = 'torrent.examine_file'`)).toHaveLength(0)
  })
})

test('a file that its parser does not survive gives no facts; the API answers all the while', async () => {
  await using swarm = await startSwarm({ files: [await made('Bomb.mkv', timeBomb())] })
  const torrentId = await offerAndApprove(swarm, 'A bomb')
  const waits: number[] = []
  await expect.poll(async () => {
    const asked = performance.now()
    expect((await app.call('GET', `/torrents/${torrentId}`, { token: viewer.token })).status).toBe(200)
    waits.push(performance.now() - asked)
    return isExamined(torrentId, 0)
  }, { timeout: 60_000, interval: 200 }).toBe(true)
  expect(Math.max(...waits)).toBeLessThan(10_000)
  expect(await fileOf(torrentId, 0)).toMatchObject({ playable: 'external_player', durationSeconds: null })
})

test('a swarm that gives nothing is asked again, at once when somebody plays', async () => {
  await using swarm = await startSwarm({ files: [{ path: 'Late.webm', from: clipFile('vp9-opus.webm') }], seeding: false })
  const torrentId = await offerAndApprove(swarm, 'A late one')
  const job = async () => (await app.deps.sql<{ attempts: number; locked: boolean }[]>`select attempts, locked_at is not null as locked from graphile_worker.jobs where key = ${`torrent.examine_file:${torrentId}:0`}`)[0]
  await expect.poll(job, { timeout: 60_000 }).toMatchObject({ attempts: 1, locked: false })
  expect(await isExamined(torrentId, 0)).toBe(false)
  await swarm.startSeeder()
  await app.call('POST', `/torrents/${torrentId}/files/0/playback`, { token: viewer.token })
  await expect.poll(async () => (await fileOf(torrentId, 0))?.durationSeconds, { timeout: 60_000 }).toBe(2.008)
})

test('a title taken down as it is looked into is not fetched again, and nothing of it stays', async () => {
  await using swarm = await startSwarm({ files: [{ path: 'Gone.webm', from: clipFile('vp9-opus.webm') }] })
  const torrentId = await offerTitle(app, swarm, 'A withdrawn one')
  let ended = false
  beforeClaim = async () => {
    const { status } = await app.call('POST', `/admin/torrents/${torrentId}/takedown`, { token: moderator.token, body: { reason: 'rights' } })
    expect(status).toBe(200)
    await expect.poll(() => app.deps.sql`select 1 from graphile_worker.jobs where task_identifier = 'torrent.remove_data'`).toHaveLength(0)
    ended = true
  }
  await approveTitle(app, torrentId, moderator.token)
  await expect.poll(() => ended).toBe(true)
  // the data that the claim brought after all is away when the job is
  await expect.poll(() => app.deps.sql`select 1 from graphile_worker.jobs where key = ${`torrent.examine_file:${torrentId}:0`}`, { timeout: 30_000 }).toHaveLength(0)
  expect(await readdir(engine.dataDir)).not.toContain(swarm.infoHash)
  expect((await engine.client.stats()).torrents.map(({ infoHash }) => infoHash)).not.toContain(swarm.infoHash)
})
