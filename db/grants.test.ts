import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../server/test/database.ts'

/**
 * What each login can do to each table (control C6): s(elect), i(nsert), u(pdate), d(elete). A new table needs a row here.
 * Nobody but the owner can truncate, reference or put a trigger on any.
 */
const tables: Record<string, { app: string; maintenance: string }> = {
  api_keys: { app: 'siu', maintenance: 's' },
  audit_log: { app: 'si', maintenance: 's' },
  auth_challenges: { app: 'siu', maintenance: 'sd' },
  categories: { app: 's', maintenance: 's' },
  data_exports: { app: 'siu', maintenance: 'sd' },
  email_flows: { app: 'siu', maintenance: 'sd' },
  favorites: { app: 'siud', maintenance: 'sd' },
  guess_throttles: { app: 'siu', maintenance: 'sd' },
  ingest_batches: { app: 'si', maintenance: 'sd' },
  invites: { app: 'siu', maintenance: 'sd' },
  keys: { app: 'siu', maintenance: 'sd' },
  known_devices: { app: 'siu', maintenance: 'sd' },
  live_streams: { app: 'siud', maintenance: 'sd' },
  passkeys: { app: 'siu', maintenance: 'sd' },
  playback_links: { app: 'siu', maintenance: 'sd' },
  publications: { app: 'siu', maintenance: 's' },
  rate_limits: { app: 'siud', maintenance: 'sd' },
  recovery_codes: { app: 'siu', maintenance: 'sd' },
  refresh_tokens: { app: 'siu', maintenance: 'sd' },
  sessions: { app: 'siu', maintenance: 'sd' },
  setup_links: { app: 'siu', maintenance: 'sd' },
  torrent_files: { app: 'si', maintenance: 'sd' },
  torrent_infos: { app: 'si', maintenance: 'sd' },
  torrents: { app: 'siu', maintenance: 's' },
  totp_factors: { app: 'siu', maintenance: 'sd' },
  user_preferences: { app: 'siud', maintenance: 'sd' },
  users: { app: 'siu', maintenance: 'su' },
  watch_history: { app: 'siud', maintenance: 'sd' },
}

const denied = '42501'
let database: TestDatabase
const logins: Record<string, postgres.Sql> = {}
const as = (role: string): postgres.Sql => logins[role] ?? expect.fail(`no login ${role}`)
beforeAll(async () => {
  database = await createTestDatabase()
  for (const role of ['app', 'maintenance', 'owner', 'superuser'] as const) logins[role] = postgres(database.urls[role], { max: 2, onnotice: () => undefined })
})
afterAll(async () => {
  for (const sql of Object.values(logins)) await sql.end({ timeout: 5 })
  await database[Symbol.asyncDispose]()
})

/** Runs a statement and takes it back. @returns its SQLSTATE, or "done" */
async function attempt(role: string, statement: string): Promise<string> {
  const undo = new Error('undone')
  try {
    await as(role).begin(async (tx) => {
      await tx.unsafe(statement)
      throw undo
    })
  } catch (error) {
    if (error === undo) return 'done'
    if (error instanceof postgres.PostgresError) return error.code
    throw error
  }
  return expect.fail('the transaction was not undone')
}

it('has a row for every table', async () => {
  const found = await as('superuser')<{ name: string }[]>`select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f') order by relname`
  expect(found.map(({ name }) => name)).toEqual(Object.keys(tables))
})

describe.each(Object.entries(tables))('%s', (table, allowed) => {
  it.each(['app', 'maintenance'] as const)('%s can do what is granted, and no more', async (role) => {
    const [column] = await as('superuser')<{ name: string }[]>`select attname as name from pg_attribute where attrelid = ${table}::regclass and attnum > 0 and attgenerated = '' and attidentity = '' order by attnum limit 1`
    const statements = {
      s: `select * from ${table} limit 1`,
      i: `insert into ${table} default values`,
      u: `update ${table} set ${column?.name} = ${column?.name} where false`,
      d: `delete from ${table} where false`,
      t: `truncate ${table} cascade`,
      x: `lock table ${table} in access exclusive mode`,
    }
    const possible: string[] = []
    // an empty row breaks other rules of the table, but only where inserting is allowed
    for (const [verb, statement] of Object.entries(statements)) if ((await attempt(role, statement)) !== denied) possible.push(verb)
    const granted = [...allowed[role]]
    // who may change rows may lock them away for a while; a statement's time limit bounds it
    expect(possible.filter((verb) => verb !== 'x')).toEqual(granted)
    for (const privilege of ['truncate', 'references', 'trigger']) {
      expect((await as('superuser')`select has_table_privilege(${`ts_${role}`}, ${table}, ${privilege}) as has`)[0]).toEqual({ has: false })
    }
  })
})

describe('the app role', () => {
  it('is no superuser, owns nothing and is in no other role', async () => {
    const [role] = await as('superuser')`select rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls from pg_roles where rolname = 'ts_app'`
    expect(Object.values(role ?? {})).toEqual([false, false, false, false, false])
    expect(await as('superuser')`select 1 from pg_class where relowner = 'ts_app'::regrole union select 1 from pg_proc where proowner = 'ts_app'::regrole union select 1 from pg_namespace where nspowner = 'ts_app'::regrole`).toHaveLength(0)
    expect(await as('superuser')`select 1 from pg_auth_members where member = 'ts_app'::regrole or roleid = 'ts_app'::regrole`).toHaveLength(0)
  })

  it('fills in what is found out about a file, and changes nothing of what was verified', async () => {
    const facts = ['examined_at', 'container', 'playable', 'duration_seconds', 'bytes_per_second', 'index_at', 'tracks']
    const columns = await as('superuser')<{ name: string }[]>`select attname as name from pg_attribute where attrelid = 'torrent_files'::regclass and attnum > 0`
    expect(columns.map(({ name }) => name)).toEqual(['torrent_id', 'index', 'path', 'size_bytes', 'mime_type', ...facts])
    for (const { name } of columns) expect(await attempt('app', `update torrent_files set ${name} = ${name} where false`), name).toBe(facts.includes(name) ? 'done' : denied)
  })

  test.each([
    'create table loot (a int)',
    'create temporary table loot (a int)',
    'create view loot as select 1',
    'create schema loot',
    'create function loot() returns int language sql as $$ select 1 $$',
    'create or replace function search_query(typed text) returns tsquery language sql as $$ select null::tsquery $$',
    'create sequence loot',
    'create type loot as (a int)',
    'create extension dblink',
    'create extension file_fdw',
    'create role loot login superuser',
    'create publication loot for all tables',
    'create event trigger loot on ddl_command_start execute function pg_catalog.version()',
    'create index loot on users (name)',
    'create trigger loot before update on audit_log for each row execute function suppress_redundant_updates_trigger()',
    'create policy loot on users using (true)',
    'alter table users add column loot text',
    'alter table audit_log disable trigger all',
    'alter table torrents drop constraint torrents_approved_is_verified',
    'alter table users owner to ts_app',
    'alter role ts_owner password null',
    'alter role ts_app superuser',
    'alter role ts_app createrole',
    'alter database torrent_streamer set search_path = loot',
    'alter schema public rename to loot',
    'drop table rate_limits',
    'drop schema public cascade',
    'drop function search_query(text)',
    'drop role ts_maintenance',
    'grant ts_owner to ts_app',
    'set role ts_owner',
    'set session authorization postgres',
    'set session_replication_role = replica',
    'set log_statement = none',
    'insert into categories values (\'loot\', \'Loot\', 1)',
    'update drizzle.__drizzle_migrations set hash = null where false',
    'delete from drizzle.__drizzle_migrations',
    'drop table graphile_worker._private_jobs',
    'select * from pg_authid',
    'select * from pg_shadow',
    'select * from pg_hba_file_rules',
    `select pg_read_file('/etc/passwd')`,
    `select pg_read_binary_file('/etc/passwd')`,
    `select pg_ls_dir('/')`,
    `select pg_stat_file('/etc/passwd')`,
    `select lo_import('/etc/passwd')`,
    `select lo_export(0, '/tmp/loot')`,
    `copy users to '/tmp/loot'`,
    `copy users from '/etc/passwd'`,
    `copy users to program 'true'`,
    `copy users from program 'true'`,
    'select pg_reload_conf()',
    'select pg_rotate_logfile()',
    'select pg_switch_wal()',
    `select pg_create_restore_point('loot')`,
    'select pg_promote()',
    'checkpoint',
    'load \'plpython3\'',
  ])('cannot %s', async (statement) => {
    expect(await attempt('app', statement)).toBe(denied)
  })

  // Postgres runs these in no transaction
  test.each(['create database loot', 'alter system set log_connections = on', 'create tablespace loot location \'/tmp\'', 'drop database postgres'])('cannot %s', async (statement) => {
    await expect(as('app').unsafe(statement)).rejects.toMatchObject({ code: denied })
  })

  it('can hand on no right, nor take more', async () => {
    // Postgres answers a grant of nothing with a mere warning
    await as('app')`grant delete on users to ts_app`
    await as('app')`grant select on users to public`
    const [has] = await as('superuser')`select has_table_privilege('ts_app', 'users', 'delete') as app, has_table_privilege('public', 'users', 'select') as everyone`
    expect(has).toEqual({ app: false, everyone: false })
  })

  it('cannot end the connections of others', async () => {
    const [owner] = await as('owner')<{ pid: number }[]>`select pg_backend_pid() as pid`
    expect(await attempt('app', `select pg_terminate_backend(${owner?.pid})`)).toBe(denied)
    expect(await attempt('app', `select pg_cancel_backend(${owner?.pid})`)).toBe(denied)
    expect(await as('owner')`select 1 as alive`).toEqual([{ alive: 1 }])
  })

  it('writes audit rows and can change none', async () => {
    await as('app')`insert into audit_log (at, actor_kind, action) values (now(), 'system', 'test.row')`
    const before = await as('superuser')`select * from audit_log`
    expect(before).toHaveLength(1)
    for (const statement of [
      `update audit_log set action = 'nothing'`,
      'delete from audit_log',
      'truncate audit_log',
      `insert into audit_log (id, at, actor_kind, action) overriding system value values (1, now(), 'system', 'x') on conflict (id) do update set action = 'x'`,
      `merge into audit_log using (values (1)) v (n) on true when matched then delete`,
      'select * from audit_log for update',
      `alter sequence audit_log_id_seq restart`,
      `select setval('audit_log_id_seq', 1)`,
    ])
      expect([statement, await attempt('app', statement)]).toEqual([statement, denied])
    expect(await as('superuser')`select * from audit_log`).toEqual(before)
  })

  it('adds, works and removes jobs, but cannot alter how the queue is made', async () => {
    expect(await attempt('app', `select graphile_worker.add_job('test', '{}'::json)`)).toBe('done')
    expect(await attempt('app', 'delete from graphile_worker._private_jobs')).toBe('done')
    for (const statement of ['alter table graphile_worker._private_jobs disable row level security', 'drop policy app_works_jobs on graphile_worker._private_jobs', 'create table graphile_worker.loot (a int)']) {
      expect(await attempt('app', statement)).toBe(denied)
    }
  })

  it('makes nothing in the database that every server has', async () => {
    const sql = postgres(Object.assign(new URL(database.urls.app), { pathname: '/postgres' }).href, { max: 1, onnotice: () => undefined })
    const code = await sql`create table loot (a int)`.then(() => 'done', (error: postgres.PostgresError) => error.code)
    await sql.end({ timeout: 5 })
    expect(code).toBe(denied)
  })
})

describe('the maintenance role', () => {
  test.each(['create table loot (a int)', 'create role loot', 'alter table users add column loot text', 'update torrents set title = null where false', 'delete from audit_log', 'delete from users', 'delete from torrents', `copy users to program 'true'`, 'set role ts_owner', 'update graphile_worker._private_jobs set key = null'])('cannot %s', async (statement) => {
    expect(await attempt('maintenance', statement)).toBe(denied)
  })
})

it('whoever is none of them gets in nowhere', async () => {
  const roles = await as('superuser')<{ name: string }[]>`select rolname as name from pg_roles where rolcanlogin order by rolname`
  expect(roles.map(({ name }) => name)).toEqual(['postgres', 'ts_app', 'ts_maintenance', 'ts_owner'])
  const [rights] = await as('superuser')`select has_database_privilege('public', current_database(), 'connect') as connect, has_database_privilege('public', current_database(), 'temporary') as temporary, has_schema_privilege('public', 'public', 'usage') as usage`
  expect(rights).toEqual({ connect: false, temporary: false, usage: false })
})
