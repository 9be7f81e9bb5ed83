import postgres from 'postgres'
import { embeddedUrls, startEmbeddedPostgres } from '../../db/embedded.ts'
import { makePasswords, readPasswords } from '../../db/embedded/passwords.ts'
import { migrate, pendingMigrations } from '../../db/migrate.ts'
import { setUpRoles } from '../../db/roles.ts'
import { SetUpFault } from '../../db/set-up-fault.ts'
import { prepareDataFolder, takeDataFolder } from './data-folder.ts'
import { readSafeSettings, type Settings } from './settings.ts'

type Report = (line: string) => void

/** Addresses of the migrated database; owner and maintenance are missing when an operator's database was migrated elsewhere. */
export type ReadyUrls = { app: string; owner?: string | undefined; maintenance?: string | undefined }

export type ReadyDatabase = AsyncDisposable & {
  urls: ReadyUrls
  /** Resolves when the embedded database died for good. */
  failed: Promise<SetUpFault>
}

/** `instanceUrl`: origin of the instance that runs on the data folder, if one does; its port may have been chosen at its start. */
type Open = Settings & { urls: ReadyUrls; instanceUrl?: string | undefined }

const never = new Promise<never>(() => {})

/** The database of these settings, up to date: the operator's if there is one, else the embedded one, started. @throws SetUpFault */
export async function openDatabase({ config, secrets }: Settings, report: Report): Promise<ReadyDatabase> {
  if (secrets.databaseUrl !== null) {
    const urls = await operatorsUrls({ config, secrets }, secrets.databaseUrl)
    await bringUpToDate(urls, report)
    return { urls, failed: never, [Symbol.asyncDispose]: async () => {} }
  }
  const embedded = await startEmbeddedPostgres({ dataDir: config.dataDir, keysDir: config.keysDir, report })
  try {
    await migrate(embedded.urls.owner, { report })
    const { app, owner, maintenance } = embedded.urls
    return { urls: { app, owner, maintenance }, failed: embedded.failed, [Symbol.asyncDispose]: embedded.stop }
  } catch (error) {
    await embedded.stop()
    throw error
  }
}

/**
 * Runs work against the database of the settings in `env`: that of the running instance, or else one started for as long as it takes.
 * @throws SetUpFault, ConfigError
 */
export async function withDatabase<T>(env: NodeJS.ProcessEnv, report: Report, work: (database: Open) => Promise<T>): Promise<T> {
  const { config, secrets } = await readSafeSettings(env)
  if (secrets.databaseUrl !== null) {
    await using database = await openDatabase({ config, secrets }, report)
    return await work({ config, secrets, urls: database.urls })
  }
  await prepareDataFolder(config.dataDir)
  const taken = await takeDataFolder(config.dataDir, 'admin', ({ url }) => (typeof url === 'string' ? url : undefined))
  if ('instance' in taken) {
    const urls = await embeddedUrls(config)
    if (!urls) throw new SetUpFault('An instance runs, but the passwords of its database are not in KEYS_DIR; set KEYS_DIR as the instance has it.')
    return work({ config, secrets, urls, instanceUrl: taken.instance })
  }
  try {
    await using database = await openDatabase({ config, secrets }, report)
    return await work({ config, secrets, urls: database.urls })
  } finally {
    taken.lock.release()
  }
}

async function operatorsUrls({ config, secrets }: Settings, given: string): Promise<ReadyUrls> {
  const { databaseOwnerUrl: owner, databaseMaintenanceUrl: maintenance } = secrets
  if (owner !== null || config.production || !(await mayMakeRoles(given))) {
    return { app: given, owner: owner ?? undefined, maintenance: maintenance ?? undefined }
  }
  const passwords = (await readPasswords(config.keysDir)) ?? (await makePasswords(config.keysDir))
  const database = decodeURIComponent(new URL(given).pathname.slice(1))
  if (database === '') throw new SetUpFault('DATABASE_URL must name a database, such as postgres://user@host/torrent_streamer.')
  await setUpRoles(given, { passwords, database, existing: 'refuse' })
  const as = (username: string, password: string) => Object.assign(new URL(given), { username, password }).href
  return {
    app: as('ts_app', passwords.app),
    owner: as('ts_owner', passwords.owner),
    maintenance: maintenance ?? as('ts_maintenance', passwords.maintenance),
  }
}

async function mayMakeRoles(url: string): Promise<boolean> {
  return ask(url, async (sql) => {
    const [role] = await sql<{ may: boolean }[]>`select rolsuper or rolcreaterole as may from pg_roles where rolname = current_user`
    return role?.may ?? false
  })
}

async function bringUpToDate({ app, owner }: ReadyUrls, report: Report) {
  if (owner !== undefined) return ask(owner, () => migrate(owner, { report }))
  const pending = await ask(app, pendingMigrations)
  if (pending > 0) throw new SetUpFault(`The database lacks ${pending} migrations; give DATABASE_OWNER_URL, which may run them.`)
}

/** Asks the operator's server; a server that does not answer is said in one sentence, without the password in its address. */
async function ask<T>(url: string, question: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, connect_timeout: 10, onnotice: () => {} })
  try {
    await sql`select 1`
  } catch (error) {
    await sql.end({ timeout: 5 })
    const { host, pathname, username } = new URL(url)
    throw new SetUpFault(`The database ${host}${pathname} cannot be used as ${username || 'nobody'}: ${(error as Error).message || 'no answer'}.`, { cause: error })
  }
  try {
    return await question(sql)
  } finally {
    await sql.end({ timeout: 5 })
  }
}
