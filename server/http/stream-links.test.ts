import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { purgeLinks } from '../features/playback/streams.ts'
import type { Person } from '../test/actors.ts'
import { startTestApp, type TestApp } from '../test/app.ts'
import { startPlayableTitle, type PlayableTitle } from '../test/playable-title.ts'
import { startSwarm, type Swarm } from '../test/swarm.ts'
import { offerTitle } from '../test/titles.ts'

const sizeBytes = 3_000_000
let title: PlayableTitle
let swarm: Swarm
let app: TestApp
let viewer: Person
let moderator: Person
let torrentId: string
let url: string
const playback = (token: string, fileIndex = 0) => title.playback(fileIndex, token)

beforeAll(async () => {
  title = await startPlayableTitle({ swarm: { name: 'pack', files: [{ path: 'film.mp4', sizeBytes }, { path: 'other.mp4', sizeBytes: 1_000 }] }, app: { settings: { RATE_LIMIT_FACTOR: '100' } } });
  ({ swarm, app, viewer, moderator, torrentId } = title)
  url = (await title.playback()).body.url
})
afterAll(() => title[Symbol.asyncDispose]())

const get = (headers: Record<string, string> = {}) => fetch(url, { headers })

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

  test('a film of three hours with a pause of 25 minutes plays to its end by one link', async () => {
    let now = new Date()
    await using other = await startTestApp({ database: app.database, dataDir: app.dataDir, overrides: { now: () => now, engine: app.deps.engine }, settings: { RATE_LIMIT_FACTOR: '100' } })
    const later = (minutes: number) => (now = new Date(now.getTime() + minutes * 60_000))
    const { body } = await other.call('POST', `/torrents/${torrentId}/files/0/playback`, { token: (await other.as.userAgain(viewer)).token })
    const hash = createHash('sha256')
    const parts = 36
    for (let part = 0; part < parts; part += 1) {
      const [start, end] = [(sizeBytes / parts) * part, (sizeBytes / parts) * (part + 1)].map(Math.floor)
      const response = await fetch(body.url as string, { headers: { range: `bytes=${start}-${(end ?? 0) - 1}` } })
      expect([part, response.status]).toEqual([part, 206])
      hash.update(Buffer.from(await response.arrayBuffer()))
      later(part === 20 ? 25 + 5 - 1 : 5)
    }
    expect(hash.digest('hex')).toBe(swarm.files[0]?.sha256)
  })

  test('who asks again for the same file gets the same link, with time to use it', async () => {
    let now = new Date()
    await using other = await startTestApp({ database: app.database, dataDir: app.dataDir, overrides: { now: () => now, engine: app.deps.engine }, settings: { RATE_LIMIT_FACTOR: '100' } })
    const later = (minutes: number) => (now = new Date(now.getTime() + minutes * 60_000))
    const person = await other.as.userAgain(viewer)
    const ask = async (token = person.token, file = 0) => (await other.call('POST', `/torrents/${torrentId}/files/${file}/playback`, { token })).body as { url: string; expiresAt: string }
    const rows = async () => (await other.deps.sql`select 1 from playback_links`).length
    const first = await ask()
    const before = await rows()
    later(4)
    const second = await ask()
    expect([second.url, new Date(second.expiresAt).getTime(), await rows()]).toEqual([first.url, now.getTime() + 5 * 60_000, before])
    // not another file's, not another session's, not one that is dead, not one that would soon be
    expect((await ask(person.token, 1)).url).not.toBe(first.url)
    expect((await ask((await other.as.userAgain(viewer)).token)).url).not.toBe(first.url)
    later(6)
    const third = await ask()
    expect(third.url).not.toBe(first.url)
    for (let minutes = 0; minutes <= 12 * 60; minutes += 25) {
      expect((await fetch(third.url, { method: 'HEAD' })).status).toBe(200)
      later(25)
    }
    const { body } = await other.call('POST', '/auth/refresh', { body: { refreshToken: person.refreshToken } })
    expect((await ask(body.tokens.accessToken)).url).not.toBe(third.url)
    expect((await fetch(third.url, { method: 'HEAD' })).status).toBe(200)
  })

  test('a ticket plays its own file, whatever name stands behind it', async () => {
    const other = (await playback(viewer.token, 1)).body.url as string
    const named = url.replace(/[^/]+$/, 'other.mp4')
    const lengths = await Promise.all([url, named, other].map(async (link) => (await fetch(link, { method: 'HEAD' })).headers.get('content-length')))
    expect(lengths).toEqual([String(sizeBytes), String(sizeBytes), '1000'])
  })

  test('links that died a day ago are taken away, and no others', async () => {
    const { sql } = app.deps
    const link = async (expires: string, ended: string | null = null) => {
      const [row] = await sql<{ id: string }[]>`
        insert into playback_links (id, kind, user_id, session_id, torrent_id, file_index, created_at, expires_at, ended_at)
        select gen_random_uuid(), kind, user_id, session_id, torrent_id, file_index, now() - interval '3 days', now() + ${expires}::interval, ${ended}::timestamptz
        from playback_links limit 1 returning id`
      return row?.id ?? expect.fail('no row')
    }
    const [alive, dead, longDead, ended] = [await link('1 minute'), await link('-23 hours'), await link('-25 hours'), await link('1 hour', 'now')]
    await sql`insert into live_streams values (${longDead}, 0, gen_random_uuid(), now(), 0, 0, now())`
    await purgeLinks(app.deps, {})
    // nor does a clock that is wrong take more
    await purgeLinks({ ...app.deps, now: () => new Date(Date.now() + 10 * 86_400_000) }, {})
    const left = await sql<{ id: string }[]>`select id from playback_links where id in ${sql([alive, dead, longDead, ended])}`
    expect(left.map(({ id }) => id).sort()).toEqual([alive, dead, ended].sort())
  })
})
