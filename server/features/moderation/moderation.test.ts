import { afterAll, beforeAll, describe, expect, it, test, vi } from 'vitest'
import { startTestApp, type TestApp } from '../../test/app.ts'
import type { Person } from '../../test/actors.ts'
import { offerTitle } from '../../test/titles.ts'
import { anyInfoHash, makeTorrent, trackerUrl } from '../../test/torrents.ts'
import { removeData } from './remove-data.ts'

let app: TestApp
let moderator: Person
beforeAll(async () => {
  app = await startTestApp()
  moderator = await app.as.moderator()
})
afterAll(() => app[Symbol.asyncDispose]())

const newTitle = (title = 'A title') => {
  const { infoHash, base64 } = makeTorrent()
  return offerTitle(app, { infoHash, torrentFile: Buffer.from(base64, 'base64') }, title)
}
const decide = (id: string, decision: string, body: object = { reason: 'other' }, person = moderator) => app.call('POST', `/admin/torrents/${id}/${decision}`, { token: person.token, body })
const rowOf = async (id: string) => (await app.deps.sql`select * from torrents where id = ${id}`)[0]
const auditOf = (id: string) => app.deps.sql`select action, actor_kind, actor_id, details from audit_log where target_id = ${id} order by id`

describe('a decision', () => {
  it('approves a verified title: viewers find it from then on', async () => {
    const id = await newTitle('Findable')
    const { token } = await app.as.user()
    expect((await app.call('GET', `/torrents/${id}`, { token })).status).toBe(404)
    const { status, body } = await decide(id, 'approve', { note: 'fine' })
    expect([status, body]).toMatchObject([200, { id, state: 'approved', approvedAt: expect.any(String), decidedAt: expect.any(String), decisionReason: null }])
    expect((await app.call('GET', `/torrents/${id}`, { token })).status).toBe(200)
    const [pseudonym] = await app.deps.sql`select pseudonym from users where id = ${moderator.userId}`
    expect(await auditOf(id)).toEqual([{ action: 'torrent.approve', actor_kind: 'user', actor_id: pseudonym?.['pseudonym'], details: {} }])
    expect(await rowOf(id)).toMatchObject({ decision_note: 'fine' })
  })

  it('rejects a pending title, with a reason', async () => {
    const id = await newTitle()
    expect(await decide(id, 'reject', { reason: 'spam', note: 'again' })).toMatchObject({ status: 200, body: { state: 'rejected', decisionReason: 'spam', approvedAt: null } })
    expect(await auditOf(id)).toMatchObject([{ action: 'torrent.reject', details: { reason: 'spam' } }])
  })

  it('takes an approved title down: nobody finds it, its links are dead, every node is told, its data goes', async () => {
    const id = await newTitle()
    await decide(id, 'approve')
    const { token } = await app.as.user()
    expect((await app.call('POST', `/torrents/${id}/files/0/playback`, { token })).status).toBe(201)
    const heard: unknown[] = []
    const unsubscribe = app.deps.revocations.subscribe((revocation) => heard.push(revocation))
    expect(await decide(id, 'takedown', { reason: 'rights', note: 'notice 7' })).toMatchObject({ status: 200, body: { state: 'taken_down', decisionReason: 'rights' } })
    await vi.waitFor(() => expect(heard).toContainEqual({ kind: 'torrent', id }), { timeout: 10_000, interval: 5 })
    unsubscribe()
    expect((await app.call('GET', `/torrents/${id}`, { token })).status).toBe(404)
    expect((await app.call('POST', `/torrents/${id}/files/0/playback`, { token })).status).toBe(404)
    expect(await app.deps.sql`select 1 from playback_links where torrent_id = ${id} and ended_at is null`).toHaveLength(0)
    expect(await app.deps.sql`select task_identifier from graphile_worker.jobs where key = ${`torrent.remove_data:${id}`}`).toEqual([{ task_identifier: 'torrent.remove_data' }])
    expect((await auditOf(id)).map((row) => row['action'])).toEqual(['torrent.approve', 'torrent.takedown'])
  })

  it.each(['pending', 'rejected'])('takes a %s title down, too', async (state) => {
    const id = await newTitle()
    if (state === 'rejected') await decide(id, 'reject')
    expect(await decide(id, 'takedown')).toMatchObject({ status: 200, body: { state: 'taken_down' } })
  })

  it('never approves a title whose files are unknown', async () => {
    const infoHash = anyInfoHash()
    await app.call('POST', '/ingest/batches', { apiKey: await app.as.apiKey(), body: { source: 'a', items: [{ infoHash, trackers: [trackerUrl], title: 'Unknown' }] } })
    const [row] = await app.deps.sql<{ id: string }[]>`select id from torrents where info_hash = ${infoHash}`
    const { status, body } = await decide(row?.id ?? '', 'approve')
    expect([status, body.code]).toEqual([409, 'not_verified'])
    expect(await rowOf(row?.id ?? '')).toMatchObject({ state: 'pending', approved_at: null, decided_at: null })
  })

  test.each([
    ['approved', 'approve'],
    ['approved', 'reject'],
    ['rejected', 'approve'],
    ['rejected', 'reject'],
    ['taken_down', 'approve'],
    ['taken_down', 'reject'],
    ['taken_down', 'takedown'],
  ])('of a title that is %s already: no %s, and nothing changes', async (state, decision) => {
    const id = await newTitle()
    await decide(id, { approved: 'approve', rejected: 'reject', taken_down: 'takedown' }[state] ?? '')
    const [before, audit] = [await rowOf(id), await auditOf(id)]
    const { status, body } = await decide(id, decision, { reason: 'illegal', note: 'other' })
    expect([status, body.code]).toEqual([409, 'conflict'])
    expect([await rowOf(id), await auditOf(id)]).toEqual([before, audit])
  })

  it('of two that decide at once, one counts', async () => {
    const moderators = await Promise.all([app.as.moderator(), app.as.moderator(), app.as.admin()])
    for (let round = 0; round < 5; round++) {
      const id = await newTitle()
      const answers = await Promise.all(moderators.flatMap((person) => [decide(id, 'approve', {}, person), decide(id, 'reject', { reason: 'spam' }, person)]))
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409, 409])
      const won = answers.find(({ status }) => status === 200)
      expect((await rowOf(id))?.['state']).toBe(won?.body.state)
      expect(await auditOf(id)).toHaveLength(1)
    }
  })

  it.each([
    ['approve', { reason: 'because' }, 'reason'],
    ['reject', {}, 'reason'],
    ['reject', { reason: 'spam', note: 7 }, 'note'],
    ['reject', { reason: 'spam', note: 'a'.repeat(2_001) }, 'note'],
    ['takedown', { note: 'no reason' }, 'reason'],
    ['takedown', { reason: 'rights', force: true }, 'force'],
  ])('%s with %j is refused, and nothing changes', async (decision, body, path) => {
    const id = await newTitle()
    const before = await rowOf(id)
    expect(await decide(id, decision, body)).toMatchObject({ status: 422, body: { errors: [{ path }] } })
    expect(await rowOf(id)).toEqual(before)
  })
})

describe('the queue', () => {
  it('lists every title of a state once, the oldest first, also while decisions are made', async () => {
    await using own = await startTestApp()
    const { token } = await own.as.moderator()
    const items = Array.from({ length: 53 }, (_, n) => ({ torrentFile: makeTorrent().base64, title: `Title ${n}` }))
    const apiKey = await own.as.apiKey()
    for (const part of [items.slice(0, 30), items.slice(30)]) await own.call('POST', '/ingest/batches', { apiKey, body: { source: 'a', items: part } })
    const seen: { id: string; createdAt: string }[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { status, body } = await own.call('GET', `/admin/torrents?state=pending&limit=10${cursor ? `&cursor=${cursor}` : ''}`, { token })
      expect(status).toBe(200)
      seen.push(...body.items)
      cursor = body.nextCursor
      // what was seen leaves the queue while it is read
      await own.call('POST', `/admin/torrents/${body.items[0].id}/reject`, { token, body: { reason: 'spam' } })
    }
    expect(new Set(seen.map(({ id }) => id)).size).toBe(53)
    expect(seen).toHaveLength(53)
    const times = seen.map(({ createdAt }) => createdAt)
    expect(times).toEqual(times.toSorted())
    expect((await own.call('GET', '/admin/torrents?state=rejected&limit=100', { token })).body.items).toHaveLength(6)
    expect((await own.call('GET', '/admin/torrents', { token })).body.items).toHaveLength(20)
  })

  it('shows a title in any state, its files, and of its trackers no more than the host', async () => {
    const { infoHash, base64 } = makeTorrent({ trackers: ['http://127.0.0.1:6969/abcdef0123456789/announce?passkey=secret'] })
    const id = await offerTitle(app, { infoHash, torrentFile: Buffer.from(base64, 'base64') }, 'With a passkey')
    const { status, body } = await app.call('GET', `/admin/torrents/${id}`, { token: moderator.token })
    expect([status, body]).toMatchObject([200, { id, infoHash, state: 'pending', verifiedAt: expect.any(String), trackers: ['http://127.0.0.1:6969'], files: [{ index: 0, path: 'film.mp4', sizeBytes: 1_000, mimeType: 'video/mp4', playable: 'direct' }] }])
    expect(JSON.stringify(body)).not.toMatch(/secret|abcdef0123456789/)
  })

  it.each(['state=unknown', 'limit=0', 'limit=101', 'limit=1.5', 'cursor=AAAA', 'other=1', 'state=pending&state=approved'])('refuses ?%s', async (query) => {
    expect((await app.call('GET', `/admin/torrents?${query}`, { token: moderator.token })).status).toBe(422)
  })

  it('takes no cursor of another state', async () => {
    await newTitle()
    await newTitle()
    const { body } = await app.call('GET', '/admin/torrents?state=pending&limit=1', { token: moderator.token })
    expect((await app.call('GET', `/admin/torrents?state=rejected&limit=1&cursor=${body.nextCursor}`, { token: moderator.token })).status).toBe(422)
  })
})

describe('the job that removes data', () => {
  it('asks the engine for titles that are gone, and for no other', async () => {
    const removed: string[] = []
    const deps = { ...app.deps, engine: { ...app.deps.engine, remove: async (infoHash: string) => void removed.push(infoHash) } }
    const [kept, gone] = [await newTitle(), await newTitle()]
    await decide(gone, 'takedown')
    const hashes = Object.fromEntries((await app.deps.sql<{ id: string; info_hash: string }[]>`select id, info_hash from torrents`).map((row) => [row.id, row.info_hash]))
    for (const id of [kept, gone]) await removeData(deps, { torrentId: id, infoHash: hashes[id] })
    expect(removed).toEqual([hashes[gone]])
  })

  it('comes again while the engine is away', async () => {
    const gone = await newTitle()
    await decide(gone, 'takedown')
    const row = await rowOf(gone)
    await expect(removeData(app.deps, { torrentId: gone, infoHash: row?.['info_hash'] })).rejects.toThrow()
  })
})
