import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../server/test/database.ts'
import { documents, hasDrifted } from './documents.ts'
import { settingsPage } from './settings.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database[Symbol.asyncDispose]())

describe('the checked-in documents are what the code makes; "npm run generate" brings them up to date', () => {
  test.each(documents.map((document) => [document.path, document] as const))('%s', async (_path, document) => {
    expect(await hasDrifted(document, database.urls.owner)).toBe(false)
  })

  test('a document that differs by one character, or is missing, has drifted', async () => {
    const [document] = documents
    if (!document) throw new Error('there are no documents')
    expect(await hasDrifted({ ...document, make: async (url) => `${await document.make(url)} ` }, database.urls.owner)).toBe(true)
    expect(await hasDrifted({ ...document, path: 'absent.json' }, database.urls.owner)).toBe(true)
  })

  test('the schema shows a change of the database', async () => {
    await using other = await createTestDatabase()
    const schema = documents.find(({ path }) => path === 'db/schema.sql')
    if (!schema) throw new Error('db/schema.sql is not among the documents')
    const { default: postgres } = await import('postgres')
    const sql = postgres(other.urls.owner, { max: 1 })
    await sql`alter table categories add column planted text`
    await sql.end()
    expect(await hasDrifted(schema, other.urls.owner)).toBe(true)
  })
})

test('the page of settings marks what is secret and keeps its table whole', () => {
  const rows = settingsPage().split('\n').filter((row) => row.startsWith('| `'))
  expect(rows.find((row) => row.includes('`DATABASE_URL`'))).toContain('**Secret.**')
  expect(rows.find((row) => row.includes('`PORT`'))).not.toContain('Secret')
  for (const row of rows) expect(row.replaceAll('\\|', '').split('|')).toHaveLength(5)
})
