import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { holderOf, startOf } from '../db/embedded/lock.mjs'
import { createTestDatabase } from '../server/test/database.ts'
import { withDatabase } from './setup/database.ts'
import { startInstance } from './setup/instance.ts'

const startScript = fileURLToPath(new URL('./start.ts', import.meta.url))
const timeout = 240_000
let folder = ''
const running = new Set<ChildProcess>()

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'start-'))
  await chmod(folder, 0o755)
})

afterEach(async () => {
  for (const child of running) {
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
})

afterAll(() => rm(folder, { recursive: true, force: true }), 30_000)

const settings = (env: Record<string, string>) => ({ PATH: process.env['PATH'], NODE_OPTIONS: process.env['NODE_OPTIONS'], NODE_ENV: 'test' as const, PORT: '0', ...env })

/** `npm start` without npm: what it says, line by line. */
function start(env: Record<string, string>) {
  const child = spawn(process.execPath, [startScript], { env: settings(env), stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  child.stdout.resume()
  const ended = once(child, 'exit').then(([code, signal]) => {
    running.delete(child)
    return (code ?? signal) as number | string
  })
  const line = (pattern: RegExp) =>
    vi.waitFor(
      () => {
        const found = pattern.exec(said)
        if (!found) throw new Error(`Not said yet: ${pattern}\n${said}`)
        return found[1] ?? ''
      },
      { timeout: 60_000, interval: 20 },
    )
  return { child, ended, line, said: () => said }
}

const answers = async (url: string) => {
  const response = await fetch(`${url}/readyz`)
  await response.arrayBuffer() // or its connection stays open
  return response.status
}
const ready = (url: string) => vi.waitFor(async () => expect(await answers(url)).toBe(200), { timeout: 30_000, interval: 50 })
const gone = (pids: number[]) => vi.waitFor(() => expect(pids.filter((pid) => startOf(pid) !== undefined)).toEqual([]), { timeout: 30_000, interval: 50 })

async function processesOf(dataDir: string) {
  const postmaster = Number((await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0])
  const { pid: server } = JSON.parse(await readFile(join(dataDir, 'server.pid'), 'utf8')) as { pid: number }
  return { postmaster, server }
}

/** The children of a process; the engine is the server's. */
async function childrenOf(pid: number): Promise<number[]> {
  if (process.platform !== 'linux') return []
  return (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ').filter(Boolean).map(Number)
}

test('a whole life: it says where things are, survives kills of its parts, refuses a second of its kind, and ends with all it started', { timeout }, async () => {
  const dataDir = join(folder, 'life')
  const first = start({ DATA_DIR: dataDir })
  const url = await first.line(/Console +(http:\/\/localhost:\d+)\n/)
  expect(await first.line(/API document +(\S+)\n/)).toBe(`${url}/api/v1/openapi.json`)
  expect(await first.line(/Data folder +(\S+)\n/)).toBe(dataDir)
  expect(await first.line(/makes the first one.*\n +(\S+)\n/)).toMatch(new RegExp(`^${url}/set-up/\\S{40,}$`))
  await ready(url)
  expect((await fetch(`${url}/`, { redirect: 'manual' })).status).toBeLessThan(400)
  expect((await fetch(`${url}/api/v1/openapi.json`)).status).toBe(200)

  // A second start with the same data folder.
  const second = start({ DATA_DIR: dataDir })
  expect(await second.ended).toBe(1)
  expect(second.said()).toBe(
    `An instance with the data folder ${dataDir} is already running at ${url} (process ${first.child.pid}); stop it, or set DATA_DIR and PORT to start another.\n`,
  )

  // Another data folder with the same port.
  const third = start({ DATA_DIR: join(folder, 'other'), PORT: new URL(url).port })
  expect(await third.ended).toBe(1)
  expect(third.said().split('\n').slice(-2)[0]).toBe(`Port ${new URL(url).port} is in use: stop what uses it, or set PORT to another.`)
  expect(await readdir(join(folder, 'other', 'postgres'))).not.toContain('postmaster.pid')
  expect(holderOf(join(folder, 'other', 'instance.lock'))).toBeUndefined()

  // Operators' commands meet the running instance.
  await withDatabase(settings({ DATA_DIR: dataDir }), () => {}, async ({ urls, instanceUrl }) => {
    expect(instanceUrl).toBe(url)
    const sql = postgres(urls.app, { max: 1 })
    expect(await sql`select id from users`).toEqual([])
    await sql.end()
  })

  // Its Postgres killed with -9.
  const before = await processesOf(dataDir)
  process.kill(before.postmaster, 'SIGKILL')
  await first.line(/(The database runs again\.)/)
  await ready(url)

  // Its server killed with -9: the same address answers again.
  const engines = await childrenOf(before.server)
  process.kill(before.server, 'SIGKILL')
  await first.line(/(The server ended unexpectedly \(SIGKILL\); starting it again\.\nThe server runs again\.)/)
  await ready(url)
  await gone(engines)

  // Ctrl-C, twice as npm may send it.
  const { postmaster, server } = await processesOf(dataDir)
  const last = [postmaster, server, ...(await childrenOf(server))]
  first.child.kill('SIGINT')
  first.child.kill('SIGINT')
  expect(await first.ended).toBe(0)
  expect(last.filter((pid) => startOf(pid) !== undefined)).toEqual([])
  expect(first.said().match(/Stopping\./g)).toHaveLength(1)

  // Nothing runs: an operator's command starts the database for itself, and stops it.
  await withDatabase(settings({ DATA_DIR: dataDir }), () => {}, async ({ urls, instanceUrl }) => {
    expect(instanceUrl).toBeUndefined()
    const sql = postgres(urls.app, { max: 1 })
    await sql`select 1`
    await sql.end()
  })
  expect(await readdir(join(dataDir, 'postgres'))).not.toContain('postmaster.pid')
})

test('killed with -9 it leaves nothing running, and the next start on the same folder and port comes up', { timeout }, async () => {
  const dataDir = join(folder, 'life')
  const killed = start({ DATA_DIR: dataDir })
  const url = await killed.line(/Console +(http:\/\/localhost:\d+)\n/)
  const { postmaster, server } = await processesOf(dataDir)
  const all = [postmaster, server, ...(await childrenOf(server))]
  killed.child.kill('SIGKILL')
  await killed.ended

  // At once, while the old server may still be ending.
  const next = start({ DATA_DIR: dataDir, PORT: new URL(url).port })
  expect(await next.line(/Console +(http:\/\/localhost:\d+)\n/)).toBe(url)
  await ready(url)
  await gone(all)
})

test('told to stop while it starts, it stops, and leaves nothing running', { timeout }, async () => {
  const dataDir = join(folder, 'life')
  const interrupted = start({ DATA_DIR: dataDir })
  await interrupted.line(/(Starting the server\.)/)
  const { postmaster } = { postmaster: Number((await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0]) }
  interrupted.child.kill('SIGTERM')
  expect(await interrupted.ended).toBe(0)
  expect(startOf(postmaster)).toBeUndefined()
  expect(interrupted.said()).not.toContain('Ready')
})

test("an operator's own database is migrated and served from; nothing embedded is made", { timeout }, async () => {
  await using database = await createTestDatabase()
  const dataDir = join(folder, 'operator')
  const { app, owner } = database.urls
  await using instance = await startInstance({ env: settings({ DATA_DIR: dataDir, DATABASE_URL: app, DATABASE_OWNER_URL: owner }), report: () => {} })
  await ready(instance.baseUrl)
  expect(await readdir(dataDir)).not.toContain('postgres')
  await instance.stop()
  // Its app login alone will do where nothing is left to migrate.
  await using again = await startInstance({ env: settings({ DATA_DIR: dataDir, DATABASE_URL: app }), report: () => {} })
  await ready(again.baseUrl)
})

/** The one line that a start which cannot begin says, with exit code 1. */
async function refusal(env: Record<string, string>): Promise<string> {
  const refused = start(env)
  expect(await refused.ended).toBe(1)
  return refused.said()
}

test('every fault of the settings is named at once, and nothing is made', async () => {
  const dataDir = join(folder, 'never')
  const said = await refusal({ DATA_DIR: dataDir, PORT: 'many', LOG_LEVEL: 'loud', TRUSTED_PROXIES: '', CORS_ORIGINS: '*' })
  expect(said).toContain('PORT must be')
  expect(said).toContain('LOG_LEVEL')
  expect(said).not.toContain(' at ')
  expect(await readdir(folder)).not.toContain('never')
})

test('every secret that production must not run with is named at once, by a start and by a command alike, and nothing is made', async () => {
  const keysDir = join(folder, 'no-keys')
  const url = (login: string, password: string) => `postgres://${login}:${password}@127.0.0.1:1/tv`
  const env = {
    DATA_DIR: join(folder, 'never'), KEYS_DIR: keysDir, PUBLIC_URL: 'https://tv.example.org', TRUSTED_PROXIES: '127.0.0.1',
    DATABASE_URL: url('ts_app', 'tooshort1'), DATABASE_OWNER_URL: url('ts_owner', 'changeme'), DATABASE_MAINTENANCE_URL: url('ts_maintenance', 'ts_maintenance'),
  }
  const faults = [
    'DATABASE_URL has a password of fewer than 12 characters; set a random one',
    'DATABASE_OWNER_URL has a password that is a known example; set a random one',
    'DATABASE_MAINTENANCE_URL has a password that is a known example; set a random one',
    `KEYS_DIR: ${join(keysDir, 'operator.key')} is missing; in production it must exist before the start (npm run keys -- make-operator-secret)`,
  ]
  const sentence = `The settings have 4 faults:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`
  expect(await refusal(env)).toBe(`${sentence}\n`)
  await expect(withDatabase(settings(env), () => {}, () => expect.fail('it was let in'))).rejects.toThrow(sentence)
  expect(await readdir(folder)).not.toContain('never')
  expect(await readdir(folder)).not.toContain('no-keys')
})

test('a data folder that is a file, or that cannot be written, is one clear sentence', async () => {
  const file = join(folder, 'file')
  await writeFile(file, '')
  expect(await refusal({ DATA_DIR: file })).toBe(`DATA_DIR is ${file}, which is not a folder.\n`)
  expect(await refusal({ DATA_DIR: join(file, 'below') })).toBe(`DATA_DIR is ${join(file, 'below')}, which is not a folder.\n`)

  const locked = join(folder, 'locked')
  await mkdir(locked)
  await chmod(locked, 0o555)
  const isRoot = process.geteuid?.() === 0
  // Root may write anywhere: be somebody else for a moment.
  if (isRoot) process.seteuid?.(65_534)
  try {
    await expect(startInstance({ env: settings({ DATA_DIR: locked }), report: () => {} })).rejects.toThrow(
      `The data folder ${locked} cannot be written (EACCES); set DATA_DIR to a folder that can.`,
    )
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
  expect(await readdir(locked)).toEqual([])
})

test('a database that does not answer, or one without our roles, is one clear sentence without its password', async () => {
  const dataDir = join(folder, 'elsewhere')
  const silent = await refusal({ DATA_DIR: dataDir, DATABASE_URL: 'postgres://someone:secret-of-someone@127.0.0.1:1/there' })
  expect(silent).toMatch(/^The database 127\.0\.0\.1:1\/there cannot be used as someone: .*ECONNREFUSED.*\n$/)
  expect(silent).not.toContain('secret-of-someone')

  await using database = await createTestDatabase()
  // This server has roles of ours with passwords that are not in this KEYS_DIR.
  const foreign = await refusal({ DATA_DIR: dataDir, DATABASE_URL: database.urls.superuser })
  expect(foreign).toMatch(/already has a role ts_owner with another password; give DATABASE_URL, DATABASE_OWNER_URL/)
})
