import { Readable } from 'node:stream'
import type { ReadableStream as WebStream } from 'node:stream/web'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Person } from '../test/actors.ts'
import { startTestApp, type TestApp } from '../test/app.ts'
import { startPlayableTitle, type PlayableTitle } from '../test/playable-title.ts'
import { startSwarm } from '../test/swarm.ts'
import { approveTitle, offerTitle } from '../test/titles.ts'

const sizeBytes = 4_000_000
let title: PlayableTitle
let app: TestApp
let viewer: Person
let moderator: Person
let torrentId: string
let asked = 0
beforeAll(async () => {
  title = await startPlayableTitle({
    swarm: { name: 'pack', files: [{ path: 'film.mp4', sizeBytes }, { path: 'empty.txt', sizeBytes: 0 }], pieceLength: 65_536, rateBytesPerSecond: 2_000_000 },
    app: { jobs: true, settings: { RATE_LIMIT_FACTOR: '100' } },
    // so that nobody looks into it
    offered: ({ deps: { sql } }, id) => sql`update torrent_files set examined_at = now(), playable = 'direct', duration_seconds = 100 where torrent_id = ${id} and index = 0`,
  });
  ({ app, viewer, moderator, torrentId } = title)
  const { engine } = app.deps
  const ask = engine.buffered.bind(engine)
  engine.buffered = (file) => {
    asked += 1
    return ask(file)
  }
})
afterAll(() => title[Symbol.asyncDispose]())

type Told = { state: string; peers: number; buffered: { startByte: number; endByte: number }[]; secondsToPlay: number | null; downloadBytesPerSecond: number }
const open: AbortController[] = []
afterEach(() => open.splice(0).forEach((one) => one.abort()))

/** Listens until it is ended; what was told, and how it ended. */
async function listen(token: string, { file = 0, query = '', of = torrentId } = {}) {
  const gone = new AbortController()
  open.push(gone)
  const response = await fetch(`${app.baseUrl}/api/v1/torrents/${of}/files/${file}/progress${query}`, { headers: { authorization: `Bearer ${token}` }, signal: gone.signal })
  const told: Told[] = []
  const over = (async () => {
    let text = ''
    try {
      for await (const chunk of Readable.fromWeb(response.body as WebStream) as AsyncIterable<Buffer>) {
        text += chunk.toString()
        const events = text.split('\n\n')
        text = events.pop() ?? ''
        for (const event of events) {
          const data = /^data: (.*)$/m.exec(event)?.[1]
          if (data !== undefined) told.push(JSON.parse(data) as Told)
        }
      }
      return 'ended'
    } catch {
      return 'cut'
    }
  })()
  return { response, told, over, stop: () => gone.abort() }
}
const until = (condition: () => unknown) => vi.waitFor(() => expect(condition()).toBeTruthy(), { timeout: 15_000, interval: 20 })
const readersOf = async () => (await app.deps.engine.stats()).torrents.reduce((sum, torrent) => sum + torrent.readers, 0)

describe('the progress of a file', () => {
  test('is told as it comes in: from nothing to all of it', async () => {
    const { response, told } = await listen(viewer.token)
    expect([response.status, response.headers.get('content-type'), response.headers.get('cache-control'), response.headers.get('x-accel-buffering')]).toEqual([200, 'text/event-stream; charset=utf-8', 'no-store', 'no'])
    await until(() => told.length > 0)
    expect(told[0]).toEqual({ state: 'idle', peers: 0, downloadBytesPerSecond: 0, uploadBytesPerSecond: 0, buffered: [], secondsToPlay: null })
    const { body } = await title.playback()
    await (await fetch(body.url as string)).arrayBuffer()
    await until(() => told.at(-1)?.state === 'complete')
    expect(told.at(-1)).toMatchObject({ buffered: [{ startByte: 0, endByte: sizeBytes, startSeconds: 0, endSeconds: 100 }], secondsToPlay: 0 })
    expect(told.map(({ state }) => state)).toContain('fetching')
    // it only grows
    const ends = told.map(({ buffered }) => buffered.reduce((sum, { startByte, endByte }) => sum + endByte - startByte, 0))
    expect(ends).toEqual(ends.toSorted((a, b) => a - b))
    expect(told.some(({ peers, downloadBytesPerSecond }) => peers > 0 && downloadBytesPerSecond > 0)).toBe(true)
    expect(await readersOf()).toBe(0)
  })

  test('is asked for once a second, however many listen', async () => {
    const listeners = await Promise.all((await Promise.all([1, 2, 3].map(() => app.as.user()))).flatMap(({ token }) => Array.from({ length: 8 }, () => listen(token))))
    await until(() => listeners.every(({ told }) => told.length > 0))
    const [before, began] = [asked, performance.now()]
    await until(() => asked >= before + 3)
    expect(asked - before).toBeLessThanOrEqual((performance.now() - began) / 1000 + 2)
    listeners.forEach(({ stop }) => stop())
    await Promise.all(listeners.map(({ over }) => over))
    const after = asked
    // nobody listens, so nobody asks: not even in the time of three rounds
    const next = await listen(viewer.token, { file: 1 })
    await until(() => next.told.length > 0)
    await vi.waitFor(() => expect(asked - after).toBeGreaterThanOrEqual(4), { timeout: 15_000, interval: 20 })
    expect(asked - after).toBeLessThanOrEqual(6)
  })

  test.each<[string, (person: Person) => Promise<{ status: number }>]>([
    ['signing out', ({ token }) => app.call('POST', '/auth/sign-out', { token })],
    ['a ban', ({ userId }) => app.call('POST', `/admin/users/${userId}/ban`, { token: moderator.token, body: { reason: 'abuse' } })],
  ])('ends with %s', async (_what, end) => {
    const person = await app.as.user()
    const { told, over } = await listen(person.token)
    await until(() => told.length > 0)
    expect((await end(person)).status).toBe(204)
    expect(await over).toBe('ended')
    expect((await listen(person.token)).response.status).toBe(401)
  })

  test('is told to so many at once, and no more', async () => {
    const person = await app.as.user()
    const listeners = await Promise.all(Array.from({ length: 10 }, () => listen(person.token)))
    expect(listeners.map(({ response }) => response.status)).toEqual(listeners.map(() => 200))
    expect((await listen(person.token)).response.status).toBe(429)
    expect((await listen(viewer.token)).response.status).toBe(200)
    listeners[0]?.stop()
    await vi.waitFor(async () => expect((await listen(person.token)).response.status).toBe(200), { timeout: 10_000, interval: 100 })
  })

  test.each<[string, number, Parameters<typeof listen>[1]]>([
    ['no such file', 404, { file: 9 }],
    ['no such title', 404, { of: '00000000-0000-4000-8000-000000000000' }],
    ['a position that is none', 422, { query: '?position=-1' }],
    ['a field that is none', 422, { query: '?token=x' }],
  ])('%s: %i', async (_what, status, options) => {
    const { response } = await listen(viewer.token, options)
    expect([response.status, response.headers.get('content-type')]).toEqual([status, 'application/problem+json; charset=utf-8'])
  })

  test('a takedown ends it', async () => {
    const { told, over } = await listen(viewer.token)
    await until(() => told.length > 0)
    expect((await app.call('POST', `/admin/torrents/${torrentId}/takedown`, { token: moderator.token, body: { reason: 'rights' } })).status).toBe(200)
    expect(await over).toBe('ended')
    expect((await listen(viewer.token)).response.status).toBe(404)
  })
})

test('a server that stops ends it', async () => {
  const { token } = viewer
  const node = await startTestApp({ database: app.database, dataDir: app.dataDir, overrides: { engine: app.deps.engine } })
  const other = await offerTitle(node, await startSwarmOnce())
  await approveTitle(node, other, (await node.as.moderator()).token)
  const own = (await node.as.userAgain({ ...viewer, token })).token
  const response = await fetch(`${node.baseUrl}/api/v1/torrents/${other}/files/0/progress`, { headers: { authorization: `Bearer ${own}` } })
  const read = response.text()
  await node[Symbol.asyncDispose]()
  expect(await read).toMatch(/^retry: 5000\nevent: progress\ndata: \{"state":"idle"/)
})

async function startSwarmOnce() {
  await using unseeded = await startSwarm({ files: [{ path: 'other.mp4', sizeBytes: 1_000 }], seeding: false })
  return { torrentFile: unseeded.torrentFile, infoHash: unseeded.infoHash }
}
