import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Person } from '../../test/actors.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { makeTorrent } from '../../test/torrents.ts'
import { mostFavorites } from './favorites.ts'
import { begunSeconds, mostWatched } from './history.ts'

let app: TestApp
let clock = Date.parse('2026-03-01T12:00:00Z')
beforeAll(async () => {
  app = await startTestApp({ overrides: { now: () => new Date(clock) }, settings: { RATE_LIMIT_FACTOR: '100' } })
})
afterAll(() => app[Symbol.asyncDispose]())

/** Somebody with nothing in their library yet, and what they call. */
async function newcomer() {
  const person: Person = await app.as.user()
  const call = (method: string, path: string, body?: unknown) => app.call(method, path, { token: person.token, body })
  return {
    ...person,
    call,
    favorites: async (query = '') => (await call('GET', `/users/me/favorites${query}`)).body as { items: { id: string; title: string }[]; nextCursor: string | null },
    history: async (query = '') => (await call('GET', `/users/me/watch-history${query}`)).body as { items: { torrent: { id: string; title: string }; path: string; fileIndex: number; positionSeconds: number; finished: boolean; watchedAt: string }[]; nextCursor: string | null },
    save: (torrentId: string, positionSeconds: number, { file = 0, durationSeconds = 1_000, ...more }: { file?: number; durationSeconds?: number; watchedAt?: string } = {}) =>
      call('PUT', `/users/me/watch-history/${torrentId}/files/${file}`, { positionSeconds, durationSeconds, ...more }),
  }
}

/** Approved titles of two files each. @returns their ids */
async function publish(...titles: string[]): Promise<string[]> {
  const files = [{ path: 'one.mp4', sizeBytes: 900 }, { path: 'two.mp4', sizeBytes: 800 }]
  const items = titles.map((title) => ({ title, category: 'films', torrentFile: makeTorrent({ files }).base64 }))
  const { body } = await app.call('POST', '/ingest/batches', { apiKey: await app.as.apiKey({ trusted: true }), body: { source: 'archive', items } })
  expect([body.accepted, body.rejected]).toEqual([items.length, []])
  const rows = await app.deps.sql<{ id: string; title: string }[]>`select id, title from torrents where title in ${app.deps.sql(titles)}`
  return titles.map((title) => rows.find((row) => row.title === title)?.id ?? '')
}
const takeDown = async (torrentId: string) => expect((await app.call('POST', `/admin/torrents/${torrentId}/takedown`, { token: (await app.as.moderator()).token, body: { reason: 'rights' } })).status).toBe(200)

describe('favourites', () => {
  it('come back the last added first, page by page, and go again', async () => {
    const ids = await publish('Fav A', 'Fav B', 'Fav C')
    const { call, favorites } = await newcomer()
    for (const id of ids) {
      clock += 1_000
      expect((await call('PUT', `/users/me/favorites/${id}`)).status).toBe(204)
    }
    const first = await favorites('?limit=2')
    expect(first.items.map(({ title }) => title)).toEqual(['Fav C', 'Fav B'])
    expect((await favorites(`?limit=2&cursor=${first.nextCursor}`)).items.map(({ title }) => title)).toEqual(['Fav A'])
    expect((await call('DELETE', `/users/me/favorites/${ids[1]}`)).status).toBe(204)
    expect((await favorites()).items.map(({ title }) => title)).toEqual(['Fav C', 'Fav A'])
  })

  it('are marked once, however many ask, and keep the time of the first', async () => {
    const [id = ''] = await publish('Marked twice')
    const { call, userId } = await newcomer()
    expect((await Promise.all(Array.from({ length: 8 }, () => call('PUT', `/users/me/favorites/${id}`)))).map(({ status }) => status)).toEqual(Array(8).fill(204))
    const before = await app.deps.sql`select added_at from favorites where user_id = ${userId}`
    clock += 60_000
    await call('PUT', `/users/me/favorites/${id}`)
    expect(await app.deps.sql`select added_at from favorites where user_id = ${userId}`).toEqual(before)
    expect(before).toHaveLength(1)
    for (let times = 0; times < 2; times += 1) expect((await call('DELETE', `/users/me/favorites/${id}`)).status).toBe(204)
  })

  it('leave out a title that was taken down, and nobody can mark it', async () => {
    const [kept = '', gone = ''] = await publish('Still there', 'Taken down')
    const { call, favorites } = await newcomer()
    for (const id of [kept, gone]) await call('PUT', `/users/me/favorites/${id}`)
    await takeDown(gone)
    expect((await favorites()).items.map(({ id }) => id)).toEqual([kept])
    expect((await (await newcomer()).call('PUT', `/users/me/favorites/${gone}`)).status).toBe(404)
    expect((await call('DELETE', `/users/me/favorites/${gone}`)).status).toBe(204)
  })

  it('are bounded in number', async () => {
    const [id = '', other = ''] = await publish('One too many', 'There already')
    const { call, userId } = await newcomer()
    await call('PUT', `/users/me/favorites/${other}`)
    await app.deps.sql`with made as (
      insert into torrents (id, info_hash, title, category_id, source, state, trackers, web_seeds, created_at)
      select gen_random_uuid(), encode(sha256(n::text::bytea), 'hex')::varchar(40), 'many', 'films', 'x', 'pending', '{}', '{}', now() from generate_series(1, ${mostFavorites - 1}) n returning id)
      insert into favorites select ${userId}, id, now() from made`
    const { status, body } = await call('PUT', `/users/me/favorites/${id}`)
    expect([status, body.code]).toEqual([409, 'too_many_favorites'])
    expect((await call('PUT', `/users/me/favorites/${other}`)).status).toBe(204)
    expect(await app.deps.sql`select from favorites where user_id = ${userId}`).toHaveLength(mostFavorites)
  })
})

describe('the watch history', () => {
  it('tells where one stands, the last watched first, with the title and the file', async () => {
    const [one = '', two = ''] = await publish('Hist one', 'Hist two')
    const { save, history } = await newcomer()
    for (const [id, file, position] of [[one, 0, 100], [two, 1, 950], [one, 1, 300]] as const) {
      clock += 1_000
      expect((await save(id, position, { file })).status).toBe(204)
    }
    const shown = async (query: string) => (await history(query)).items.map(({ torrent, path, positionSeconds, finished }) => [torrent.title, path, positionSeconds, finished])
    expect(await shown('')).toEqual([['Hist one', 'two.mp4', 300, false], ['Hist two', 'two.mp4', 950, true], ['Hist one', 'one.mp4', 100, false]])
    expect(await shown('?unfinished=true')).toEqual([['Hist one', 'two.mp4', 300, false], ['Hist one', 'one.mp4', 100, false]])
    const first = await history('?limit=1&unfinished=true')
    expect((await history(`?limit=1&unfinished=true&cursor=${first.nextCursor}`)).items.map(({ path }) => path)).toEqual(['one.mp4'])
    expect((await (await newcomer()).history()).items).toEqual([])
  })

  it.each([[899, false], [900, true], [5_000, true]])('%i of 1000 seconds is watched: %s', async (position, finished) => {
    const [id = ''] = await publish(`Watched ${position}`)
    const { save, history } = await newcomer()
    await save(id, position)
    expect((await history()).items).toMatchObject([{ positionSeconds: Math.min(position, 1_000), finished }])
    clock += 1_000
    // once more from the start: it can be continued again
    await save(id, 60)
    expect((await history('?unfinished=true')).items).toMatchObject([{ positionSeconds: 60, finished: false }])
  })

  it('keeps a position when a start comes to nothing', async () => {
    const [id = ''] = await publish('Failed start')
    const { save, history } = await newcomer()
    await save(id, 400)
    const before = (await history()).items
    clock += 60_000
    for (const position of [0, begunSeconds - 0.1]) expect((await save(id, position)).status).toBe(204)
    expect((await history()).items).toEqual(before)
    await save(id, begunSeconds)
    expect((await history()).items).toMatchObject([{ positionSeconds: begunSeconds }])
  })

  it('believes what was watched later, whatever order it is told in, and nothing of the future', async () => {
    const [id = ''] = await publish('Told late')
    const { save, history } = await newcomer()
    const at = (ms: number) => new Date(clock + ms).toISOString()
    await save(id, 500, { watchedAt: at(-60_000) })
    await save(id, 100, { watchedAt: at(-120_000) })
    expect((await history()).items).toMatchObject([{ positionSeconds: 500, watchedAt: at(-60_000) }])
    await save(id, 200, { watchedAt: at(86_400_000) })
    expect((await history()).items).toMatchObject([{ positionSeconds: 200, watchedAt: at(0) }])
  })

  it('takes no more than it should: the oldest go', async () => {
    const [id = ''] = await publish('The last one')
    const { save, userId } = await newcomer()
    await app.deps.sql`with made as (
      insert into torrents (id, info_hash, title, category_id, source, state, trackers, web_seeds, created_at)
      values (gen_random_uuid(), ${'ab'.repeat(20)}, 'long', 'films', 'x', 'pending', '{}', '{}', now()) returning id),
      files as (insert into torrent_files (torrent_id, index, path, size_bytes, mime_type) select id, n, n || '.mp4', 1, 'video/mp4' from made, generate_series(1, ${mostWatched}) n returning torrent_id, index)
      insert into watch_history (user_id, torrent_id, file_index, position_seconds, duration_seconds, watched_at)
      select ${userId}, torrent_id, index, 1, 2, ${new Date(clock - 86_400_000).toISOString()}::timestamptz + index * interval '1 second' from files`
    await save(id, 1)
    const [{ count, oldest } = { count: 0, oldest: 0 }] = await app.deps.sql<{ count: number; oldest: number }[]>`
      select count(*)::int, (select file_index from watch_history where user_id = ${userId} order by watched_at limit 1) as oldest from watch_history where user_id = ${userId}`
    expect([count, oldest]).toEqual([mostWatched, 2])
  })

  it('is not kept by who switched it off; what was there can be deleted, one or all', async () => {
    const [id = '', other = ''] = await publish('Kept', 'Not kept')
    const { call, save, history } = await newcomer()
    await save(id, 100)
    await save(id, 200, { file: 1 })
    expect((await call('PUT', '/users/me/preferences', { keepWatchHistory: false })).status).toBe(200)
    expect((await save(other, 300)).status).toBe(204)
    expect((await save(id, 300)).status).toBe(204)
    expect((await history()).items.map(({ positionSeconds }) => positionSeconds).sort()).toEqual([100, 200])
    for (let times = 0; times < 2; times += 1) expect((await call('DELETE', `/users/me/watch-history/${id}/files/0`)).status).toBe(204)
    expect((await history()).items.map(({ fileIndex }) => fileIndex)).toEqual([1])
    expect((await call('DELETE', '/users/me/watch-history')).status).toBe(204)
    expect((await history()).items).toEqual([])
  })

  it.each([
    ['a position before the start', { positionSeconds: -1, durationSeconds: 10 }],
    ['a film of no length', { positionSeconds: 0, durationSeconds: 0 }],
    ['a film of a year', { positionSeconds: 0, durationSeconds: 31_536_000 }],
    ['no number', { positionSeconds: '1', durationSeconds: 10 }],
    ['another’s name', { positionSeconds: 1, durationSeconds: 10, userId: '00000000-0000-4000-8000-000000000000' }],
  ])('refuses %s', async (_what, body) => {
    const [id = ''] = await publish(`Refused ${JSON.stringify(body)}`)
    const { call, history } = await newcomer()
    expect((await call('PUT', `/users/me/watch-history/${id}/files/0`, body)).status).toBe(422)
    expect((await call('PUT', `/users/me/watch-history/${id}/files/7`, { positionSeconds: 1, durationSeconds: 10 })).status).toBe(404)
    expect((await history()).items).toEqual([])
  })
})

describe('what the caller has made of a title', () => {
  it('stands in every list and with the title, for them alone', async () => {
    clock += 1_000 // newer than all that was published before
    const [id = ''] = await publish('Unmistakable zebra')
    const { call, save } = await newcomer()
    await call('PUT', `/users/me/favorites/${id}`)
    await save(id, 10, { file: 1 })
    clock += 1_000
    await save(id, 950)
    const watch = { fileIndex: 0, positionSeconds: 950, durationSeconds: 1_000, finished: true, watchedAt: new Date(clock).toISOString() }
    for (const path of ['/torrents/latest?limit=1', '/torrents/search?q=zebra', '/users/me/favorites']) {
      expect([path, (await call('GET', path)).body.items]).toEqual([path, [expect.objectContaining({ id, isFavorite: true, watch })]])
    }
    expect((await call('GET', `/torrents/${id}`)).body).toMatchObject({ isFavorite: true, watch, watched: [watch, { fileIndex: 1, positionSeconds: 10 }] })
    const other = await newcomer()
    expect((await other.call('GET', `/torrents/${id}`)).body).toMatchObject({ isFavorite: false, watch: null, watched: [] })
  })
})

describe('preferences', () => {
  it('have defaults, and change one by one', async () => {
    const { call } = await newcomer()
    const defaults = { keepWatchHistory: true, theme: 'system', audioLanguage: null, subtitleLanguage: null, showSubtitles: false, playNext: true }
    expect((await call('GET', '/users/me/preferences')).body).toEqual(defaults)
    expect((await call('PUT', '/users/me/preferences', { theme: 'dark', audioLanguage: 'pt-BR' })).body).toEqual({ ...defaults, theme: 'dark', audioLanguage: 'pt-BR' })
    expect((await call('PUT', '/users/me/preferences', { audioLanguage: null, showSubtitles: true })).body).toEqual({ ...defaults, theme: 'dark', showSubtitles: true })
    expect((await call('GET', '/users/me/preferences')).body).toEqual({ ...defaults, theme: 'dark', showSubtitles: true })
  })

  it.each([[{}], [{ theme: 'pink' }], [{ audioLanguage: 'not a language' }], [{ anything: 1 }]])('refuse %o, and stay', async (body) => {
    const { call } = await newcomer()
    const before = (await call('GET', '/users/me/preferences')).body
    expect((await call('PUT', '/users/me/preferences', body)).status).toBe(422)
    expect((await call('GET', '/users/me/preferences')).body).toEqual(before)
  })
})

it('cursors belong to their person and list', async () => {
  const ids = await publish('Cursor A', 'Cursor B')
  const [mine, theirs] = [await newcomer(), await newcomer()]
  for (const id of ids) await mine.call('PUT', `/users/me/favorites/${id}`)
  const { nextCursor } = await mine.favorites('?limit=1')
  expect((await theirs.call('GET', `/users/me/favorites?limit=1&cursor=${nextCursor}`)).status).toBe(422)
  expect((await mine.call('GET', `/users/me/watch-history?limit=1&cursor=${nextCursor}`)).status).toBe(422)
})
