/** What the journeys need of the browser: real text, both video formats that are played, and the rules of the web switched on. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test as base } from '@playwright/test'

/** Servers of byte ranges, and of one page for any clip: two, for two origins. */
const test = base.extend<{ origin: string; elsewhere: string }>({
  origin: ({ browserName: _ }, use) => serve(use),
  elsewhere: ({ browserName: _ }, use) => serve(use),
})

async function serve(use: (origin: string) => Promise<void>) {
  const server = createServer((request, response) => void answer(request.url ?? '/', request.headers.range).then(({ status, headers, body }) => response.writeHead(status, headers).end(body)))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  server.closeAllConnections()
  await once(server.close(), 'close')
}

const types: Record<string, string> = { 'h264.mp4': 'video/mp4', 'vp9.webm': 'video/webm' }

async function answer(path: string, range: string | undefined) {
  const name = path.slice(1)
  const type = types[name]
  if (!type) return { status: 200, headers: pageHeaders(path), body: pageOf(new URLSearchParams(path.slice(2)).get('clip') ?? '') }
  const bytes = await readFile(new URL(`clips/${name}`, import.meta.url))
  const [, from = '0', to = ''] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? []
  const part = bytes.subarray(Number(from), to ? Number(to) + 1 : undefined)
  const headers = { 'content-type': type, 'accept-ranges': 'bytes', 'content-length': part.length, 'content-range': `bytes ${from}-${Number(from) + part.length - 1}/${bytes.length}` }
  return { status: range ? 206 : 200, headers, body: part }
}

const pageHeaders = (path: string) => ({ 'content-type': 'text/html', ...(path === '/shared' ? { 'access-control-allow-origin': '*' } : {}) })
const pageOf = (clip: string) => `<video muted src="${clip}"></video><p>iiiiiiiiii</p><p>WWWWWWWWWW</p>`

for (const clip of Object.keys(types)) {
  test(`plays and seeks ${clip}`, async ({ page, origin }) => {
    await page.goto(`${origin}/?clip=${clip}`)
    const video = page.locator('video')
    await expect.poll(() => video.evaluate((element: HTMLVideoElement) => element.readyState)).toBeGreaterThanOrEqual(2)
    expect(await video.evaluate((element: HTMLVideoElement) => [element.videoWidth, Math.round(element.duration)])).toEqual([160, 6])
    await video.evaluate((element: HTMLVideoElement) => element.play())
    await expect.poll(() => video.evaluate((element: HTMLVideoElement) => element.currentTime)).toBeGreaterThan(0.3)
    await video.evaluate((element: HTMLVideoElement) => {
      element.pause()
      const seeked = new Promise((done) => element.addEventListener('seeked', done, { once: true }))
      element.currentTime = 4.5
      return seeked
    })
    expect(await video.evaluate((element: HTMLVideoElement) => element.currentTime)).toBeCloseTo(4.5)
    // the test picture is colourful: a decoder that shows nothing shows black
    const colours = await video.evaluate((element: HTMLVideoElement) => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 160, height: 90 })
      const context = canvas.getContext('2d')
      context?.drawImage(element, 0, 0)
      return new Set(new Uint32Array(context?.getImageData(0, 0, 160, 90).data.buffer ?? new ArrayBuffer(0))).size
    })
    expect(colours).toBeGreaterThan(50)
  })
}

test('draws text in a real font', async ({ page, origin }) => {
  await page.goto(`${origin}/`)
  const widths = await page.locator('p').evaluateAll((paragraphs) =>
    paragraphs.map((paragraph) => {
      const range = document.createRange()
      range.selectNodeContents(paragraph)
      return range.getBoundingClientRect().width
    }),
  )
  const [narrow = 0, wide = 0] = widths
  // boxes in place of letters are all of one width
  expect(narrow).toBeGreaterThan(10)
  expect(wide / narrow).toBeGreaterThan(2)
})

test('keeps the same-origin rule', async ({ page, origin, elsewhere }) => {
  await page.goto(elsewhere)
  const read = (url: string) =>
    page.evaluate(
      (address) =>
        fetch(address).then(
          () => 'read',
          (error: unknown) => String(error),
        ),
      url,
    )
  expect(await read(`${origin}/shared`)).toBe('read')
  expect(await read(`${origin}/private`)).toContain('TypeError')
})
