import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { expect, inject, test } from 'vitest'
import { embeddedUrls } from '../../db/embedded.ts'
import { createTestDatabase, startTestServer } from './database.ts'

const query = async (url: string, text: string) => {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    return await sql.unsafe(text)
  } finally {
    await sql.end()
  }
}

const embeddedUrlsOf = async (folder: string) => (await embeddedUrls({ dataDir: join(folder, '0'), keysDir: join(folder, '0', 'keys') }))?.admin

const names = async () => (await query(inject('testServer').urls.admin, 'select datname from pg_database')).map((row) => row['datname'] as string)

test('each database is migrated, its own, and gone afterwards', async () => {
  // other files make and drop theirs meanwhile: only these two are looked for
  const own: string[] = []
  {
    await using one = await createTestDatabase()
    await using other = await createTestDatabase()
    own.push(...[one, other].map(({ urls }) => new URL(urls.app).pathname.slice(1)))
    await query(one.urls.owner, 'create table only_here (id int)')
    expect(await query(one.urls.app, 'select id from users')).toHaveLength(0)
    await expect(query(other.urls.owner, 'select id from only_here')).rejects.toThrow('does not exist')
    expect(await names()).toEqual(expect.arrayContaining(own))
  }
  expect((await names()).filter((name) => own.includes(name))).toEqual([])
})

test('a database is dropped even while somebody is connected', async () => {
  const database = await createTestDatabase()
  const sql = postgres(database.urls.app, { max: 1, onclose: () => {} })
  await sql`select 1`
  await database[Symbol.asyncDispose]()
  expect(await names()).not.toContain(new URL(database.urls.app).pathname.slice(1))
  await sql.end()
})

test('two runs at once have servers of their own; databases of a killed run are dropped by the next', { timeout: 60_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'test-servers-'))
  await chmod(folder, 0o755)
  try {
    const [first, second] = await Promise.all([startTestServer(folder), startTestServer(folder)])
    expect(new URL(second.urls.app).port).not.toBe(new URL(first.urls.app).port)
    const zero = first.urls.admin === (await embeddedUrlsOf(folder)) ? first : second
    const left = await createTestDatabase(zero)
    await Promise.all([first.stop(), second.stop()])

    const again = await startTestServer(folder)
    await expect(query(left.urls.app.replace(/:\d+\//, `:${new URL(again.urls.app).port}/`), 'select 1')).rejects.toThrow('does not exist')
    expect(again.template).toBe(first.template)
    await again.stop()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
