import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../server/test/database.ts'
import { migrate, pendingMigrations } from './migrate.ts'
import { grantDatabase } from './roles.ts'

const options = { max: 1, onnotice: () => {} }
const { urls } = inject('testServer')
let name = ''
let admin: postgres.Sql
const inEmpty = (url: string) => Object.assign(new URL(url), { pathname: `/${name}` }).href

async function ask<T>(url: string, question: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, options)
  try {
    return await question(sql)
  } finally {
    await sql.end({ timeout: 5 })
  }
}

// An empty database, as set-up leaves it for the first migration.
beforeEach(async () => {
  admin = postgres(urls.admin, options)
  name = `test_migrate_${randomBytes(6).toString('hex')}`
  await admin`create database ${admin(name)} template torrent_streamer`
  await grantDatabase(admin, name)
})

afterEach(async () => {
  await admin`drop database ${admin(name)} with (force)`
  await admin.end({ timeout: 5 })
})

test('several nodes at once: each comes back to a whole database, and only one has worked', async () => {
  const reports: string[] = []
  const nodes = Array.from({ length: 5 }, () => migrate(inEmpty(urls.owner), { report: (line) => reports.push(line) }))
  await Promise.all(nodes)
  expect(reports.filter((line) => line.startsWith('Migrating the database'))).toHaveLength(1)
  const [drizzle] = await ask(inEmpty(urls.superuser), (sql) => sql`select count(*)::int, count(distinct hash)::int as different from drizzle.__drizzle_migrations`)
  expect(drizzle?.['count']).toBe(drizzle?.['different'])
  expect(await ask(inEmpty(urls.app), pendingMigrations)).toBe(0)
})

test('the app role adds and reads jobs, and can change nothing of how they are kept', async () => {
  await migrate(inEmpty(urls.owner))
  await ask(inEmpty(urls.app), async (sql) => {
    await sql`select graphile_worker.add_job('try', '{}')`
    expect(await sql`select task_identifier from graphile_worker.jobs`).toEqual([{ task_identifier: 'try' }])
    await expect(sql`create table graphile_worker.mine (id int)`).rejects.toThrow('permission denied')
    await expect(sql`drop table drizzle.__drizzle_migrations`).rejects.toThrow('must be owner')
    await expect(sql`delete from drizzle.__drizzle_migrations`).rejects.toThrow('permission denied')
  })
})

test('permissions that drifted are put right, and serving goes on meanwhile', async () => {
  await using database: TestDatabase = await createTestDatabase()
  await ask(database.urls.owner, (sql) => sql`grant delete on users to ts_app`)
  let stop = false
  const serving = ask(database.urls.app, async (sql) => {
    let served = 0
    for (; !stop; served++) await sql`select id from users`
    return served
  })
  for (let i = 0; i < 3; i++) await migrate(database.urls.owner)
  stop = true
  expect(await serving).toBeGreaterThan(0)
  await expect(ask(database.urls.app, (sql) => sql`delete from users`)).rejects.toThrow('permission denied')
})

test('an empty database lacks every migration; a migration altered after it ran is refused and nothing runs', async () => {
  const all = await ask(inEmpty(urls.owner), pendingMigrations)
  expect(all).toBeGreaterThan(0)
  await migrate(inEmpty(urls.owner))
  await ask(inEmpty(urls.owner), async (sql) => {
    await sql`update drizzle.__drizzle_migrations set hash = 'another' where id = 1`
    await sql`revoke select on users from ts_app`
    await expect(pendingMigrations(sql)).rejects.toThrow('was altered after this database had run it')
  })
  await expect(migrate(inEmpty(urls.owner))).rejects.toThrow('was altered')
  await expect(ask(inEmpty(urls.app), (sql) => sql`select id from users`)).rejects.toThrow('permission denied')
})
