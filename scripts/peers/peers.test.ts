/** Streaming out of swarms whose seeders nobody here wrote, to a player nobody here wrote either. `npm run peers` brings them. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { startTestApp, type TestApp } from '../../server/test/app.ts'
import { startSwarm } from '../../server/test/swarm.ts'
import { isPresent, type Peer } from './presence.ts'
import { seedWithAria2, seedWithLibtorrent, type SeedOrder } from './clients.ts'

const run = promisify(execFile)
const clip = fileURLToPath(new URL('../demo/clip.mp4', import.meta.url))
const missing = (peer: Peer) => !isPresent(peer)

let app: TestApp
let folder: string
beforeAll(async () => {
  app = await startTestApp({ engine: true, jobs: true, settings: { SWARM_TIMEOUT_SECONDS: '15' } })
  folder = await mkdtemp(join(tmpdir(), 'torrent-streamer-peers-'))
  await copyFile(clip, join(folder, 'clip.mp4'))
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** The clip as a title of its own swarm, which `seed` feeds; what comes back is its playback link. */
async function streamFrom(seed: (order: SeedOrder) => Promise<AsyncDisposable>, title: string, pieceLength: number): Promise<{ url: string; sha256: string } & AsyncDisposable> {
  await using made = new AsyncDisposableStack()
  const swarm = made.use(await startSwarm({ files: [{ path: 'clip.mp4', from: clip }], pieceLength, seeding: false }))
  const torrentFile = join(folder, `${swarm.infoHash}.torrent`)
  await writeFile(torrentFile, swarm.torrentFile)
  made.use(await seed({ torrentFile, folder, infoHash: swarm.infoHash, trackerUrl: swarm.trackerUrl }))

  const apiKey = await app.as.apiKey({ trusted: true })
  const body = { source: 'peers', items: [{ torrentFile: Buffer.from(swarm.torrentFile).toString('base64'), title }] }
  const batch = await app.call('POST', '/ingest/batches', { apiKey, body })
  expect(batch.body).toMatchObject({ accepted: 1, rejected: [] })

  const { token } = await app.as.user()
  const found = await vi.waitFor(async () => {
    const { body } = await app.call('GET', `/torrents/search?q=${encodeURIComponent(title)}`, { token })
    expect(body.items).toHaveLength(1)
    return body.items[0]
  }, { timeout: 10_000 })
  const playback = await app.call('POST', `/torrents/${found.id}/files/0/playback`, { token })
  expect(playback.status).toBe(201)
  const closing = made.move()
  return { url: playback.body.url, sha256: swarm.files[0]?.sha256 ?? '', [Symbol.asyncDispose]: () => closing.disposeAsync() }
}

async function sha256Of(url: string): Promise<string> {
  const response = await fetch(url)
  expect(response.status).toBe(200)
  return createHash('sha256').update(new Uint8Array(await response.arrayBuffer())).digest('hex')
}

test('every byte of a file that libtorrent seeds arrives', async ({ skip }) => {
  skip(missing('libtorrent'), 'python3-libtorrent is not installed: npm run peers')
  await using stream = await streamFrom(seedWithLibtorrent, 'Libtorrent clip', 32 * 1024)
  expect(await sha256Of(stream.url)).toBe(stream.sha256)
})

test('every byte of a file that aria2 seeds arrives', async ({ skip }) => {
  skip(missing('aria2'), 'aria2 is not installed: npm run peers')
  await using stream = await streamFrom(seedWithAria2, 'Aria clip', 64 * 1024)
  expect(await sha256Of(stream.url)).toBe(stream.sha256)
})

test('ffprobe reads the index at the end, and ffmpeg plays from a seek, just as from the file itself', async ({ skip }) => {
  skip(missing('ffmpeg') || missing('libtorrent'), 'ffmpeg and python3-libtorrent are not both installed: npm run peers')
  await using stream = await streamFrom(seedWithLibtorrent, 'Probed clip', 16 * 1024)
  const { stdout } = await run('ffprobe', ['-v', 'error', '-show_entries', 'stream=codec_name:format=duration', '-of', 'json', stream.url])
  const facts = JSON.parse(stdout) as { streams: { codec_name: string }[]; format: { duration: string } }
  expect(facts.streams.map(({ codec_name }) => codec_name)).toEqual(['h264', 'aac'])
  expect(Number(facts.format.duration)).toBeCloseTo(24, 1)

  const frameAt18 = async (source: string) => {
    const { stdout: frame } = await run('ffmpeg', ['-v', 'error', '-ss', '18', '-i', source, '-frames:v', '1', '-f', 'rawvideo', '-pix_fmt', 'rgb24', 'pipe:1'], { encoding: 'buffer', maxBuffer: 8 * 1024 * 1024 })
    return createHash('sha256').update(frame).digest('hex')
  }
  expect(await frameAt18(stream.url)).toBe(await frameAt18(clip))
  // every frame of picture and sound decodes
  expect((await run('ffmpeg', ['-v', 'error', '-i', stream.url, '-f', 'null', '-'])).stderr).toBe('')
})
