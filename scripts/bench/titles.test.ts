import postgres from 'postgres'
import { expect, test } from 'vitest'
import { createTestDatabase } from '../../server/test/database.ts'
import { fillCatalogue, makeTitle } from './titles.ts'

test('invented titles are the same at each run, and differ from each other', () => {
  expect(makeTitle(4711)).toEqual(makeTitle(4711))
  expect(new Set(Array.from({ length: 1_000 }, (_, index) => makeTitle(index).title)).size).toBe(1_000)
})

test('the catalogue is filled with approved titles that full text finds', async () => {
  await using database = await createTestDatabase()
  await fillCatalogue(database.urls.owner, 300)
  const sql = postgres(database.urls.app, { max: 1 })
  try {
    const [counts] = await sql`select count(*)::int as all, count(distinct info_hash)::int as different, count(distinct category_id)::int as categories from torrents where state = 'approved'`
    expect(counts).toEqual({ all: 300, different: 300, categories: 7 })
    const { title } = makeTitle(123)
    expect((await sql`select title from torrents where search @@ plainto_tsquery('simple', immutable_unaccent(${title}))`).map((row) => row['title'])).toContain(title)
  } finally {
    await sql.end()
  }
})
