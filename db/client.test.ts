import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../server/test/database.ts'
import { connect } from './client.ts'
import { categories } from './schema/index.ts'
import { statement } from './statements.ts'

let database: TestDatabase
let owner: ReturnType<typeof connect>
beforeAll(async () => {
  database = await createTestDatabase()
  // one connection: what it has prepared can be asked of it
  owner = connect(database.urls.owner, { max: 1 })
})
afterAll(async () => {
  await owner.close()
  await database[Symbol.asyncDispose]()
})
beforeEach(() => owner.db.delete(categories))

const prepared = async (like: string) => (await owner.sql<{ generic_plans: number; custom_plans: number }[]>`select generic_plans::int, custom_plans::int from pg_prepared_statements where statement like ${`%${like}%`} and statement not like '%pg_prepared%'`)
const category = (id: string) => ({ id, label: id, position: 1 })
const ids = async () => (await owner.db.select({ id: categories.id }).from(categories)).map(({ id }) => id)

describe('statements of a transaction', () => {
  test('are prepared once a connection, and used again', async () => {
    for (const id of ['a', 'b', 'c']) await owner.db.transaction((tx) => tx.insert(categories).values(category(id)))
    const [insert, ...others] = await prepared('insert into "categories"')
    expect(others).toEqual([])
    expect((insert?.custom_plans ?? 0) + (insert?.generic_plans ?? 0)).toBe(3)
  })

  test('are not, where they list many values', async () => {
    const before = (await prepared('insert into "categories"')).length
    const many = Array.from({ length: 11 }, (_, i) => category(`many${i}`))
    await owner.db.transaction((tx) => tx.insert(categories).values(many))
    expect(await ids()).toHaveLength(11)
    expect(await prepared('insert into "categories"')).toHaveLength(before)
  })

  test('that go out together are undone together when one of them fails', async () => {
    const together = owner.db.transaction((tx) =>
      Promise.all([tx.insert(categories).values(category('a')), tx.execute(sql`select 1 / ${0}::int`), tx.insert(categories).values(category('b'))]),
    )
    await expect(together).rejects.toMatchObject({ cause: { code: '22012' } })
    expect(await ids()).toEqual([])
    await owner.db.transaction((tx) => tx.insert(categories).values(category('c')))
    expect(await ids()).toEqual(['c'])
  })
})

test('outside a transaction only a statement() is prepared', async () => {
  const asked = statement<{ id: string }, { asked: string }>(({ id }) => sql`select id as asked from categories where id = ${id}`)
  await owner.db.select({ label: categories.label }).from(categories).where(sql`${categories.id} = ${'plain'}`)
  expect(await asked(owner.db, { id: 'asked' })).toEqual([])
  expect([(await prepared('"label" from "categories"')).length, (await prepared('id as asked')).length]).toEqual([0, 1])
})
