/**
 * Global set-up of vitest: one embedded Postgres for the run, with a migrated template database; and, for test files, a copy of
 * that template each. The cluster stays in `.cache` between runs, so only the first run makes one.
 */
import { createHash, randomBytes } from 'node:crypto'
import { readFile, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { inject } from 'vitest'
import { DatabaseBusy, type DatabaseUrls, type EmbeddedPostgres, startEmbeddedPostgres } from '../../db/embedded.ts'
import { readPlace } from '../../db/embedded/place.ts'
import { migrate } from '../../db/migrate.ts'
import { grantDatabase } from '../../db/roles.ts'
import { SetUpFault } from '../../db/set-up-fault.ts'

type TestServer = { urls: DatabaseUrls; template: string }
export type TestDatabase = AsyncDisposable & { urls: DatabaseUrls }

declare module 'vitest' {
  interface ProvidedContext {
    testServer: TestServer
  }
}

const root = fileURLToPath(new URL('../..', import.meta.url))

// Nothing in a test survives a crash of the machine, and nothing needs to.
const SETTINGS = {
  fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', autovacuum: 'off', max_connections: '200', shared_buffers: '64MB',
}

export default async function setUp({ provide }: { provide: (key: 'testServer', value: TestServer) => void }) {
  const server = await startTestServer(join(root, '.cache', 'test-postgres'))
  provide('testServer', { urls: server.urls, template: server.template })
  return () => server.stop()
}

/** Starts a server that no other run uses: the first of `<folder>/0`, `<folder>/1`, … that is free. */
export async function startTestServer(folder: string): Promise<TestServer & { stop(): Promise<void> }> {
  for (let slot = 0; ; slot++) {
    const dataDir = join(folder, String(slot))
    const server = await startOrRemake(dataDir).catch((error: unknown) => {
      if (error instanceof DatabaseBusy) return undefined
      throw error
    })
    if (!server) continue
    try {
      return { urls: server.urls, template: await prepareTemplate(server.urls), stop: server.stop }
    } catch (error) {
      await server.stop()
      throw error
    }
  }
}

async function startOrRemake(dataDir: string): Promise<EmbeddedPostgres> {
  const options = { dataDir, keysDir: join(dataDir, 'keys'), settings: SETTINGS, report: () => {} }
  try {
    return await startEmbeddedPostgres(options)
  } catch (error) {
    if (!(error instanceof SetUpFault) || error instanceof DatabaseBusy) throw error
    // Without fsync a crash of the machine may have left it broken.
    const place = await readPlace(dataDir)
    if (place) await rm(place.cluster, { recursive: true, force: true })
    return startEmbeddedPostgres(options)
  }
}

/** Drops what killed runs left, and makes the template unless the one of these very migrations is there. @returns its name */
async function prepareTemplate(urls: DatabaseUrls): Promise<string> {
  const template = `template_${await hashOfMigrations()}`
  const draft = `draft_${template}`
  const sql = connect(urls.admin)
  try {
    const stale = await sql<{ name: string }[]>`
      select datname as name from pg_database where datname ~ '^(test|draft|template)_' and datname <> ${template}`
    for (const { name } of stale) await sql`drop database ${sql(name)} with (force)`
    const [found] = await sql`select 1 from pg_database where datname = ${template}`
    if (found) return template
    // A copy of the database that the roles' set-up has prepared, so that the schema's permissions are as in production.
    await sql`create database ${sql(draft)} template torrent_streamer`
    await grantDatabase(sql, draft)
    await migrate(urlsFor(urls, draft).owner)
    await sql`alter database ${sql(draft)} rename to ${sql(template)}`
    return template
  } finally {
    await sql.end({ timeout: 5 })
  }
}

/** Of everything that decides what a migrated database looks like. */
async function hashOfMigrations(): Promise<string> {
  const hash = createHash('sha256')
  const folder = join(root, 'db')
  const migrations = (await readdir(join(folder, 'migrations'), { recursive: true })).filter((name) => /\.(sql|json)$/.test(name)).sort()
  const files = ['grants.sql', 'migrate.ts', 'roles.ts', ...migrations.map((name) => join('migrations', name)), '../package-lock.json']
  for (const file of files) hash.update(await readFile(join(folder, file)))
  return hash.digest('hex').slice(0, 16)
}

/** A database of one's own, migrated and otherwise empty; dropped when disposed. For one test file, or one test. */
export async function createTestDatabase(server: TestServer = inject('testServer')): Promise<TestDatabase> {
  const name = `test_${process.pid}_${randomBytes(6).toString('hex')}`
  await asAdmin(server, async (sql) => {
    await sql`create database ${sql(name)} template ${sql(server.template)}`
    await grantDatabase(sql, name)
  })
  return {
    urls: urlsFor(server.urls, name),
    [Symbol.asyncDispose]: () => asAdmin(server, async (sql) => void (await sql`drop database if exists ${sql(name)} with (force)`)),
  }
}

async function asAdmin(server: TestServer, work: (sql: postgres.Sql) => Promise<void>) {
  const sql = connect(server.urls.admin)
  try {
    await work(sql)
  } finally {
    await sql.end({ timeout: 5 })
  }
}

function urlsFor(urls: DatabaseUrls, database: string): DatabaseUrls {
  const inDatabase = (url: string) => Object.assign(new URL(url), { pathname: `/${database}` }).href
  const { admin, superuser, owner, app, maintenance } = urls
  return { admin, superuser: inDatabase(superuser), owner: inDatabase(owner), app: inDatabase(app), maintenance: inDatabase(maintenance) }
}

const connect = (url: string) => postgres(url, { max: 1, connect_timeout: 10, onnotice: () => {} })
