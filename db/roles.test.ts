import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded.ts'
import { migrate } from './migrate.ts'
import { setUpRoles } from './roles.ts'

// A server as an operator has it: no roles of ours, and a login that is no superuser but may make roles and databases.
let folder = ''
let server: EmbeddedPostgres
const random = () => randomBytes(32).toString('base64url')
const passwords = { owner: random(), app: random(), maintenance: random() }

const as = (username: string, password: string, database: string) => Object.assign(new URL(server.urls.admin), { username, password, pathname: `/${database}` }).href
const operator = (database: string) => as('operator', 'theirs', database)

async function ask(url: string, text: string): Promise<Record<string, unknown>[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    return [...(await sql.unsafe(text))]
  } finally {
    await sql.end({ timeout: 5 })
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'roles-'))
  await chmod(folder, 0o755)
  server = await startEmbeddedPostgres({ dataDir: folder, keysDir: join(folder, 'keys'), settings: { fsync: 'off' }, report: () => {} })
  for (const statement of [
    'drop database torrent_streamer',
    'drop role ts_owner, ts_app, ts_maintenance',
    `create role operator login createrole createdb password 'theirs'`,
    'create database theirs owner operator',
  ]) await ask(server.urls.admin, statement)
})

afterAll(async () => {
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

test('an operator with the right to make roles gets them, several times at once and again; the owner can then migrate', async () => {
  const setUp = () => setUpRoles(operator('theirs'), { passwords, database: 'theirs', existing: 'refuse' })
  await Promise.all([setUp(), setUp(), setUp()])
  await setUp()
  await migrate(as('ts_owner', passwords.owner, 'theirs'))
  expect(await ask(as('ts_app', passwords.app, 'theirs'), 'select id from users')).toEqual([])
  await expect(ask(as('ts_app', passwords.app, 'theirs'), 'create table mine (id int)')).rejects.toThrow('permission denied')
  await expect(ask(as('ts_app', passwords.app, 'theirs'), 'delete from users')).rejects.toThrow('permission denied')
  expect(await ask(as('ts_maintenance', passwords.maintenance, 'theirs'), 'select id from sessions')).toEqual([])
})

test('a set-up that was killed before its end is completed by the next', async () => {
  const setUp = () => setUpRoles(operator('theirs'), { passwords, database: 'theirs', existing: 'refuse' })
  await setUp()
  await ask(operator('theirs'), 'revoke connect on database theirs from ts_app')
  await ask(operator('theirs'), 'revoke usage on schema public from ts_maintenance')
  await setUp()
  await ask(as('ts_app', passwords.app, 'theirs'), 'select 1')
  const [usage] = await ask(operator('theirs'), `select has_schema_privilege('ts_maintenance', 'public', 'usage') as given`)
  expect(usage).toEqual({ given: true })
})

test('a database that is missing is made', async () => {
  await setUpRoles(operator('theirs'), { passwords, database: 'made', existing: 'refuse' })
  await ask(as('ts_owner', passwords.owner, 'made'), 'create table mine (id int)')
})

test('roles that someone else uses are left alone', async () => {
  await setUpRoles(operator('theirs'), { passwords, database: 'theirs', existing: 'refuse' })
  const others = { owner: random(), app: random(), maintenance: random() }
  await expect(setUpRoles(operator('theirs'), { passwords: others, database: 'theirs', existing: 'refuse' })).rejects.toThrow(
    'already has a role ts_owner with another password; give DATABASE_URL, DATABASE_OWNER_URL and DATABASE_MAINTENANCE_URL.',
  )
  await ask(as('ts_owner', passwords.owner, 'theirs'), 'select 1')
})

test('a login without the right to make roles is told what to give instead', async () => {
  await ask(server.urls.admin, `create role nobody_much login password 'x'`)
  await ask(operator('theirs'), 'grant connect on database theirs to nobody_much')
  const others = { owner: random(), app: random(), maintenance: random() }
  const refused = setUpRoles(as('nobody_much', 'x', 'theirs'), { passwords: others, database: 'theirs', existing: 'reset' })
  await expect(refused).rejects.toThrow(/^The database server refused to set up the roles \(permission denied .*give DATABASE_OWNER_URL/)
  await ask(as('ts_owner', passwords.owner, 'theirs'), 'select 1')
})
