import { createHash } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { Readable } from 'node:stream'
import type { ReadableStream as WebStream } from 'node:stream/web'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { endSessionsOfUser } from '../features/auth/sessions.ts'
import type { Person } from '../test/actors.ts'
import { startTestApp, type TestApp } from '../test/app.ts'
import { codeIn, mailTo } from '../test/mails.ts'
import { sessionOf } from '../test/session-of.ts'
import { startSwarm, startSwarms, type Swarm } from '../test/swarm.ts'
import { approveTitle, offerTitle } from '../test/titles.ts'

let app: TestApp
let moderator: Person
beforeAll(async () => {
  app = await startTestApp({ engine: true, jobs: true, settings: { RATE_LIMIT_FACTOR: '100', STREAMS_PER_USER: '20' } })
  moderator = await app.as.moderator()
})
afterAll(() => app[Symbol.asyncDispose]())

const bytesOf = (response: Response): AsyncIterable<Uint8Array> => Readable.fromWeb(response.body as WebStream) as AsyncIterable<Uint8Array>

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

  test('an engine killed in the middle of twenty streams costs each at most the wait for the next one', async () => {
    const files = Array.from({ length: 10 }, (_, at) => ({ path: `${at}.bin`, sizeBytes: 600_000 + at }))
    // slow enough that none is done when the last one begins
    await using both = await startSwarms([{ name: 'Crash one', files }, { name: 'Crash two', files, seed: 'two' }].map((pack) => ({ ...pack, pieceLength: 65_536 })), { rateBytesPerSecond: 4_000_000 })
    const { token } = await app.as.user()
    const links = await Promise.all(both.swarms.map(async (swarm) => {
      const id = await offerTitle(app, swarm, swarm.torrent.name)
      await approveTitle(app, id, moderator.token)
      return Promise.all(swarm.files.map(async ({ sha256 }, at) => ({ url: (await app.call('POST', `/torrents/${id}/files/${at}/playback`, { token })).body.url as string, sha256 })))
    }))
    const before = app.deps.engine.listening()?.pid
    let begun = 0
    const read = async (url: string) => {
      const hash = createHash('sha256')
      let isFirst = true
      for await (const chunk of bytesOf(await fetch(url))) {
        hash.update(chunk)
        if (!isFirst) continue
        isFirst = false
        begun += 1
        if (begun === 20) process.kill(before ?? 0, 'SIGKILL')
      }
      return hash.digest('hex')
    }
    expect(await Promise.all(links.flat().map(({ url }) => read(url)))).toEqual(links.flat().map(({ sha256 }) => sha256))
    await vi.waitFor(() => expect(app.deps.engine.listening()?.pid ?? before).not.toBe(before), { timeout: 20_000 })
    expect((await app.deps.engine.stats()).torrents.map(({ infoHash }) => infoHash).sort()).toEqual(both.swarms.map(({ infoHash }) => infoHash).sort())
  })
})
