import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { reserveStream } from '../features/playback/stream-rows.ts'
import type { Person } from '../test/actors.ts'
import { startTestApp, type TestApp } from '../test/app.ts'
import { startPlayableTitle, type PlayableTitle } from '../test/playable-title.ts'

const settings = { RATE_LIMIT_FACTOR: '1000', STREAMS_PER_USER: '2' }
// as large as takes a socket's buffers to hold it back: a reader that stands still keeps its answer open
const sizeBytes = 40_000_000
let title: PlayableTitle
let app: TestApp
/** A second node, on the same database. */
let other: TestApp
let viewer: Person
/** Of a moderator, signed in on each node: tokens bear the name of the one that made them. */
let tokens: Map<TestApp, string>
let torrentId: string
beforeAll(async () => {
  title = await startPlayableTitle({ swarm: { name: 'pack', files: Array.from({ length: 4 }, (_, n) => ({ path: `${n}.mp4`, sizeBytes })), pieceLength: 1024 * 1024 }, app: { settings } });
  ({ app, torrentId } = title)
  other = await startTestApp({ database: app.database, dataDir: app.dataDir, settings, overrides: { engine: app.deps.engine } })
  tokens = new Map([[app, title.moderator.token], [other, (await other.as.userAgain(title.moderator)).token]])
})
afterAll(async () => {
  await other[Symbol.asyncDispose]()
  await title[Symbol.asyncDispose]()
})
beforeEach(async () => {
  viewer = await app.as.user()
})

/** Answers that a test left open. */
const begun: ClientRequest[] = []
afterEach(() => begun.splice(0).forEach((asked) => asked.destroy()))

const link = async (file: number, token = viewer.token, node = app) => node.call('POST', `/torrents/${torrentId}/files/${file}/playback`, { token })
/** Begins an answer and takes its first bytes, no more. */
async function play(url: string, headers: Record<string, string> = {}) {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const asked = httpRequest(url, { agent: false, headers }, resolve).on('error', reject).end()
  begun.push(asked)
  const response = await promise
  const over = new Promise<'cut' | 'complete'>((resolveOver) => response.on('end', () => resolveOver('complete')).on('error', () => resolveOver('cut')))
  if (response.statusCode !== 206 && response.statusCode !== 200) return { status: response.statusCode, code: JSON.parse((await response.toArray()).join('')).code as string, stop: () => undefined, over, resume: () => undefined }
  await new Promise((first) => response.once('data', first))
  response.pause()
  return { status: response.statusCode, code: null, stop: () => void asked.destroy(), over, resume: () => void response.resume() }
}
const rowsOf = (person: Person) => app.deps.sql`select 1 from live_streams join playback_links on link_id = playback_links.id where user_id = ${person.userId}`
const noneLeft = (person: Person) => vi.waitFor(async () => expect(await rowsOf(person)).toHaveLength(0), { timeout: 10_000, interval: 50 })

describe('streams of one account', () => {
  test('are bounded on all nodes together: neither a range nor a new link passes', async () => {
    const urls = await Promise.all([0, 1, 2].map(async (file) => (await link(file)).body.url as string))
    const elsewhere = (urls[1] ?? '').replace(app.baseUrl, other.baseUrl)
    const [one, two] = [await play(urls[0] ?? ''), await play(elsewhere)]
    expect([one.status, two.status]).toEqual([200, 200])
    expect(await play(urls[2] ?? '')).toMatchObject({ status: 429, code: 'too_many_streams' })
    expect(await link(3)).toMatchObject({ status: 429, body: { code: 'too_many_streams' } })
    expect(await app.deps.sql`select 1 from playback_links where user_id = ${viewer.userId} and file_index = 3`).toHaveLength(0)
    // what plays is no further stream
    expect((await link(0)).status).toBe(201)
    expect((await link(0, (await app.as.user()).token)).status).toBe(201)
    one.stop()
    await vi.waitFor(async () => expect((await play(urls[2] ?? '')).status).toBe(200), { timeout: 10_000, interval: 100 })
    two.stop()
  })

  test('of many that begin at once no more than that begin', async () => {
    const urls = await Promise.all([0, 1, 2, 3].map(async (file) => (await link(file)).body.url as string))
    const playing = await Promise.all(urls.map((url, n) => play(n % 2 === 0 ? url : url.replace(app.baseUrl, other.baseUrl))))
    expect(playing.map(({ status }) => status).sort()).toEqual([200, 200, 429, 429])
    playing.forEach(({ stop }) => stop())
    await noneLeft(viewer)
    // and on all connections of both nodes to the database at once
    const [row] = await app.deps.sql<{ id: string }[]>`select id from playback_links where user_id = ${viewer.userId} limit 1`
    const reserve = (fileIndex: number) => {
      const { deps } = fileIndex % 2 === 0 ? app : other
      const now = deps.now()
      return reserveStream(deps, { userId: viewer.userId, linkId: row?.id ?? '', fileIndex, nodeId: deps.newId(), startedAt: now, bytesSent: 0, bytesPerSecond: 0, seenAt: now })
    }
    const outcomes = await Promise.allSettled(Array.from({ length: 40 }, (_, n) => reserve(n)))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(2)
  })

  test('the ranges of one link are one stream; more than a player needs cut the oldest', async () => {
    const { url } = (await link(0)).body as { url: string }
    const ranges = []
    for (let n = 0; n < 17; n += 1) ranges.push(await play(url, { range: `bytes=${n * 2_000_000}-` }))
    expect(ranges.map(({ status }) => status)).toEqual(ranges.map(() => 206))
    expect(await rowsOf(viewer)).toHaveLength(1)
    ranges[0]?.resume()
    expect(await ranges[0]?.over).toBe('cut')
    ranges[16]?.resume()
    expect(await ranges[16]?.over).toBe('complete')
    ranges.forEach(({ stop }) => stop())
    await noneLeft(viewer)
  })

  test('a HEAD is none', async () => {
    const { url } = (await link(0)).body as { url: string }
    expect((await fetch(url, { method: 'HEAD' })).status).toBe(200)
    expect(await rowsOf(viewer)).toHaveLength(0)
  })

  test('those of a node that is gone count no more', async () => {
    await link(0)
    const gone = (seen: string) => app.deps.sql`
      insert into live_streams select id, n, gen_random_uuid(), now(), 0, 0, now() - ${seen}::interval from playback_links, generate_series(5, 6) n where user_id = ${viewer.userId} and file_index = 0`
    await gone('16 seconds')
    expect((await link(1)).status).toBe(201)
    await gone('1 second')
    expect((await link(2)).status).toBe(429)
  })
})

test('a node serves no more streams than it may: 503', async () => {
  await using small = await startTestApp({ database: app.database, dataDir: app.dataDir, settings: { ...settings, STREAMS_PER_NODE: '1' }, overrides: { engine: app.deps.engine } })
  const urls = await Promise.all([viewer, await app.as.user()].map(async ({ token }) => ((await link(0, token)).body.url as string).replace(app.baseUrl, small.baseUrl)))
  const first = await play(urls[0] ?? '')
  expect(await play(urls[1] ?? '')).toMatchObject({ status: 503, code: 'unavailable' })
  first.stop()
  await vi.waitFor(async () => expect((await play(urls[1] ?? '')).status).toBe(200), { timeout: 10_000, interval: 100 })
})

test('a stream goes at its pace after the first seconds, its ranges together', async () => {
  const rate = 1_000_000
  await using slow = await startTestApp({ database: app.database, dataDir: app.dataDir, settings: { ...settings, STREAM_BYTES_PER_SECOND: String(rate) }, overrides: { engine: app.deps.engine } })
  const url = ((await link(0)).body.url as string).replace(app.baseUrl, slow.baseUrl)
  const began = performance.now()
  const lengths = await Promise.all([0, 1].map(async (n) => (await (await fetch(url, { headers: { range: `bytes=${n * 4_000_000}-${n * 4_000_000 + 3_999_999}` } })).arrayBuffer()).byteLength))
  expect(lengths).toEqual([4_000_000, 4_000_000])
  // 8 MB, of which the first 4 and the last chunk of each range do not wait
  expect(performance.now() - began).toBeGreaterThan(2_500)
})

describe('what staff see of it', () => {
  const streams = async (node = app) => (await node.call('GET', '/admin/streams', { token: tokens.get(node) })).body.items as { id: string; viewer: string }[]

  test('who watches what by a pseudonym, since when, how much: on every node, and no more once it is over', async () => {
    const { url } = (await link(1)).body as { url: string }
    const stream = await play(url)
    const [pseudonym] = await app.deps.sql<{ pseudonym: string }[]>`select pseudonym from users where id = ${viewer.userId}`
    const own = async (node: TestApp) => (await streams(node)).find(({ viewer: watcher }) => watcher === pseudonym?.pseudonym)
    for (const node of [app, other]) {
      await vi.waitFor(async () => expect(await own(node)).toMatchObject({ kind: 'viewer', torrentId, title: 'A title', fileIndex: 1, path: '1.mp4', startedAt: expect.any(String), bytesSent: expect.toSatisfy((bytes: number) => bytes > 0) }), { timeout: 20_000, interval: 100 })
    }
    expect(JSON.stringify(await streams())).not.toContain(viewer.userId)
    stream.stop()
    await vi.waitFor(async () => expect(await own(other)).toBeUndefined(), { timeout: 10_000, interval: 100 })
  })

  test('one that they end is cut on every node, its link is dead, and the log says who did it', async () => {
    const { url } = (await link(1)).body as { url: string }
    const [here, there] = [await play(url), await play(url.replace(app.baseUrl, other.baseUrl), { range: 'bytes=9000000-' })]
    const [row] = await app.deps.sql<{ id: string }[]>`select id from playback_links where user_id = ${viewer.userId}`
    const end = (node: TestApp) => node.call('DELETE', `/admin/streams/${row?.id}.1`, { token: tokens.get(node) })
    expect((await end(other)).status).toBe(204)
    here.resume()
    there.resume()
    expect(await Promise.all([here.over, there.over])).toEqual(['cut', 'cut'])
    expect((await fetch(url)).status).toBe(403)
    expect((await end(app)).status).toBe(404)
    expect(await app.deps.sql`select action, target_kind, target_id, actor_kind from audit_log where action = 'stream.end' and target_id = ${row?.id ?? ''}`).toEqual([{ action: 'stream.end', target_kind: 'playback', target_id: row?.id, actor_kind: 'user' }])
    // the person may begin anew: a ban is what keeps them out
    expect((await link(1)).body.url).not.toBe(url)
  })

  test('pages of them have no gaps and no repeats', async () => {
    const people = await Promise.all(Array.from({ length: 5 }, () => app.as.user()))
    const playing = await Promise.all(people.map(async ({ token }) => play((await link(2, token)).body.url as string)))
    const seen: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { body } = await app.call('GET', `/admin/streams?limit=2${cursor ? `&cursor=${cursor}` : ''}`, { token: tokens.get(app) })
      seen.push(...(body.items as { id: string }[]).map(({ id }) => id))
      cursor = body.nextCursor as string | null
    }
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen.length).toBeGreaterThanOrEqual(5)
    playing.forEach(({ stop }) => stop())
  })
})
