import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { makeTorrent } from '../../test/torrents.ts'

let app: TestApp
let token: string
let clock = Date.parse('2026-03-01T12:00:00Z')
beforeAll(async () => {
  app = await startTestApp({ overrides: { now: () => new Date(clock) } })
  token = (await app.as.user()).token
})
afterAll(() => app[Symbol.asyncDispose]())

const get = (path: string) => app.call('GET', path, { token })
/** Approved at once, because the key is trusted. */
const publish = async (...items: object[]) => {
  const { body } = await app.call('POST', '/ingest/batches', { apiKey: await app.as.apiKey({ trusted: true }), body: { source: 'archive', items: items.map((item) => ({ torrentFile: makeTorrent().base64, ...item })) } })
  expect([body.accepted, body.rejected]).toEqual([items.length, []])
}
const idOf = async (title: string) => (await app.deps.sql<{ id: string }[]>`select id from torrents where title = ${title}`)[0]?.id ?? ''

it('names the categories in their order', async () => {
  const { status, body } = await app.call('GET', '/categories')
  expect([status, body.items.map((category: { id: string }) => category.id)]).toEqual([200, ['films', 'series', 'documentaries', 'music', 'audiobooks', 'education', 'other']])
  expect(body.items[0]).toEqual({ id: 'films', label: 'Films' })
})

describe('the latest', () => {
  it('come newest first, by category and timeframe, and approved ones alone', async () => {
    const day = 86_400_000
    const start = clock
    await publish({ title: 'old film', category: 'films' })
    clock = start + 10 * day
    token = (await app.as.user()).token
    await publish({ title: 'film of last week', category: 'films' })
    clock = start + 14 * day
    await publish({ title: 'song', category: 'music' })
    clock = start + 14.5 * day
    await publish({ title: 'new film', category: 'films' })
    await app.call('POST', '/ingest/batches', { apiKey: await app.as.apiKey(), body: { source: 'a', items: [{ torrentFile: makeTorrent().base64, title: 'pending' }] } })
    token = (await app.as.user()).token
    const titles = async (query: string) => (await get(`/torrents/latest${query}`)).body.items.map((item: { title: string }) => item.title)
    expect(await titles('')).toEqual(['new film', 'song', 'film of last week', 'old film'])
    expect(await titles('?category=films')).toEqual(['new film', 'film of last week', 'old film'])
    expect(await titles('?category=films&timeframe=week')).toEqual(['new film', 'film of last week'])
    expect(await titles('?timeframe=day')).toEqual(['new film', 'song'])
    expect(await titles('?timeframe=month')).toHaveLength(4)
    expect(await titles('?category=series')).toEqual([])
  })

  it('show what a list needs and no more', async () => {
    clock += 1_000 // newer than whatever was published before
    await publish({ title: 'Shown', category: 'music', language: 'fr', licence: 'CC0-1.0', seeders: 4, leechers: 0 })
    const { body } = await get('/torrents/latest?limit=1')
    const time = new Date(clock).toISOString()
    expect(body.items).toEqual([{ id: await idOf('Shown'), title: 'Shown', category: 'music', language: 'fr', licence: 'CC0-1.0', sizeBytes: 1_000, seeders: 4, leechers: 0, createdAt: time, approvedAt: time, isFavorite: false, watch: null }])
  })

  it('take no cursor of another list, and none that was altered', async () => {
    const { body } = await get('/torrents/latest?limit=1')
    const cursor: string = body.nextCursor
    expect((await get(`/torrents/latest?limit=1&cursor=${cursor}`)).status).toBe(200)
    for (const path of [`latest?category=films&cursor=${cursor}`, `latest?timeframe=day&cursor=${cursor}`, `search?cursor=${cursor}`, `latest?cursor=${cursor.slice(0, -2)}`, `latest?cursor=A${cursor.slice(1)}`, 'latest?cursor=%F0%9F%92%A9']) {
      expect([path, (await get(`/torrents/${path}`)).status]).toEqual([path, 422])
    }
  })
})

describe('a title', () => {
  it('comes with its files and how they play', async () => {
    const files = [
      { path: 'film.mp4', sizeBytes: 900 },
      { path: 'extras/other.MKV', sizeBytes: 90 },
      { path: 'extras/notes.txt', sizeBytes: 9 },
    ]
    const torrent = makeTorrent({ files })
    await publish({ torrentFile: torrent.base64, title: 'Big Buck Bunny', description: 'A rabbit.', category: 'films', licence: 'CC-BY-3.0', sourceUrl: 'https://peach.blender.org/' })
    const { status, body } = await get(`/torrents/${await idOf('Big Buck Bunny')}`)
    expect([status, body]).toEqual([
      200,
      {
        id: expect.any(String),
        title: 'Big Buck Bunny',
        description: 'A rabbit.',
        category: 'films',
        language: null,
        licence: 'CC-BY-3.0',
        source: 'archive',
        sourceUrl: 'https://peach.blender.org/',
        infoHash: torrent.infoHash,
        magnetUri: `magnet:?xt=urn:btih:${torrent.infoHash}&dn=Big%20Buck%20Bunny&tr=${encodeURIComponent('http://127.0.0.1:6969/announce')}`,
        sizeBytes: 999,
        seeders: null,
        leechers: null,
        createdAt: expect.any(String),
        approvedAt: expect.any(String),
        isFavorite: false,
        watch: null,
        watched: [],
        files: [
          { index: 0, path: 'film.mp4', sizeBytes: 900, mimeType: 'video/mp4', playable: 'direct', durationSeconds: null, subtitleOf: null },
          { index: 1, path: 'extras/other.MKV', sizeBytes: 90, mimeType: 'video/x-matroska', playable: 'external_player', durationSeconds: null, subtitleOf: null },
          { index: 2, path: 'extras/notes.txt', sizeBytes: 9, mimeType: 'text/plain', playable: 'no', durationSeconds: null, subtitleOf: null },
        ],
      },
    ])
  })

  it('answers 404 when it is not there, 422 for what is no id', async () => {
    expect(await get('/torrents/00000000-0000-4000-8000-000000000000')).toMatchObject({ status: 404, body: { code: 'not_found' } })
    expect((await get('/torrents/12')).status).toBe(422)
  })
})
