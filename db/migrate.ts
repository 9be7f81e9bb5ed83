import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { Logger, runMigrations } from 'graphile-worker'
import postgres from 'postgres'
import { SetUpFault } from './set-up-fault.ts'

const MIGRATIONS = fileURLToPath(new URL('migrations', import.meta.url))
const GRANTS = fileURLToPath(new URL('grants.sql', import.meta.url))

type Sql = postgres.Sql
type Options = { report?: (line: string) => void }

/**
 * Brings the database up to date: our tables, the job queue's, and what each role may do. Safe to run twice, and by several
 * nodes at once: one works, the others wait for it.
 * @throws SetUpFault when an applied migration was altered since
 */
export async function migrate(ownerUrl: string, { report = () => {} }: Options = {}): Promise<void> {
  // One connection, so that the lock belongs to the very session that migrates; no time limit on what it does.
  const sql = postgres(ownerUrl, { max: 1, connect_timeout: 10, onnotice: () => {}, connection: { application_name: 'torrent-streamer migrate' } })
  try {
    const [free] = await sql<{ locked: boolean }[]>`select pg_try_advisory_lock(hashtextextended('torrent-streamer migrations', 0)) as locked`
    if (!free?.locked) {
      report('Waiting for another node to migrate the database.')
      await sql`select pg_advisory_lock(hashtextextended('torrent-streamer migrations', 0))`
    }
    const pending = await pendingMigrations(sql)
    if (pending > 0) {
      report(`Migrating the database (${pending} new).`)
      await runPending(sql)
    }
    await runMigrations({ connectionString: ownerUrl, logger: new Logger(() => () => {}) })
    await applyGrants(sql)
  } finally {
    await sql.end({ timeout: 5 })
  }
}

async function runPending(sql: Sql) {
  // Loaded only when needed: drizzle is most of what a start would have to load.
  const { drizzle } = await import('drizzle-orm/postgres-js')
  const { migrate: migrateWithDrizzle } = await import('drizzle-orm/postgres-js/migrator')
  await migrateWithDrizzle(drizzle(sql), { migrationsFolder: MIGRATIONS })
}

/**
 * How many of the shipped migrations the database lacks. Works as the app role too.
 * @throws SetUpFault when one of those it has is not what is shipped under that date
 */
export async function pendingMigrations(sql: Sql): Promise<number> {
  const shipped = readMigrationFiles({ migrationsFolder: MIGRATIONS })
  const [table] = await sql`select 1 where to_regclass('drizzle.__drizzle_migrations') is not null`
  if (!table) return shipped.length
  const applied = await sql<{ hash: string; at: string }[]>`select hash, created_at::text as at from drizzle.__drizzle_migrations`
  const hashes = new Map(applied.map(({ at, hash }) => [Number(at), hash]))
  const altered = shipped.find(({ folderMillis, hash }) => hashes.has(folderMillis) && hashes.get(folderMillis) !== hash)
  if (altered) {
    throw new SetUpFault(`A migration of ${new Date(altered.folderMillis).toISOString()} was altered after this database had run it.`)
  }
  return shipped.filter(({ folderMillis }) => !hashes.has(folderMillis)).length
}

/** One transaction, so that a serving node never sees the moment between taking and giving. */
async function applyGrants(sql: Sql) {
  const grants = await readFile(GRANTS, 'utf8')
  for (let tries = 1; ; tries++) {
    try {
      await sql.begin(async (tx) => {
        await tx`set local lock_timeout = '5s'`
        await tx.unsafe(grants)
      })
      return
    } catch (error) {
      // A node that works jobs meanwhile may hold the same tables in another order.
      const inTheWay = error instanceof postgres.PostgresError && ['40P01', '55P03'].includes(error.code)
      if (!inTheWay || tries === 10) throw error
      await pause(50 * tries)
    }
  }
}
