import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import postgres from 'postgres'
import { SetUpFault } from './set-up-fault.ts'

export const DATABASE = 'torrent_streamer'

const ROLES = { owner: 'ts_owner', app: 'ts_app', maintenance: 'ts_maintenance' } as const
type Role = keyof typeof ROLES
const roles = Object.keys(ROLES) as Role[]
const NONE = 'nosuperuser nocreatedb nocreaterole noreplication nobypassrls'

type Options = {
  passwords: Record<Role, string>
  database: string
  /** What to do with a role that exists under another password: `reset` it (a server of our own), or `refuse` (someone else's). */
  existing: 'reset' | 'refuse'
}

/**
 * Makes the three logins and the database, or leaves them as they are. Safe to run twice and at the same time.
 * @param adminUrl a login that may create roles; also databases, if `database` does not exist yet
 * @throws SetUpFault
 */
export async function setUpRoles(adminUrl: string, { passwords, database, existing }: Options): Promise<void> {
  if (await allLogIn(adminUrl, passwords, database)) return
  const sql = connect(adminUrl)
  try {
    await sql`select pg_advisory_lock(hashtextextended('torrent-streamer roles', 0))`
    const [server] = await sql<{ version: number }[]>`select current_setting('server_version_num')::int as version`
    if (!server || server.version < 150_000) throw new SetUpFault('The database server must be Postgres 15 or newer.')
    for (const role of roles) await setUpRole(sql, adminUrl, role, { passwords, existing })
    const [found] = await sql`select 1 from pg_database where datname = ${database}`
    if (!found) await sql`create database ${sql(database)} template template0 encoding 'UTF8'`
    await grantSchema(withDatabase(adminUrl, database))
    // The permission to connect comes last: who can log in takes the rest as done.
    await grantDatabase(sql, database)
  } catch (error) {
    throw asFault(error)
  } finally {
    await sql.end({ timeout: 5 })
  }
}

async function setUpRole(sql: postgres.Sql, adminUrl: string, role: Role, { passwords, existing }: Omit<Options, 'database'>) {
  const name = ROLES[role]
  const [found] = await sql`select 1 from pg_roles where rolname = ${name}`
  // The server never sees the password itself, so no log of it can hold it.
  const login = `${NONE} login password '${scramVerifier(passwords[role])}'`
  if (!found) await sql.unsafe(`create role ${name} ${login}`)
  else if (await logsIn(adminUrl, name, passwords[role])) return
  else if (existing === 'reset') await sql.unsafe(`alter role ${name} ${login}`)
  else {
    throw new SetUpFault(
      `The database server already has a role ${name} with another password; give DATABASE_URL, DATABASE_OWNER_URL and DATABASE_MAINTENANCE_URL.`,
    )
  }
}

/** Who may enter a database. A copy made with `create database … template` does not inherit this. */
export async function grantDatabase(sql: postgres.Sql, database: string): Promise<void> {
  await sql`revoke all on database ${sql(database)} from public`
  await sql`grant connect, create, temporary on database ${sql(database)} to ts_owner`
  await sql`grant connect on database ${sql(database)} to ts_app, ts_maintenance`
}

async function grantSchema(url: string) {
  const sql = connect(url)
  try {
    await sql`revoke all on schema public from public`
    await sql`grant create, usage on schema public to ts_owner`
    await sql`grant usage on schema public to ts_app, ts_maintenance`
    // Somebody without the right to grant gets a mere warning.
    const [done] = await sql`select 1 where has_schema_privilege('ts_owner', 'public', 'create')`
    if (!done) throw new SetUpFault('The login in DATABASE_URL must own the database; give DATABASE_OWNER_URL and DATABASE_MAINTENANCE_URL.')
  } finally {
    await sql.end({ timeout: 5 })
  }
}

async function allLogIn(adminUrl: string, passwords: Record<Role, string>, database: string) {
  const logins = roles.map((role) => logsIn(adminUrl, ROLES[role], passwords[role], database))
  return (await Promise.all(logins)).every(Boolean)
}

/** Whether the login works; with a database, also whether it may enter that. */
async function logsIn(adminUrl: string, role: string, password: string, database?: string): Promise<boolean> {
  const url = new URL(database === undefined ? adminUrl : withDatabase(adminUrl, database))
  url.username = role
  url.password = password
  const sql = connect(url.href)
  try {
    await sql`select 1`
    return true
  } catch (error) {
    // 42501: the password was right, the permission to connect is missing.
    return database === undefined && error instanceof postgres.PostgresError && error.code === '42501'
  } finally {
    await sql.end({ timeout: 5 })
  }
}

const connect = (url: string) => postgres(url, { max: 1, connect_timeout: 10, onnotice: () => {} })

function withDatabase(adminUrl: string, database: string): string {
  const url = new URL(adminUrl)
  url.pathname = `/${database}`
  return url.href
}

/** A password as Postgres stores it: RFC 5803, with the iteration count Postgres uses. Our passwords are ASCII, so SASLprep is the identity. */
export function scramVerifier(password: string): string {
  const salt = randomBytes(16)
  const iterations = 4096
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256')
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest()
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64')
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${hmac('Server Key').toString('base64')}`
}

function asFault(error: unknown): unknown {
  if (!(error instanceof postgres.PostgresError)) return error
  return new SetUpFault(`The database server refused to set up the roles (${error.message}); give DATABASE_OWNER_URL and DATABASE_MAINTENANCE_URL.`, {
    cause: error,
  })
}
