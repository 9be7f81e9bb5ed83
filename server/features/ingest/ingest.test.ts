import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { anyInfoHash, makeTorrent, trackerUrl } from '../../test/torrents.ts'

let app: TestApp
let apiKey: string
beforeAll(async () => {
  app = await startTestApp()
  apiKey = await app.as.apiKey()
})
afterAll(() => app[Symbol.asyncDispose]())

const offer = (items: unknown[], more: { key?: string; apiKey?: string; source?: string } = {}) =>
  app.call('POST', '/ingest/batches', {
    apiKey: more.apiKey ?? apiKey,
    body: { source: more.source ?? 'archive', items },
    ...(more.key ? { headers: { 'idempotency-key': more.key } } : {}),
  })
const titleOf = async (infoHash: string) => (await app.deps.sql`select * from torrents where info_hash = ${infoHash}`)[0]
const countTitles = async () => Number((await app.deps.sql`select count(*) from torrents`)[0]?.['count'])
const jobsFor = (torrentId: string) => app.deps.sql`select task_identifier from graphile_worker.jobs where key = ${`torrent.fetch_metadata:${torrentId}`}`

describe('what a batch may hold', () => {
  it('keeps a .torrent as verified, with its files and its info dictionary', async () => {
    const torrent = makeTorrent({ files: [{ path: 'Season 1/one.mkv', sizeBytes: 5_000 }, { path: 'readme.txt', sizeBytes: 10 }] })
    const item = { torrentFile: torrent.base64, title: 'Café', description: 'two\nlines', category: 'films', language: 'pt-BR', licence: 'CC-BY-4.0', sourceUrl: 'https://archive.example.org/1', posterUrl: 'https://archive.example.org/1.jpg', seeders: 3, leechers: 1 }
    const { status, body } = await offer([item])
    expect([status, body]).toEqual([202, { batchId: expect.any(String), source: 'archive', createdAt: expect.any(String), accepted: 1, duplicates: 0, rejected: [], warnings: [] }])
    const title = await titleOf(torrent.infoHash)
    expect(title).toMatchObject({ title: 'Café', description: 'two\nlines', category_id: 'films', language: 'pt-BR', licence: 'CC-BY-4.0', source: 'archive', state: 'pending', size_bytes: '5010', seeders: 3, leechers: 1, trackers: [trackerUrl], poster_url: item.posterUrl })
    expect(title?.['verified_at']).toEqual(expect.any(String))
    expect(await app.deps.sql`select index, path, size_bytes, mime_type from torrent_files where torrent_id = ${title?.['id']} order by index`).toEqual([
      { index: 0, path: 'Season 1/one.mkv', size_bytes: '5000', mime_type: 'video/x-matroska' },
      { index: 1, path: 'readme.txt', size_bytes: '10', mime_type: 'text/plain' },
    ])
    const [info] = await app.deps.sql<{ info: Buffer }[]>`select info from torrent_infos where torrent_id = ${title?.['id']}`
    expect(createHash('sha1').update(info?.info ?? '').digest('hex')).toBe(torrent.infoHash)
    expect(await jobsFor(title?.['id'])).toHaveLength(0)
  })

  it('keeps a magnet link and an info-hash as unverified, and asks the swarm for the rest', async () => {
    const [a, b] = [anyInfoHash(), anyInfoHash()]
    const { body } = await offer([
      { magnetUri: `magnet:?xt=urn:btih:${a}&dn=whatever&tr=${encodeURIComponent(trackerUrl)}`, title: 'By magnet' },
      { infoHash: b.toUpperCase(), trackers: [trackerUrl], title: 'By hash', files: [{ path: 'a.mp4', sizeBytes: 7 }] },
    ])
    expect(body).toMatchObject({ accepted: 2, rejected: [], warnings: [] })
    for (const [infoHash, size] of [[a, null], [b, '7']] as const) {
      const title = await titleOf(infoHash)
      expect(title).toMatchObject({ state: 'pending', verified_at: null, size_bytes: size, category_id: 'other' })
      expect(await jobsFor(title?.['id'])).toEqual([{ task_identifier: 'torrent.fetch_metadata' }])
    }
  })

  it('takes 500 at once', async () => {
    const { status, body } = await offer(Array.from({ length: 500 }, (_, n) => ({ torrentFile: makeTorrent().base64, title: `Title ${n}` })))
    expect([status, body.accepted]).toEqual([202, 500])
  })

  it('reads a hybrid torrent as version 1', async () => {
    const hybrid = makeTorrent({ info: [['meta version', 2], ['file tree', new Map()]] })
    expect((await offer([{ torrentFile: hybrid.base64, title: 'Hybrid' }])).body).toMatchObject({ accepted: 1 })
    expect(await titleOf(hybrid.infoHash)).toMatchObject({ state: 'pending' })
    const hash = anyInfoHash()
    expect((await offer([{ magnetUri: `magnet:?xt=urn:btmh:1220${'ab'.repeat(32)}&xt=urn:btih:${hash}&tr=${encodeURIComponent(trackerUrl)}`, title: 'Hybrid' }])).body).toMatchObject({ accepted: 1 })
  })

  it('takes what a trusted key verifies into the catalogue at once, and only that', async () => {
    const trusted = await app.as.apiKey({ trusted: true })
    const [verified, unverified] = [makeTorrent(), anyInfoHash()]
    await offer([{ torrentFile: verified.base64, title: 'Known' }, { infoHash: unverified, trackers: [trackerUrl], title: 'Unknown' }], { apiKey: trusted })
    const title = await titleOf(verified.infoHash)
    expect(title).toMatchObject({ state: 'approved', approved_at: expect.any(String) })
    expect(await titleOf(unverified)).toMatchObject({ state: 'pending', approved_at: null })
    expect(await app.deps.sql`select action, actor_kind from audit_log where target_id = ${title?.['id']}`).toEqual([{ action: 'torrent.approve', actor_kind: 'api_key' }])
  })
})

describe('one bad item', () => {
  const good = () => ({ torrentFile: makeTorrent().base64, title: 'Good' })
  const hash = anyInfoHash()
  const base = { infoHash: hash, trackers: [trackerUrl], title: 'A title' }
  test.each<[string, unknown, string, string]>([
    ['no title', { infoHash: hash, trackers: [trackerUrl] }, 'validation_failed', 'title'],
    ['a blank title', { ...base, title: '  ' }, 'validation_failed', 'title'],
    ['a number for a title', { ...base, title: 7 }, 'validation_failed', 'title'],
    ['a line break in the title', { ...base, title: 'a\nb' }, 'validation_failed', 'title'],
    ['text that runs backwards', { ...base, title: 'a\u202eb' }, 'validation_failed', 'title'],
    ['a title too long', { ...base, title: 'a'.repeat(301) }, 'validation_failed', 'title'],
    ['an unknown field', { ...base, colour: 'red' }, 'unknown_field', 'colour'],
    ['an unknown field of a file', { ...base, files: [{ path: 'a', sizeBytes: 1, mode: 7 }] }, 'unknown_field', 'files.0.mode'],
    ['a field that Postgres could not keep', { ...base, 'a\u0000b\ud800': 1 }, 'unknown_field', 'a b\ufffd'],
    ['a fractional count', { ...base, seeders: 1.5 }, 'validation_failed', 'seeders'],
    ['text for a count', { ...base, seeders: '1' }, 'validation_failed', 'seeders'],
    ['a size beyond 2^53', { ...base, files: [{ path: 'a', sizeBytes: 2 ** 60 }] }, 'validation_failed', 'files.0.sizeBytes'],
    ['a script for a link', { ...base, sourceUrl: 'javascript:alert(1)' }, 'validation_failed', 'sourceUrl'],
    ['a poster with a password', { ...base, posterUrl: 'https://a:b@example.org/' }, 'validation_failed', 'posterUrl'],
    ['an unknown category', { ...base, category: 'nonsense' }, 'unknown_category', 'category'],
    ['an odd language', { ...base, language: 'English!' }, 'validation_failed', 'language'],
    ['no torrent at all', { title: 'A title' }, 'validation_failed', ''],
    ['two torrents', { ...base, magnetUri: `magnet:?xt=urn:btih:${hash}` }, 'validation_failed', ''],
    ['a short info-hash', { ...base, infoHash: hash.slice(1) }, 'invalid_info_hash', 'infoHash'],
    ['a version 2 info-hash', { ...base, infoHash: 'ab'.repeat(32) }, 'v2_only', 'infoHash'],
    ['a broken magnet link', { magnetUri: 'magnet:?xt=urn:btih:zz', title: 'A title' }, 'invalid_magnet', 'magnetUri'],
    ['a web link for a magnet', { magnetUri: 'https://example.org/a.torrent', title: 'A title' }, 'invalid_magnet', 'magnetUri'],
    ['a version 2 magnet', { magnetUri: `magnet:?xt=urn:btmh:1220${'ab'.repeat(32)}`, title: 'A title' }, 'v2_only', 'magnetUri'],
    ['no base64', { torrentFile: '*not base64*', title: 'A title' }, 'invalid_torrent', 'torrentFile'],
    ['no torrent in it', { torrentFile: Buffer.from('d4:infoi1ee').toString('base64'), title: 'A title' }, 'invalid_torrent', 'torrentFile'],
    ['a path that leaves its folder', { torrentFile: makeTorrent({ files: [{ path: '../../etc/passwd', sizeBytes: 1 }] }).base64, title: 'A title' }, 'invalid_torrent', 'torrentFile'],
    ['a version 2 torrent', { torrentFile: makeTorrent({ pieces: false, info: [['meta version', 2]] }).base64, title: 'A title' }, 'v2_only', 'torrentFile'],
    ['no tracker', { infoHash: hash, title: 'A title' }, 'no_peer_source', 'trackers'],
    ['only unsafe trackers', { ...base, trackers: ['file:///etc/passwd', 'ws://127.0.0.1/', 'http://u:p@127.0.0.1/'] }, 'no_peer_source', 'trackers'],
    ['a torrent without trackers', { torrentFile: makeTorrent({ trackers: [] }).base64, title: 'A title' }, 'no_peer_source', 'trackers'],
    ['no object', 'garbage', 'validation_failed', ''],
    ['null', null, 'validation_failed', ''],
  ])('%s is told for itself', async (_name, item, code, path) => {
    const before = await countTitles()
    const { status, body } = await offer([good(), item, good()])
    expect([status, body]).toMatchObject([202, { accepted: 2, duplicates: 0, rejected: [{ index: 1, code, path, message: expect.any(String) }] }])
    expect(await countTitles()).toBe(before + 2)
    expect(await titleOf(hash)).toBeUndefined()
  })

  test.each([
    ['no items', { source: 'a', items: [] }, 'validation_failed', 'items'],
    ['501 items', { source: 'a', items: Array.from({ length: 501 }, () => ({})) }, 'validation_failed', 'items'],
    ['no source', { items: [{}] }, 'validation_failed', 'source'],
    ['an unknown field of the batch', { source: 'a', items: [{}], dry: true }, 'unknown_field', 'dry'],
    ['items that are no list', { source: 'a', items: {} }, 'validation_failed', 'items'],
  ])('%s is refused whole', async (_name, batch, code, path) => {
    const before = await countTitles()
    const { status, body } = await app.call('POST', '/ingest/batches', { apiKey, body: batch })
    expect([status, body]).toMatchObject([422, { code, errors: [{ path }] }])
    expect(await countTitles()).toBe(before)
  })
})

describe('titles the catalogue has', () => {
  it('counts them as duplicates, within a batch and across batches', async () => {
    const torrent = makeTorrent()
    const item = { torrentFile: torrent.base64, title: 'First' }
    expect((await offer([item, { ...item, title: 'Second' }])).body).toMatchObject({ accepted: 1, duplicates: 1, rejected: [] })
    expect((await offer([{ infoHash: torrent.infoHash, trackers: [trackerUrl], title: 'Third' }])).body).toMatchObject({ accepted: 0, duplicates: 1, rejected: [] })
    expect(await titleOf(torrent.infoHash)).toMatchObject({ title: 'First' })
  })

  it('refuses one that was taken down, and leaves it as it is', async () => {
    const torrent = makeTorrent()
    await offer([{ torrentFile: torrent.base64, title: 'Gone' }])
    await app.deps.sql`update torrents set state = 'taken_down' where info_hash = ${torrent.infoHash}`
    const other = makeTorrent()
    const item = { torrentFile: torrent.base64, title: 'Back' }
    const { body } = await offer([item, { torrentFile: other.base64, title: 'Other' }, item], { apiKey: await app.as.apiKey({ trusted: true }) })
    expect(body).toMatchObject({ accepted: 1, duplicates: 0, rejected: [{ index: 0, code: 'blocked' }, { index: 2, code: 'blocked' }] })
    expect(await titleOf(torrent.infoHash)).toMatchObject({ state: 'taken_down', title: 'Gone' })
  })

  it('takes batches that meet on the same titles at once, each title once', async () => {
    const items = Array.from({ length: 60 }, (_, n) => ({ torrentFile: makeTorrent().base64, title: `Shared ${n}` }))
    const answers = await Promise.all([items, items.toReversed(), items, items.toReversed()].map((some) => offer(some)))
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202])
    expect(answers.reduce((all, { body }) => all + Number(body.accepted), 0)).toBe(60)
    expect(answers.reduce((all, { body }) => all + Number(body.duplicates), 0)).toBe(180)
  })
})

describe('an Idempotency-Key', () => {
  it('gets the same answer for the same request, also to items that were wrong', async () => {
    const items = [{ torrentFile: makeTorrent().base64, title: 'Once' }, { title: 7 }]
    const [first, second] = [await offer(items, { key: 'k1' }), await offer(items, { key: 'k1' })]
    expect(first.body).toMatchObject({ accepted: 1, rejected: [{ index: 1 }] })
    expect([second.status, second.body]).toEqual([202, first.body])
  })

  it('is a conflict with another request, of which nothing is taken', async () => {
    await offer([{ torrentFile: makeTorrent().base64, title: 'One' }], { key: 'k2' })
    const other = makeTorrent()
    const { status, body } = await offer([{ torrentFile: other.base64, title: 'Two' }], { key: 'k2' })
    expect([status, body.code]).toEqual([409, 'conflict'])
    expect(await titleOf(other.infoHash)).toBeUndefined()
    expect((await offer([{ title: 7 }], { key: 'k3' })).status).toBe(202)
    expect((await offer([{ title: 8 }], { key: 'k3' })).status).toBe(409)
  })

  it('is one key’s own', async () => {
    const item = { torrentFile: makeTorrent().base64, title: 'One' }
    const first = await offer([item], { key: 'k4' })
    const second = await offer([item], { key: 'k4', apiKey: await app.as.apiKey() })
    expect(second.body).toMatchObject({ accepted: 0, duplicates: 1 })
    expect(second.body.batchId).not.toBe(first.body.batchId)
  })

  it('makes one batch of requests in parallel, on two nodes', async () => {
    await using node = await startTestApp({ database: app.database, dataDir: app.dataDir })
    const body = { source: 'archive', items: Array.from({ length: 20 }, (_, n) => ({ torrentFile: makeTorrent().base64, title: `P ${n}` })) }
    const batches = async () => Number((await app.deps.sql`select count(*) from ingest_batches`)[0]?.['count'])
    const before = await batches()
    const answers = await Promise.all(Array.from({ length: 8 }, (_, n) => (n % 2 ? node : app).call('POST', '/ingest/batches', { apiKey, body, headers: { 'idempotency-key': 'k5' } })))
    expect(new Set(answers.map((answer) => JSON.stringify([answer.status, answer.body]))).size).toBe(1)
    expect(answers[0]?.body).toMatchObject({ accepted: 20 })
    expect(await batches()).toBe(before + 1)
  })
})

it('shows a batch again to its key', async () => {
  const { body } = await offer([{ torrentFile: makeTorrent().base64, title: 'One' }, { title: '' }])
  expect(await app.call('GET', `/ingest/batches/${body.batchId}`, { apiKey })).toMatchObject({ status: 200, body })
  expect(await app.call('GET', '/ingest/batches/00000000-0000-4000-8000-000000000000', { apiKey })).toMatchObject({ status: 404, body: { code: 'not_found' } })
})
