import { createHash } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import type { ReadableStream as WebStream } from 'node:stream/web'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { endSessionsOfUser } from '../features/auth/sessions.ts'
import type { Person } from '../test/actors.ts'
import { startTestApp, type TestApp } from '../test/app.ts'
import { codeIn, mailTo } from '../test/mails.ts'
import { sessionOf } from '../test/session-of.ts'
import { startSwarm, type Swarm } from '../test/swarm.ts'
import { approveTitle, offerTitle } from '../test/titles.ts'

const sizeBytes = 3_000_000
let swarm: Swarm
let app: TestApp
let viewer: Person
let moderator: Person
let torrentId: string
let url: string
const read = (start: number, end: number) => swarm.files[0]?.read(start, end - start + 1) ?? expect.fail('no file')
const playback = (token: string, fileIndex = 0) => app.call('POST', `/torrents/${torrentId}/files/${fileIndex}/playback`, { token })

beforeAll(async () => {
  swarm = await startSwarm({ name: 'pack', files: [{ path: 'a "quoted"\tfilm.mp4', sizeBytes }, { path: 'empty.txt', sizeBytes: 0 }] })
  app = await startTestApp({ engine: true, jobs: true, settings: { RATE_LIMIT_FACTOR: '100' } })
  viewer = await app.as.user()
  moderator = await app.as.moderator()
  torrentId = await offerTitle(app, swarm)
  await approveTitle(app, torrentId, moderator.token)
  const link = await playback(viewer.token)
  expect([link.status, link.body.mimeType, link.body.sizeBytes]).toEqual([201, 'video/mp4', sizeBytes])
  url = link.body.url
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await swarm[Symbol.asyncDispose]()
})

const bytesOf = (response: Response): AsyncIterable<Uint8Array> => Readable.fromWeb(response.body as WebStream) as AsyncIterable<Uint8Array>
const get = (headers: Record<string, string> = {}, method = 'GET') => fetch(url, { method, headers })

describe('ranges (RFC 9110)', () => {
  test('the whole file, every byte of it', async () => {
    const response = await get()
    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'accept-ranges': 'bytes',
      'content-length': String(sizeBytes),
      'content-type': 'video/mp4',
      'content-disposition': 'inline; filename="a_quoted_film.mp4"',
      'cache-control': 'private',
      'x-content-type-options': 'nosniff',
      etag: `"${swarm.infoHash}-0"`,
    })
    expect(createHash('sha256').update(Buffer.from(await response.arrayBuffer())).digest('hex')).toBe(swarm.files[0]?.sha256)
  })

  test.each([
    ['a closed range', 'bytes=0-99', 0, 99],
    ['one byte', 'bytes=0-0', 0, 0],
    ['across pieces', 'bytes=262000-263000', 262_000, 263_000],
    ['an open range', `bytes=${sizeBytes - 10}-`, sizeBytes - 10, sizeBytes - 1],
    ['a suffix', 'bytes=-500', sizeBytes - 500, sizeBytes - 1],
    ['a suffix longer than the file', 'bytes=-99999999', 0, sizeBytes - 1],
    ['an end past the end', `bytes=2999990-99999999`, 2_999_990, sizeBytes - 1],
    ['another case and white space', 'Bytes= 5-9 ', 5, 9],
  ])('206 for %s', async (_what, range, start, end) => {
    const response = await get({ range })
    expect([response.status, response.headers.get('content-range'), response.headers.get('content-length')]).toEqual([206, `bytes ${start}-${end}/${sizeBytes}`, String(end - start + 1)])
    expect(Buffer.from(await response.arrayBuffer()).equals(Buffer.from(await read(start, end)))).toBe(true)
  })

  test.each([
    ['a start past the end', `bytes=${sizeBytes}-`],
    ['an empty suffix', 'bytes=-0'],
    ['six ranges', 'bytes=0-1,3-4,6-7,9-10,12-13,15-16'],
    ['a thousand ranges', `bytes=${Array.from({ length: 1000 }, (_, i) => `${i * 3}-${i * 3}`).join(',')}`],
    ['overlapping ranges', 'bytes=0-10,5-20'],
    ['descending ranges', 'bytes=50-60,0-10'],
  ])('416 for %s', async (_what, range) => {
    const response = await get({ range })
    const problem = (await response.json()) as { code: string }
    expect([response.status, response.headers.get('content-range'), problem.code]).toEqual([416, `bytes */${sizeBytes}`, 'range_not_satisfiable'])
  })

  test.each([
    ['an unknown unit', 'lines=0-10'],
    ['nonsense', 'bytes=abc'],
    ['a descending range', 'bytes=20-10'],
    ['no range', 'bytes='],
    ['a negative start', 'bytes=--5'],
  ])('200 for %s, as if there were none', async (_what, range) => {
    const response = await get({ range })
    expect([response.status, response.headers.get('content-length')]).toEqual([200, String(sizeBytes)])
    await response.body?.cancel()
  })

  test('five ascending ranges as multipart/byteranges', async () => {
    const ranges = [[0, 9], [100, 199], [262_140, 262_150], [1_000_000, 1_000_000], [2_999_999, 2_999_999]] as const
    const response = await get({ range: `bytes=${ranges.map((pair) => pair.join('-')).join(', ')}` })
    const boundary = /^multipart\/byteranges; boundary=(\S+)$/.exec(response.headers.get('content-type') ?? '')?.[1]
    const body = Buffer.from(await response.arrayBuffer())
    expect([response.status, response.headers.get('content-length')]).toEqual([206, String(body.length)])
    const expected = await Promise.all(
      ranges.map(async ([start, end], i) =>
        Buffer.concat([Buffer.from(`${i === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Type: video/mp4\r\nContent-Range: bytes ${start}-${end}/${sizeBytes}\r\n\r\n`), await read(start, end)]),
      ),
    )
    expect(body.equals(Buffer.concat([...expected, Buffer.from(`\r\n--${boundary}--\r\n`)]))).toBe(true)
  })

  test.each([
    ['the current tag', () => `"${swarm.infoHash}-0"`, 206],
    ['another tag', () => '"other"', 200],
    ['a weak tag', () => `W/"${swarm.infoHash}-0"`, 200],
    ['a date', () => 'Wed, 21 Oct 2015 07:28:00 GMT', 200],
  ])('If-Range with %s', async (_what, tag, status) => {
    const response = await get({ range: 'bytes=0-9', 'if-range': tag() })
    expect(response.status).toBe(status)
    await response.body?.cancel()
  })

  test('HEAD is GET without the bytes, and asks the swarm for nothing', async () => {
    const response = await get({ range: 'bytes=0-9' }, 'HEAD')
    expect([response.status, response.headers.get('content-length'), response.headers.get('accept-ranges'), await response.text()]).toEqual([200, String(sizeBytes), 'bytes', ''])
  })

  test('an empty file is empty, and has no ranges', async () => {
    const { body } = await playback(viewer.token, 1)
    const whole = await fetch(body.url)
    expect([whole.status, whole.headers.get('content-length'), await whole.text()]).toEqual([200, '0', ''])
    expect((await fetch(body.url, { headers: { range: 'bytes=0-' } })).status).toBe(416)
  })

  test('HTTP/1.0, and requests sent one behind the other on one connection', async () => {
    const { hostname, port, pathname } = new URL(url)
    const exchange = (text: string) =>
      new Promise<string>((resolve, reject) => {
        let answer = ''
        const socket = connect(Number(port), hostname, () => socket.write(text))
        socket.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk)).on('end', () => resolve(answer)).on('error', reject)
      })
    const host = `Host: ${hostname}:${port}`
    const old = await exchange(`GET ${pathname} HTTP/1.0\r\n${host}\r\nRange: bytes=0-3\r\n\r\n`)
    expect(old).toMatch(/^HTTP\/1\.1 206/)
    expect(Buffer.from(old.slice(-4), 'latin1').equals(Buffer.from(await read(0, 3)))).toBe(true)
    const one = (range: string, last = '') => `GET ${pathname} HTTP/1.1\r\n${host}\r\nRange: bytes=${range}\r\n${last}\r\n`
    const both = await exchange(one('0-3') + one('4-7', 'Connection: close\r\n'))
    expect(both.match(/content-range: bytes (\S+)/gi)?.map((line) => line.slice(21))).toEqual([`0-3/${sizeBytes}`, `4-7/${sizeBytes}`])
  })

  test('other methods are refused with what is allowed', async () => {
    const response = await fetch(url, { method: 'POST' })
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })
})

describe('playback links (control D2)', () => {
  test('a ticket that was cut, altered or made up opens nothing', async () => {
    const [, ticket = ''] = /stream\/([^/]+)\//.exec(url) ?? []
    const flipped = (ticket.startsWith('A') ? 'B' : 'A') + ticket.slice(1)
    for (const bad of [ticket.slice(0, -1), `${ticket}A`, flipped, 'x', '%00', '..', 'A'.repeat(43)]) {
      const response = await fetch(url.replace(ticket, bad))
      expect([bad, response.status < 500, response.status >= 400, response.headers.get('content-type')]).toEqual([bad, true, true, expect.stringMatching(/^application\/problem\+json/)])
    }
    expect(((await (await fetch(url.replace(ticket, flipped))).json()) as { code: string }).code).toBe('playback_link_ended')
  })

  test('the link is not found in the log', async () => {
    await (await get({ range: 'bytes=0-0' })).arrayBuffer()
    const [, ticket = ''] = /stream\/([^/]+)\//.exec(url) ?? []
    await vi.waitFor(() => expect(app.logLines.some(({ route }) => String(route).includes('/stream/'))).toBe(true), { timeout: 10_000 })
    expect(JSON.stringify(app.logLines)).not.toContain(ticket)
  })

  test('a pending title plays for staff by a preview, and for nobody else', async () => {
    await using other = await startSwarm({ files: [{ path: 'pending.webm', sizeBytes: 300_000 }] })
    const pendingId = await offerTitle(app, other, 'Pending')
    expect((await app.call('POST', `/torrents/${pendingId}/files/0/playback`, { token: viewer.token })).status).toBe(404)
    expect((await app.call('POST', `/torrents/${pendingId}/files/0/playback`, { token: moderator.token })).status).toBe(404)
    expect((await app.call('POST', `/admin/torrents/${pendingId}/preview`, { token: viewer.token, body: { fileIndex: 0 } })).status).toBe(403)
    const preview = await app.call('POST', `/admin/torrents/${pendingId}/preview`, { token: moderator.token, body: { fileIndex: 0 } })
    const bytes = Buffer.from(await (await fetch(preview.body.url)).arrayBuffer())
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(other.files[0]?.sha256)
    expect(await app.deps.sql`select 1 from audit_log where action = 'torrent.preview' and target_id = ${pendingId}`).toHaveLength(1)
  })

  test('an unused link dies after five minutes, a used one half an hour after its last use, any after a day', async () => {
    let now = new Date()
    await using other = await startTestApp({ database: app.database, dataDir: app.dataDir, overrides: { now: () => now, engine: app.deps.engine }, settings: { RATE_LIMIT_FACTOR: '100' } })
    const later = (minutes: number) => (now = new Date(now.getTime() + minutes * 60_000))
    const status = async (link: string) => {
      const response = await fetch(link, { method: 'HEAD' })
      return response.status
    }
    const fresh = async () => (await other.call('POST', `/torrents/${torrentId}/files/0/playback`, { token: (await other.as.userAgain(viewer)).token })).body.url as string
    const [unused, used] = [await fresh(), await fresh()]
    expect(await status(used)).toBe(200)
    later(6)
    expect([await status(unused), await status(used)]).toEqual([403, 200])
    later(29)
    expect(await status(used)).toBe(200)
    later(31)
    expect(await status(used)).toBe(403)
    const busy = await fresh()
    let alive = 0
    while ((await status(busy)) === 200) {
      later(25)
      alive += 25
    }
    expect(alive).toBeGreaterThan(23 * 60)
    expect(alive).toBeLessThanOrEqual(24 * 60 + 25)
  })
})

describe('what ends a stream in flight', () => {
  let slow: Swarm
  let slowId: string
  beforeAll(async () => {
    // slow enough that the file is never done while a test runs
    slow = await startSwarm({ files: [{ path: 'slow.mkv', sizeBytes: 20_000_000 }], pieceLength: 65_536, rateBytesPerSecond: 400_000 })
    slowId = await offerTitle(app, slow, 'Slow')
    await approveTitle(app, slowId, moderator.token)
  })
  afterAll(() => slow[Symbol.asyncDispose]())

  /** Reads until the first bytes are there; resolves `cut` when the connection breaks. */
  async function watch(person: Person) {
    const { body } = await app.call('POST', `/torrents/${slowId}/files/0/playback`, { token: person.token })
    const started = Promise.withResolvers<void>()
    const cut = Promise.withResolvers<'cut' | 'complete'>()
    const request = httpRequest(body.url as string, (response) => {
      response.on('data', () => started.resolve())
      response.on('end', () => cut.resolve('complete'))
      response.on('error', () => cut.resolve('cut'))
    })
    request.on('error', (error) => started.reject(error)).end()
    await started.promise
    return { cut: cut.promise, url: body.url as string }
  }

  const withinASecond = async (cut: Promise<string>) => {
    // a second is promised; the machine that tests may be busy
    const late = AbortSignal.timeout(10_000)
    return Promise.race([cut, new Promise<string>((resolve) => late.addEventListener('abort', () => resolve('late')))])
  }

  type Ending = (node: TestApp, person: Person) => Promise<{ status: number }>
  const asAnother: (end: Ending) => Ending = (end) => async (node, person) => end(node, await node.as.userAgain(person))
  const endings: Record<string, Ending> = {
    'signing out': (node, { token }) => node.call('POST', '/auth/sign-out', { token }),
    'signing out everywhere, elsewhere': asAnother((node, { token }) => node.call('POST', '/auth/sign-out-everywhere', { token })),
    'the session revoked, elsewhere': async (node, person) => node.call('DELETE', `/users/me/sessions/${sessionOf(person)}`, { token: (await node.as.userAgain(person)).token }),
    'another password, elsewhere': asAnother((node, { token, password }) => node.call('POST', '/auth/change-password', { token, body: { currentPassword: password, newPassword: 'another long passphrase 12' } })),
    'another password by a mailed code': async (node, { email }) => {
      const { body } = await node.call('POST', '/auth/forgot-password', { body: { email } })
      const code = codeIn(await mailTo(node.dataDir, email, 'Your code'))
      return node.call('POST', '/auth/reset-password', { body: { flowId: body.flowId, code, newPassword: 'another long passphrase 12' } })
    },
    'the second factors reset by an admin': async (node, { userId }) => node.call('POST', `/admin/users/${userId}/reset-mfa`, { token: (await node.as.admin()).token }),
    'deletion of the account': (node, { token }) => node.call('DELETE', '/users/me', { token }),
    'a ban': async (node, { userId }) => node.call('POST', `/admin/users/${userId}/ban`, { token: (await node.as.moderator()).token, body: { reason: 'abuse' } }),
    'sessions ended by staff': async (node, { userId }) => node.call('POST', `/admin/users/${userId}/end-sessions`, { token: (await node.as.moderator()).token }),
    'another role': async (node, { userId }) => node.call('POST', `/admin/users/${userId}/role`, { token: (await node.as.admin()).token, body: { role: 'moderator' } }),
  }

  test.each(Object.entries(endings))('%s', async (_what, end) => {
    const person = await app.as.user()
    const stream = await watch(person)
    expect((await end(app, person)).status).toBeLessThan(300)
    expect(await withinASecond(stream.cut)).toBe('cut')
    expect((await fetch(stream.url)).status).toBe(403)
  })

  test('the idle end of its session closes a link', async () => {
    const person = await app.as.user()
    const stream = await watch(person)
    await app.deps.sql`update sessions set expires_at = now() - interval '1 second' where user_id = ${person.userId}`
    expect((await fetch(stream.url)).status).toBe(403)
    await app.call('POST', '/auth/sign-out', { token: person.token })
    expect(await withinASecond(stream.cut)).toBe('cut')
  })

  test('signing out on another node', async () => {
    await using other = await startTestApp({ database: app.database, dataDir: app.dataDir, settings: { RATE_LIMIT_FACTOR: '100' } })
    const person = await app.as.user()
    const stream = await watch(person)
    const again = await other.as.userAgain(person)
    await other.deps.db.transaction(async (tx) => {
      await endSessionsOfUser(other.deps, tx, again.userId, 'revoked')
    })
    expect(await withinASecond(stream.cut)).toBe('cut')
  })

  test('a player that goes away releases what it asked for', async () => {
    const person = await app.as.user()
    const { body } = await app.call('POST', `/torrents/${slowId}/files/0/playback`, { token: person.token })
    const gone = new AbortController()
    const response = await fetch(body.url as string, { signal: gone.signal, headers: { range: 'bytes=10000000-' } })
    await response.body?.getReader().read()
    gone.abort()
    const readers = async () => (await app.deps.engine.stats()).torrents.find(({ infoHash }) => infoHash === slow.infoHash)?.readers ?? 0
    await vi.waitFor(async () => expect(await readers()).toBe(0), { timeout: 5_000, interval: 50 })
  })

  test('a takedown, and no link to it opens again', async () => {
    const person = await app.as.user()
    const stream = await watch(person)
    const { status } = await app.call('POST', `/admin/torrents/${slowId}/takedown`, { token: moderator.token, body: { reason: 'rights' } })
    expect(status).toBeLessThan(300)
    expect(await withinASecond(stream.cut)).toBe('cut')
    expect((await fetch(stream.url)).status).toBe(403)
    expect((await app.call('POST', `/torrents/${slowId}/files/0/playback`, { token: person.token })).status).toBe(404)
  })
})

describe('a swarm that fails', () => {
  test('no bytes in time: 504 before the head', async () => {
    await using dead = await startSwarm({ files: [{ path: 'dead.mp4', sizeBytes: 1_000_000 }], seeding: false })
    await using impatient = await startTestApp({ engine: true, settings: { SWARM_TIMEOUT_SECONDS: '1' } })
    const id = await offerTitle(impatient, dead)
    await approveTitle(impatient, id, (await impatient.as.moderator()).token)
    const { body } = await impatient.call('POST', `/torrents/${id}/files/0/playback`, { token: (await impatient.as.user()).token })
    const response = await fetch(body.url as string)
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([504, 'swarm_timeout'])
    expect((await fetch(`${impatient.baseUrl}/healthz`)).status).toBe(200)
  })

  test('a seeder killed in the middle: the stream goes on when it returns', async () => {
    await using fragile = await startSwarm({ files: [{ path: 'fragile.mp4', sizeBytes: 6_000_000 }], pieceLength: 65_536, rateBytesPerSecond: 2_000_000 })
    await using patient = await startTestApp({ engine: true, settings: { SWARM_TIMEOUT_SECONDS: '60' } })
    const id = await offerTitle(patient, fragile)
    await approveTitle(patient, id, (await patient.as.moderator()).token)
    const { body } = await patient.call('POST', `/torrents/${id}/files/0/playback`, { token: (await patient.as.user()).token })
    const hash = createHash('sha256')
    let killed = false
    for await (const chunk of bytesOf(await fetch(body.url as string))) {
      hash.update(chunk)
      if (killed) continue
      killed = true
      await fragile.killSeeder()
      await fragile.startSeeder()
    }
    expect(hash.digest('hex')).toBe(fragile.files[0]?.sha256)
  })

  test('an engine killed in the middle costs at most the wait for the next one', async () => {
    await using slow = await startSwarm({ files: [{ path: 'crash.mp4', sizeBytes: 6_000_000 }], pieceLength: 65_536, rateBytesPerSecond: 2_000_000 })
    const id = await offerTitle(app, slow, 'Crash')
    await approveTitle(app, id, moderator.token)
    const { body } = await app.call('POST', `/torrents/${id}/files/0/playback`, { token: viewer.token })
    const hash = createHash('sha256')
    let killed = false
    for await (const chunk of bytesOf(await fetch(body.url as string))) {
      hash.update(chunk)
      const { pid } = app.deps.engine.listening() ?? {}
      if (killed || pid === undefined) continue
      killed = true
      process.kill(pid, 'SIGKILL')
    }
    expect(killed).toBe(true)
    expect(hash.digest('hex')).toBe(slow.files[0]?.sha256)
  })
})
