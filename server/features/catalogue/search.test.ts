import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { makeTorrent } from '../../test/torrents.ts'
import { TorrentSort } from './contract.ts'

type Item = { id: string; title: string; category: string; licence: string | null; sizeBytes: number; seeders: number | null; approvedAt: string }

let app: TestApp
let token: string
beforeAll(async () => {
  app = await startTestApp({ settings: { RATE_LIMIT_FACTOR: '1000' } })
  token = (await app.as.user()).token
  const titles = [
    ['Big Buck Bunny', 'A giant rabbit takes revenge.'],
    ['Sintel', 'A girl looks for her dragon.'],
    ['Tears of Steel', 'Robots in Amsterdam.'],
    ['Elephants Dream', 'The first open film.'],
    ['Amélie’s Café', 'Paris.'],
    ['Die Größe der Straße', 'Berlin.'],
    ['Сталкер', 'Зона.'],
    ['東京物語', 'Ozu.'],
    ['The Rabbit', 'Not the buck.'],
    ["O'Brien & Sons: 50% off", 'A shop.'],
  ]
  await publish(titles.map(([title, description], n) => ({ title, description, category: n % 2 ? 'films' : 'music', licence: n % 3 ? 'CC0-1.0' : 'CC-BY-4.0', seeders: n % 4 })))
  // many alike: ties in every order
  await publish(Array.from({ length: 40 }, (_, n) => ({ title: `Lecture ${n % 7}`, category: 'education', seeders: n % 3 || undefined, files: n })))
})
afterAll(() => app[Symbol.asyncDispose]())

async function publish(items: { files?: number; [field: string]: unknown }[]) {
  const body = { source: 'archive', items: items.map(({ files = 0, ...item }) => ({ torrentFile: makeTorrent({ files: [{ path: 'a.mp4', sizeBytes: 1_000 + (files % 5) }] }).base64, ...item })) }
  const answer = await app.call('POST', '/ingest/batches', { apiKey: await app.as.apiKey({ trusted: true }), body })
  expect([answer.body.accepted, answer.body.rejected]).toEqual([items.length, []])
}
const search = async (query: Record<string, string>) => {
  const { status, body } = await app.call('GET', `/torrents/search?${new URLSearchParams(query).toString()}`, { token })
  expect([query, status]).toEqual([query, 200])
  return body as { items: Item[]; nextCursor: string | null }
}
const titles = async (query: Record<string, string>) => (await search(query)).items.map(({ title }) => title)

describe('finds', () => {
  test.each([
    ['big buck bunny', ['Big Buck Bunny']],
    ['BUNNY', ['Big Buck Bunny']],
    ['big bun', ['Big Buck Bunny']],
    ['bunny big', ['Big Buck Bunny']],
    ['amelie cafe', ['Amélie’s Café']],
    ['grosse strasse', ['Die Größe der Straße']],
    ['сталк', ['Сталкер']],
    ['東京物語', ['東京物語']],
    ['dragon', ['Sintel']],
    ["o'brien", ["O'Brien & Sons: 50% off"]],
    ['50%', ["O'Brien & Sons: 50% off"]],
    ['"tears of steel"', ['Tears of Steel']],
    ['"steel of tears"', []],
    ['sintel or steel', ['Sintel', 'Tears of Steel']],
    ['rabbit -big', ['The Rabbit']],
    // in the title before in the description
    ['rabbit', ['The Rabbit', 'Big Buck Bunny']],
    // spelt otherwise, since nothing has the words
    ['big bick bunny', ['Big Buck Bunny']],
    ['sintell', ['Sintel']],
    ['elefants dreem', ['Elephants Dream']],
    ['zzzzzzzz', []],
    ['!!!', []],
  ])('%s', async (q, expected) => {
    const found = await titles({ q })
    if (q.includes(' or ')) expect(found.toSorted()).toEqual(expected)
    else expect(found).toEqual(expected)
  })

  it('what passes the filters', async () => {
    expect(await titles({ q: 'rabbit', category: 'music' })).toEqual(['The Rabbit', 'Big Buck Bunny'])
    expect(await titles({ q: 'rabbit', category: 'films' })).toEqual([])
    expect(await titles({ q: 'elephants', licence: 'CC0-1.0' })).toEqual([])
    expect(await titles({ q: 'elephants', licence: 'CC-BY-4.0' })).toEqual(['Elephants Dream'])
    expect(await titles({ category: 'films', sort: 'title' })).toEqual(['Die Größe der Straße', 'Elephants Dream', "O'Brien & Sons: 50% off", 'Sintel', '東京物語'])
  })

  it('nothing by a word of which it shows part', async () => {
    expect(await titles({ q: 'unny' })).not.toContain('Sintel')
    expect((await app.call('GET', '/torrents/search?q=', { token })).status).toBe(422)
  })
})

test.each(['limit=0', 'limit=101', 'limit=ten', 'limit=1.5', 'sort=random', 'category=Big%20Films', 'cursor=AAAA', 'unknown=1', `q=${'a'.repeat(201)}`, 'q=a%00b', 'q=a&q=b', 'q=%E0%A4%A'])('refuses ?%s', async (query) => {
  const { status } = await app.call('GET', `/torrents/search?${query}`, { token })
  expect(query.includes('%E0%A4%A') ? [200, 400, 422] : [422]).toContain(status)
})

const sorts = TorrentSort.options
/** How two neighbours must stand. */
const inOrder: Record<(typeof sorts)[number], (a: Item, b: Item) => boolean> = {
  relevance: () => true,
  newest: (a, b) => a.approvedAt >= b.approvedAt,
  title: (a, b) => plain(a) <= plain(b),
  size: (a, b) => a.sizeBytes >= b.sizeBytes,
  seeders: (a, b) => (a.seeders ?? -1) >= (b.seeders ?? -1),
}
const plain = ({ title }: Item) => title.toLowerCase().replace('ö', 'o').replaceAll('ß', 'ss').replace('é', 'e')

it('pages through every list without repeats and gaps, in order', async () => {
  const lists = fc.record({
    q: fc.constantFrom('', 'lecture', 'lecture 3', 'lecure', 'rabbit', 'a', '-rabbit'),
    category: fc.constantFrom('', 'education', 'films'),
    sort: fc.constantFrom(...sorts),
    limit: fc.integer({ min: 1, max: 25 }),
  })
  await fc.assert(
    fc.asyncProperty(lists, async ({ q, category, sort, limit }) => {
      const query = { sort, ...(q ? { q } : {}), ...(category ? { category } : {}) }
      const whole = await search({ ...query, limit: '100' })
      expect(whole.nextCursor).toBeNull()
      const paged: Item[] = []
      for (let cursor: string | null = ''; cursor !== null; ) {
        const page = await search({ ...query, limit: String(limit), ...(cursor ? { cursor } : {}) })
        expect(page.items.length).toBeLessThanOrEqual(limit)
        if (page.nextCursor !== null) expect(page.items).toHaveLength(limit)
        paged.push(...page.items)
        cursor = page.nextCursor
      }
      expect(paged).toEqual(whole.items)
      expect(new Set(paged.map(({ id }) => id)).size).toBe(paged.length)
      paged.slice(1).forEach((item, n) => expect(paged[n] && inOrder[sort](paged[n], item)).toBe(true))
    }),
    { numRuns: 60 },
  )
}, 60_000)

it('keeps to what the first page saw while titles are added', async () => {
  await using own = await startTestApp()
  const apiKey = await own.as.apiKey({ trusted: true })
  const { token: reader } = await own.as.user()
  const add = async (count: number) => {
    const items = Array.from({ length: count }, () => ({ torrentFile: makeTorrent().base64, title: 'Growing list' }))
    expect((await own.call('POST', '/ingest/batches', { apiKey, body: { source: 'a', items } })).body.accepted).toBe(count)
  }
  await add(12)
  for (const sort of sorts) {
    const before = (await own.call('GET', `/torrents/search?q=growing&sort=${sort}&limit=100`, { token: reader })).body.items as Item[]
    const seen: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { body } = await own.call('GET', `/torrents/search?q=growing&sort=${sort}&limit=5${cursor ? `&cursor=${cursor}` : ''}`, { token: reader })
      seen.push(...body.items.map(({ id }: Item) => id))
      cursor = body.nextCursor
      await add(1)
    }
    expect(seen).toEqual(before.map(({ id }) => id))
  }
})

it('answers any words a person may type, and never with a fault of the server', async () => {
  const operators = fc.constantFrom('"', '-', "'", ' or ', ' ', '(', ')', '&', '|', '!', ':*', '<->', '\\', '%', '_', '*', '\u0000', '\ud800', '\u202e', 'a', 'ſ', '🎬', 'ﬁ', "''", '-"', "-'a b'")
  const words = fc.oneof(fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ unit: 'grapheme', maxLength: 60 }), fc.array(operators, { maxLength: 24 }).map((parts) => parts.join('')))
  await fc.assert(
    fc.asyncProperty(words, fc.constantFrom(...sorts), async (q, sort) => {
      const { status } = await app.call('GET', `/torrents/search?sort=${sort}&q=${encodeURIComponent(q.toWellFormed())}`, { token })
      expect([200, 422]).toContain(status)
    }),
    { numRuns: 400 },
  )
}, 60_000)
