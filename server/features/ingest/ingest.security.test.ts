import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { createApiKey } from '../api-keys/api-keys.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { anyInfoHash, makeTorrent, trackerUrl } from '../../test/torrents.ts'

let app: TestApp
beforeAll(async () => {
  // as a site on the internet runs
  app = await startTestApp({ settings: { ALLOW_PRIVATE_PEERS: 'off' } })
})
afterAll(() => app[Symbol.asyncDispose]())

const publicTracker = 'udp://tracker.example.net:6969/announce'
const batch = (items: unknown[] = [{ infoHash: anyInfoHash(), trackers: [publicTracker], title: 'Unwanted' }]) => ({ source: 'a', items })
const counts = async () => (await app.deps.sql`select (select count(*) from torrents) as titles, (select count(*) from ingest_batches) as batches, (select count(*) from audit_log where action like 'batch.%') as audits`)[0]

describe('who may not', () => {
  const keyWith = async (change: string) => {
    const { id, key } = await createApiKey(app.as.operator(), { name: 'k', scopes: ['ingest:write'], trusted: false, expiresAt: new Date(Date.now() + 60_000) })
    await app.deps.sql.unsafe(`update api_keys set ${change} where id = '${id}'`)
    return key
  }
  test.each<[string, () => Promise<{ token?: string; apiKey?: string }>, number, string]>([
    ['nobody', async () => ({}), 401, 'api_key_missing'],
    ['a user', async () => ({ token: (await app.as.user()).token }), 401, 'api_key_missing'],
    ['a moderator', async () => ({ token: (await app.as.moderator()).token }), 401, 'api_key_missing'],
    ['an admin', async () => ({ token: (await app.as.admin()).token }), 401, 'api_key_missing'],
    ['an unknown key', async () => ({ apiKey: `tsk_${'a'.repeat(43)}` }), 401, 'api_key_invalid'],
    ['garbage for a key', async () => ({ apiKey: "' or 1=1 --" }), 401, 'api_key_invalid'],
    ['an expired key', async () => ({ apiKey: await keyWith(`expires_at = now() - interval '1 second'`) }), 401, 'api_key_invalid'],
    ['a revoked key', async () => ({ apiKey: await keyWith('revoked_at = now()') }), 401, 'api_key_invalid'],
    ['a key without the scope', async () => ({ apiKey: await keyWith(`scopes = '{}'`) }), 403, 'permission_denied'],
    ['a key of a scope this version does not know', async () => ({ apiKey: await keyWith(`scopes = '{ingest:everything}'`) }), 403, 'permission_denied'],
  ])('%s', async (_who, credentials, status, code) => {
    const before = await counts()
    const answer = await app.call('POST', '/ingest/batches', { ...(await credentials()), body: batch() })
    expect([answer.status, answer.body.code]).toEqual([status, code])
    expect(await counts()).toEqual(before)
  })

  it('hides a batch from every key but its own, and from people', async () => {
    const { body } = await app.call('POST', '/ingest/batches', { apiKey: await app.as.apiKey(), body: batch() })
    const path = `/ingest/batches/${body.batchId}`
    const [stranger, admin] = [await app.as.apiKey(), await app.as.admin()]
    const absent = await app.call('GET', '/ingest/batches/00000000-0000-4000-8000-000000000000', { apiKey: stranger })
    const foreign = await app.call('GET', path, { apiKey: stranger })
    expect([foreign.status, { ...foreign.body, instance: '' }]).toEqual([404, { ...absent.body, instance: '' }])
    expect((await app.call('GET', path, { token: admin.token })).status).toBe(401)
    expect((await app.call('GET', path)).status).toBe(401)
  })

  it('lets a key do nothing else', async () => {
    const apiKey = await app.as.apiKey()
    for (const [method, path] of [['GET', '/torrents/latest'], ['GET', '/users/me'], ['GET', '/admin/torrents'], ['POST', `/admin/torrents/00000000-0000-4000-8000-000000000000/approve`]] as const) {
      const answer = await app.call(method, path, { apiKey, ...(method === 'POST' ? { body: {} } : {}) })
      expect([path, answer.status]).toEqual([path, 401])
    }
  })
})

describe('unsafe sources (control D3)', () => {
  test.each([
    ['http://127.0.0.1:6969/announce', 'tracker_private_address'],
    ['http://localhost/announce', 'tracker_private_address'],
    ['udp://10.1.2.3:80', 'tracker_private_address'],
    ['http://169.254.169.254/latest/meta-data', 'tracker_private_address'],
    ['http://[::ffff:7f00:1]/announce', 'tracker_private_address'],
    ['http://0x7f.1/announce', 'tracker_private_address'],
    ['udp://tracker.example.net', 'tracker_port'],
    ['https://user:secret@tracker.example.net/announce', 'tracker_credentials'],
    ['file:///etc/passwd', 'tracker_scheme'],
    ['not a url', 'tracker_malformed'],
  ])('drops %s and says so', async (tracker, code) => {
    const infoHash = anyInfoHash()
    const { body } = await app.call('POST', '/ingest/batches', { apiKey: await app.as.apiKey(), body: batch([{ infoHash, title: 'A', trackers: [tracker, publicTracker] }]) })
    expect(body).toMatchObject({ accepted: 1, rejected: [], warnings: [{ index: 0, code }] })
    expect(JSON.stringify(body)).not.toContain('secret')
    expect((await app.deps.sql`select trackers from torrents where info_hash = ${infoHash}`)[0]).toEqual({ trackers: [publicTracker] })
  })

  it('never keeps where a magnet link says to fetch from or whom to call', async () => {
    const infoHash = anyInfoHash()
    const magnetUri = `magnet:?xt=urn:btih:${infoHash}&tr=${encodeURIComponent(publicTracker)}&x.pe=127.0.0.1:22&xs=http%3A%2F%2F127.0.0.1%2F&as=http%3A%2F%2F127.0.0.1%2F&ws=http%3A%2F%2F127.0.0.1%2F`
    const { body } = await app.call('POST', '/ingest/batches', { apiKey: await app.as.apiKey(), body: batch([{ magnetUri, title: 'A' }]) })
    expect(body.warnings.map((one: { code: string }) => one.code)).toEqual(['source_ignored', 'source_ignored', 'source_ignored', 'source_ignored'])
    expect((await app.deps.sql`select trackers, web_seeds from torrents where info_hash = ${infoHash}`)[0]).toEqual({ trackers: [publicTracker], web_seeds: [] })
  })

  it('drops the web seeds and trackers of a .torrent that are no better', async () => {
    const torrent = makeTorrent({ trackers: [trackerUrl, publicTracker], webSeeds: ['file:///etc/', 'http://192.168.1.1/', 'https://seed.example.net/a'] })
    const { body } = await app.call('POST', '/ingest/batches', { apiKey: await app.as.apiKey(), body: batch([{ torrentFile: torrent.base64, title: 'A' }]) })
    expect(body.warnings.map((one: { code: string }) => one.code)).toEqual(['tracker_private_address', 'web_seed_ignored'])
    expect((await app.deps.sql`select trackers, web_seeds from torrents where info_hash = ${torrent.infoHash}`)[0]).toEqual({ trackers: [publicTracker], web_seeds: ['https://seed.example.net/a'] })
  })

  it('keeps a tracker with a NUL in it as it was checked', async () => {
    const infoHash = anyInfoHash()
    const { status, body } = await app.call('POST', '/ingest/batches', { apiKey: await app.as.apiKey(), body: batch([{ infoHash, title: 'A', trackers: ['https://tracker.example.net/\u0000\ud800'] }]) })
    expect([status, body.accepted]).toEqual([202, 1])
    expect((await app.deps.sql`select trackers from torrents where info_hash = ${infoHash}`)[0]).toEqual({ trackers: ['https://tracker.example.net/%00%EF%BF%BD'] })
  })
})

it('takes a title by any name without harm', async () => {
  const names = [`'; drop table torrents; --`, '<script>alert(1)</script>', '=cmd()', '\ud800 half a pair', '%00', '${7*7}', '\\', '{{x}}']
  const { status, body } = await app.call('POST', '/ingest/batches', { apiKey: await app.as.apiKey(), body: batch(names.map((title) => ({ infoHash: anyInfoHash(), trackers: [publicTracker], title }))) })
  expect([status, body.accepted]).toEqual([202, names.length])
  const kept = await app.deps.sql<{ title: string }[]>`select title from torrents where source = 'a'`
  expect(kept.map(({ title }) => title)).toEqual(expect.arrayContaining(names.map((name) => name.toWellFormed())))
})

it('takes a body larger than other routes, and refuses one beyond that', async () => {
  const apiKey = await app.as.apiKey()
  const torrent = makeTorrent({ trackers: [publicTracker], files: Array.from({ length: 9_000 }, (_, n) => ({ path: `folder/file number ${n}.mp4`, sizeBytes: 1_000 })) })
  const answer = await app.call('POST', '/ingest/batches', { apiKey, body: batch([{ torrentFile: torrent.base64, title: 'Many files' }]) })
  expect([torrent.base64.length > 300_000, answer.status, answer.body.accepted]).toEqual([true, 202, 1])
  const before = await counts()
  const huge = await app.call('POST', '/ingest/batches', { apiKey, body: batch([{ torrentFile: 'A'.repeat(17 * 1024 * 1024), title: 'Too large' }]) })
  expect([huge.status, huge.body.code]).toEqual([413, 'too_large'])
  expect(await counts()).toEqual(before)
})
