import { drizzle } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { latestTorrents } from './catalogue.ts'
import { LatestQuery, SearchQuery } from './contract.ts'
import { searchTorrents } from './search.ts'

let app: TestApp
beforeAll(async () => {
  app = await startTestApp()
  const owner = postgres(app.database.urls.owner, { max: 1, onnotice: () => undefined })
  // words as common and as rare as words are: the nth of a title has 4^n spellings
  await owner`
    insert into torrents (id, info_hash, title, description, category_id, licence, source, state, trackers, web_seeds, verified_at, size_bytes, seeders, created_at, approved_at)
    select gen_random_uuid(), encode(sha256(n::text::bytea), 'hex')::char(40),
      concat_ws(' ', case when n % 2 = 0 then 'the' end, 'a' || n % 4, 'bb' || n % 16, 'ccc' || n % 256, 'dddd' || n % 4096), 'rare' || n || repeat(' and some more words as descriptions have them', 20),
      (array['films', 'series', 'music', 'other'])[1 + n % 4], 'CC-' || n % 50, 'test', 'approved', '{}', '{}', now(), n * 1000, n % 100, now(), now() - make_interval(mins => n)
    from generate_series(1, 20000) n`
  await owner`vacuum analyze torrents`
  await owner.end()
}, 120_000)
afterAll(() => app[Symbol.asyncDispose]())

/** Runs a search and explains every statement that it sent. */
async function plansOf(work: (ctx: ReturnType<TestApp['as']['operator']>) => Promise<unknown>): Promise<string[]> {
  const sent: { text: string; params: unknown[] }[] = []
  const db = drizzle(app.deps.sql, { logger: { logQuery: (text, params) => void sent.push({ text, params }) } })
  await work({ ...app.as.operator(), db })
  const selects = sent.filter(({ text }) => text.includes('"torrents"'))
  return Promise.all(selects.map(async ({ text, params }) => (await app.deps.sql.unsafe(`explain ${text}`, params as string[])).map((line) => String(line['QUERY PLAN'])).join('\n')))
}

it.each([
  { q: 'the' },
  { q: 'the', sort: 'newest' },
  { q: 'the', sort: 'title' },
  { q: 'the', sort: 'size' },
  { q: 'the', sort: 'seeders' },
  { q: 'the', category: 'music' },
  { q: 'the a1 bb7 c' },
  { q: 'rare1234' },
  { q: 'rare' },
  { q: 'dddd12 -the' },
  { q: 'dddd77x rarre77' },
  { q: 'ccc7', licence: 'CC-7' },
  { sort: 'title' },
  { sort: 'size', category: 'music' },
  { sort: 'seeders' },
  { licence: 'CC-13' },
  { licence: 'none' },
])('reads no whole table for %j', async (query) => {
  const plans = await plansOf((ctx) => searchTorrents(ctx, SearchQuery.parse(query)))
  expect(plans.length).toBeGreaterThan(0)
  for (const plan of plans) expect(plan).not.toContain('Seq Scan')
})

it('reads no whole table for the latest', async () => {
  for (const query of [{}, { category: 'music' }, { timeframe: 'week' }]) {
    const plans = await plansOf((ctx) => latestTorrents(ctx, LatestQuery.parse(query)))
    expect(plans).toHaveLength(1)
    expect(plans[0]).toMatch(/Index Scan using torrents_latest/)
    expect(plans[0]).not.toMatch(/Seq Scan|Sort/)
  }
})
