/** Players that nobody here wrote, at playback links out of a swarm of limited rate: they find what they find in the file itself. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Person } from '../../server/test/actors.ts'
import { startTestApp, type TestApp } from '../../server/test/app.ts'
import { startSwarm, type Swarm } from '../../server/test/swarm.ts'
import { approveTitle, offerTitle } from '../../server/test/titles.ts'
import { startMpv } from './mpv.ts'
import { isPresent } from './presence.ts'

const run = promisify(execFile)
const clip = fileURLToPath(new URL('../demo/clip.mp4', import.meta.url))
const mkv = fileURLToPath(new URL('../../server/test/clips/two-languages.mkv', import.meta.url))
const noFfmpeg = !isPresent('ffmpeg')
const noMpv = !isPresent('mpv')

let app: TestApp
let viewer: Person
let moderator: Person
let folder: string
beforeAll(async () => {
  // no jobs: what is fetched, is fetched for the player
  app = await startTestApp({ engine: true, settings: { SWARM_TIMEOUT_SECONDS: '30' } })
  viewer = await app.as.user()
  moderator = await app.as.moderator()
  folder = await mkdtemp(join(tmpdir(), 'players-'))
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

type Stream = AsyncDisposable & { url: string; swarm: Swarm }

async function stream(name: string, from: string): Promise<Stream> {
  await using made = new AsyncDisposableStack()
  const swarm = made.use(await startSwarm({ name, files: [{ path: name, from }], pieceLength: 16 * 1024, rateBytesPerSecond: 512 * 1024 }))
  const torrentId = await offerTitle(app, swarm, name)
  await approveTitle(app, torrentId, moderator.token)
  const { body } = await app.call('POST', `/torrents/${torrentId}/files/0/playback`, { token: viewer.token })
  const closing = made.move()
  return { url: body.url, swarm, [Symbol.asyncDispose]: () => closing.disposeAsync() }
}

/** What ffmpeg decodes of each track, hashed; `options` come before the input. */
const decoded = async (input: string, ...options: string[]): Promise<string> =>
  (await run('ffmpeg', ['-v', 'error', ...options, '-i', input, '-map', '0', '-f', 'streamhash', '-hash', 'sha256', 'pipe:1'])).stdout

test('ffprobe learns all of an mp4 from its two ends, an mkv with its languages', async ({ skip }) => {
  skip(noFfmpeg, 'ffmpeg is not installed: npm run peers')
  const probed = async (input: string) => (await run('ffprobe', ['-v', 'error', '-show_entries', 'stream=codec_name,width,height,channels:stream_tags=language:format=duration', '-of', 'json', input])).stdout
  await using mp4 = await stream('Probed.mp4', clip)
  expect(await probed(mp4.url)).toBe(await probed(clip))
  expect(await mp4.swarm.uploadedBytes()).toBeLessThan(mp4.swarm.files[0]?.sizeBytes ?? 0)
  await using other = await stream('Probed.mkv', mkv)
  expect(await probed(other.url)).toBe(await probed(mkv))
  expect(JSON.parse(await probed(other.url))).toMatchObject({ streams: [{}, { tags: { language: 'eng' } }, { tags: { language: 'ger' } }] })
})

test('ffmpeg decodes every frame and sample from each seek, and from the start, just as from the file', async ({ skip }) => {
  skip(noFfmpeg, 'ffmpeg is not installed: npm run peers')
  await using mp4 = await stream('Decoded.mp4', clip)
  for (const from of ['18', '3.5', '23', '11']) expect(await decoded(mp4.url, '-ss', from, '-t', '1'), from).toBe(await decoded(clip, '-ss', from, '-t', '1'))
  expect(await decoded(mp4.url)).toBe(await decoded(clip))
})

test('mpv plays the same sound from a seek as from the file', async ({ skip }) => {
  skip(noMpv, 'mpv is not installed: npm run peers')
  await using mp4 = await stream('Heard.mp4', clip)
  const heard = async (input: string, name: string) => {
    const file = join(folder, name)
    await run('mpv', ['--no-config', '--no-video', '--really-quiet', '--ao=pcm', `--ao-pcm-file=${file}`, '--start=15', input])
    return createHash('sha256').update(await readFile(file)).digest('hex')
  }
  expect(await heard(mp4.url, 'stream.wav')).toBe(await heard(clip, 'file.wav'))
})

test('mpv starts, pauses, goes on, seeks and ends', async ({ skip }) => {
  skip(noMpv, 'mpv is not installed: npm run peers')
  await using mp4 = await stream('Steered.mp4', clip)
  await using mpv = await startMpv(mp4.url, join(folder, 'mpv.sock'))
  const at = async () => Number(await mpv.command('get_property', 'time-pos'))
  await expect.poll(at).toBeGreaterThan(0.5)
  await mpv.command('set_property', 'pause', true)
  const paused = await at()
  expect(await mpv.command('get_property', 'duration')).toBeCloseTo(24, 1)
  expect(await at()).toBe(paused)
  await mpv.command('set_property', 'pause', false)
  await expect.poll(at).toBeGreaterThan(paused + 0.3)
  await mpv.command('seek', 22, 'absolute')
  await expect.poll(at).toBeGreaterThan(21.9)
  expect(await mpv.ended).toBe(0)
})
