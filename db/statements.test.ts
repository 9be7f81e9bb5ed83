import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../server/test/database.ts'
import { connect } from './client.ts'
import { categories, sessions } from './schema/index.ts'
import { draft, statement } from './statements.ts'

let database: TestDatabase
let owner: ReturnType<typeof connect>
beforeAll(async () => {
  database = await createTestDatabase()
  owner = connect(database.urls.owner, { max: 1 })
})
afterAll(async () => {
  await owner.close()
  await database[Symbol.asyncDispose]()
})

test('its text is made once, and each execution binds its own values', async () => {
  let made = 0
  const add = statement<{ a: number; b: number }, { sum: number }>(({ a, b }) => {
    made += 1
    return sql`select ${a}::int + ${b}::int as sum`
  })
  expect([await add(owner.db, { a: 1, b: 2 }), await add(owner.db, { a: 40, b: 2 })]).toEqual([[{ sum: 3 }], [{ sum: 42 }]])
  expect(made).toBe(1)
})

test('a value that is named often is bound once, and constants stay apart', async () => {
  const sent: unknown[][] = []
  const options = owner.sql.options as { debug?: unknown }
  const twice = statement<{ a: string }>(({ a }) => sql`select ${a}::text as one, ${'x'}::text as x, ${a}::text as again, ${'x'}::text as y`)
  options.debug = (_connection: number, text: string, values: unknown[]) => void sent.push([text, values])
  const rows = await twice(owner.db, { a: 'v' })
  options.debug = undefined
  expect(rows).toEqual([{ one: 'v', x: 'x', again: 'v', y: 'x' }])
  expect(sent).toEqual([['select $1::text as one, $2::text as x, $1::text as again, $3::text as y', ['v', 'x', 'x']]])
})

test.each([
  ['a moment', sql`timestamptz`, new Date('2026-05-01T12:00:00.123Z'), (got: unknown) => new Date(String(got)).toISOString(), '2026-05-01T12:00:00.123Z'],
  ['bytes', sql`bytea`, new Uint8Array([0, 255, 92]), (got: unknown) => [...(got as Uint8Array)], [0, 255, 92]],
  ['nothing', sql`bytea`, null, (got: unknown) => got, null],
  ['a truth', sql`boolean`, false, (got: unknown) => got, false],
  ['text that would break out', sql`text`, "'; drop table users; --", (got: unknown) => got, "'; drop table users; --"],
])('%s comes back as it was given', async (_what, type, value, read, wanted) => {
  const echo = statement<{ value: unknown }, { value: unknown }>((given) => sql`select ${given.value}::${type} as value`)
  const [row] = await echo(owner.db, { value })
  expect(read(row?.value)).toEqual(wanted)
})

test('what stands for a column of a Drizzle builder is encoded as the column says', async () => {
  const at = new Date('2026-05-01T12:00:00Z')
  const find = statement<{ at: Date; methods: ('password' | 'totp')[] }, { at: string; methods: string[] }>(({ at: moment, methods }) =>
    draft.select({ at: sql`${sql.param(moment, sessions.createdAt)}::timestamptz as at`, methods: sql`${sql.param(methods, sessions.methods)}::text[] as methods` }).from(sql`(values (1)) one`),
  )
  const [row] = await find(owner.db, { at, methods: ['password', 'totp'] })
  expect([new Date(row?.at ?? 0), row?.methods]).toEqual([at, ['password', 'totp']])
})

test('statements sent together are done in the order of the calls, and undone together', async () => {
  const insert = statement<{ id: string; position: number }>(({ id, position }) => draft.insert(categories).values({ id, label: id, position }))
  const count = statement<Record<string, never>, { n: number }>(() => sql`select count(*)::int as n from categories`)
  const before = (await count(owner.db, {}))[0]?.n ?? 0
  const together = owner.db.transaction((tx) => Promise.all([insert(tx, { id: 'a', position: 1 }), count(tx, {}), insert(tx, { id: 'b', position: 2 }), count(tx, {})]))
  expect((await together).flat().map((row) => row.n)).toEqual([before + 1, before + 2])
  await expect(owner.db.transaction((tx) => Promise.all([insert(tx, { id: 'c', position: 3 }), insert(tx, { id: 'a', position: 1 })]))).rejects.toMatchObject({ code: '23505' })
  expect((await count(owner.db, {}))[0]?.n).toBe(before + 2)
})
