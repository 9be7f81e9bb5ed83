/** What a browser makes of a playback link: out of a swarm of limited rate, through the real stack, into the <video> of Chromium. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Page } from '@playwright/test'
import { z } from 'zod'
import { signIn as signInByApi } from '../scripts/demo/authenticator.ts'
import { startSwarm, type Swarm } from '../server/test/swarm.ts'
import { expect, test, type Instance, type Person } from './fixtures.ts'

const webm = fileURLToPath(new URL('clips/vp9.webm', import.meta.url))
const Link = z.object({ url: z.string(), playable: z.string() })
const Titles = z.object({ items: z.array(z.object({ id: z.string(), title: z.string() })) })
const File = z.object({ playable: z.string(), durationSeconds: z.number().nullable() })

/** The swarm's torrent as an approved title whose file has been looked into. @returns how to ask for a link */
async function published(instance: Instance, moderator: Person, swarm: Swarm, title: string) {
  await instance.offer(title, { torrentFile: swarm.torrentFile })
  const token = await signInByApi(instance.api, moderator)
  const { items } = await instance.api.call('GET', '/admin/torrents?state=pending&limit=100', { token, answer: Titles })
  const id = items.find((item) => item.title === title)?.id ?? 'not offered'
  await instance.api.call('POST', `/admin/torrents/${id}/approve`, { token, body: {}, answer: z.unknown() })
  const details = () => instance.api.call('GET', `/torrents/${id}`, { token, answer: z.object({ files: z.array(File) }) })
  await expect.poll(async () => (await details()).files[0], { timeout: 30_000 }).toMatchObject({ playable: 'direct', durationSeconds: expect.any(Number) })
  return () => instance.api.call('POST', `/torrents/${id}/files/0/playback`, { token, answer: Link, status: 201 })
}

/** A page of the server itself, since nothing else may show what it sends; with a player for the link. */
async function openPlayer(page: Page, url: string) {
  await page.goto('/sign-in')
  await page.evaluate((src) => document.body.replaceChildren(Object.assign(document.createElement('video'), { src, muted: true, controls: true })), new URL(url).pathname)
  const video = page.locator('video')
  const ask = <T>(what: (element: HTMLVideoElement) => T | Promise<T>) => video.evaluate(what as (element: SVGElement | HTMLElement) => T | Promise<T>)
  return {
    ask,
    play: () => ask((element) => element.play()),
    pause: () => ask((element) => element.pause()),
    at: () => ask(({ currentTime }) => currentTime),
    bufferedTo: () => ask(({ buffered, currentTime }) => Math.max(currentTime, ...Array.from({ length: buffered.length }, (_, i) => (buffered.start(i) <= currentTime ? buffered.end(i) : 0)))),
    /** In seconds from the start, or from the end. @returns where it came to stand */
    seek: (seconds: number) =>
      video.evaluate(async (element, to) => {
        const player = element as HTMLVideoElement
        const seeked = new Promise((done) => player.addEventListener('seeked', done, { once: true }))
        player.currentTime = to < 0 ? player.duration + to : to
        await seeked
        return player.currentTime
      }, seconds),
  }
}

test('WebM plays from its start, from a seek, and to its end', async ({ page, instance, moderator }) => {
  await using swarm = await startSwarm({ files: [{ path: 'Clip.webm', from: webm }], pieceLength: 16 * 1024, rateBytesPerSecond: 64 * 1024 })
  const { url } = await (await published(instance, moderator, swarm, 'WebM in the browser'))()
  const player = await openPlayer(page, url)
  await player.play()
  await expect.poll(player.at).toBeGreaterThan(0.3)
  await player.pause()
  const { duration, size } = await player.ask(({ duration, videoWidth, videoHeight }) => ({ duration, size: videoWidth * videoHeight }))
  expect(size).toBeGreaterThan(0)
  expect(await player.seek(duration / 2)).toBeCloseTo(duration / 2, 1)
  // a decoder that shows nothing shows black
  const colours = await player.ask((element) => {
    const context = Object.assign(document.createElement('canvas'), { width: 160, height: 90 }).getContext('2d')
    context?.drawImage(element, 0, 0, 160, 90)
    return new Set(new Uint32Array(context?.getImageData(0, 0, 160, 90).data.buffer ?? new ArrayBuffer(0))).size
  })
  expect(colours).toBeGreaterThan(20)
  await player.play()
  await expect.poll(() => player.ask(({ ended }) => ended), { timeout: 30_000 }).toBe(true)
})

test('a long one that is paused stops fetching, goes on where it was, and plays to its end', async ({ page, instance, moderator }) => {
  test.slow()
  const folder = await mkdtemp(join(tmpdir(), 'browser-'))
  const seconds = 240
  await writeFile(join(folder, 'Long.wav'), wav(seconds))
  await using swarm = await startSwarm({ files: [{ path: 'Long.wav', from: join(folder, 'Long.wav') }], rateBytesPerSecond: 6 * 1024 * 1024 })
  const [file] = swarm.files
  const { url } = await (await published(instance, moderator, swarm, 'Long in the browser'))()
  const player = await openPlayer(page, url)
  await player.play()
  await expect.poll(player.at).toBeGreaterThan(1)
  await player.pause()
  const pausedAt = await player.at()

  let last = { fetched: -1, buffered: -1 }
  await expect.poll(async () => {
    const now = { fetched: await swarm.uploadedBytes(), buffered: await player.bufferedTo() }
    const isStill = now.fetched === last.fetched && now.buffered === last.buffered
    last = now
    return isStill
  }, { timeout: 60_000, intervals: [2_000] }).toBe(true)
  expect(last.buffered).toBeGreaterThan(pausedAt + 5)
  expect(last.fetched).toBeLessThan((file?.sizeBytes ?? 0) * 0.75)
  expect(await player.at()).toBe(pausedAt)

  await player.play()
  await expect.poll(player.at).toBeGreaterThan(pausedAt + 1)
  expect(await player.seek(-3)).toBeCloseTo(seconds - 3, 1)
  await expect.poll(() => player.ask(({ ended }) => ended), { timeout: 30_000 }).toBe(true)
  expect(await swarm.uploadedBytes()).toBeLessThan(file?.sizeBytes ?? 0)
  await rm(folder, { recursive: true })
})

/** Stereo of 48,000 samples of 16 bits a second (RIFF, PCM): a slow beat of two tones. */
function wav(seconds: number): Buffer {
  const rate = 48_000
  const bytes = Buffer.alloc(44 + seconds * rate * 4)
  bytes.write('RIFF', 0, 'latin1')
  bytes.writeUInt32LE(bytes.length - 8, 4)
  bytes.write('WAVEfmt ', 8, 'latin1')
  bytes.writeUInt32LE(16, 16)
  for (const [offset, value] of [[20, 1], [22, 2], [32, 4], [34, 16]] as const) bytes.writeUInt16LE(value, offset)
  bytes.writeUInt32LE(rate, 24)
  bytes.writeUInt32LE(rate * 4, 28)
  bytes.write('data', 36, 'latin1')
  bytes.writeUInt32LE(bytes.length - 44, 40)
  const samples = new Int16Array(bytes.buffer, bytes.byteOffset + 44, seconds * rate * 2)
  for (let i = 0; i < samples.length; i += 1) samples[i] = 3_000 * Math.sin((i >> 1) * (i & 1 ? 0.0432 : 0.0433))
  return bytes
}
