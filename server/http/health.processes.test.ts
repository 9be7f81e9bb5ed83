import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hash, verify } from '@node-rs/argon2'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { serverEnvironment, startServer, type ServerProcess } from '../../scripts/setup/server-process.ts'
import { insertUser } from '../features/users/users.ts'
import { startTestApp, type TestApp } from '../test/app.ts'
import { ask } from '../test/raw-http.ts'

// `server/main.ts` as a process of its own: how long its answers take says nothing of the clients, which are in this one.

let home: string
let beside: TestApp
let server: ServerProcess
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'health-'))
  // makes the operator secret
  beside = await startTestApp({ dataDir: home })
  const dataDir = join(home, 'one')
  await mkdir(dataDir)
  const settings = { PATH: process.env['PATH'], NODE_OPTIONS: process.env['NODE_OPTIONS'], PORT: '0', RATE_LIMIT_FACTOR: '1000', LOG_LEVEL: 'error' }
  const env = serverEnvironment({ NODE_ENV: 'production', ...settings }, { databaseUrl: beside.database.urls.app, dataDir, keysDir: join(home, 'keys') })
  server = await startServer({ env, dataDir, log: 'inherit' })
}, 90_000)
afterAll(async () => {
  await server.stop()
  await beside[Symbol.asyncDispose]()
  await rm(home, { recursive: true, force: true })
}, 60_000)

const signIn = (email: string) =>
  ask(server.urls.console, '/api/v1/auth/sign-in', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email, password: 'not the password' }) })

/** Two hundred times the work of ours, some two seconds: a look at it on the event loop would hold every answer up for as long, on any machine. */
const costly = { memoryCost: 19_456, timeCost: 400, parallelism: 1 }

test('two hundred sign-ins at once leave every answer of /healthz quick (control A6)', async () => {
  const passwordHash = await hash('a password that is dear to look at', costly)
  const emails = Array.from({ length: 200 }, (_, i) => `person${i}@example.org`)
  await beside.deps.db.transaction(async (tx) => {
    for (const email of emails.slice(0, 3)) await insertUser(beside.deps, tx, { email, name: null, locale: 'en', role: 'user', passwordHash })
  })
  const began = performance.now()
  await verify(passwordHash, 'not the password')
  const oneLook = performance.now() - began

  let going = true
  const signIns = Promise.all(emails.map(signIn)).finally(() => (going = false))
  const health: number[] = []
  while (going) {
    const start = performance.now()
    expect((await ask(server.urls.console, '/healthz')).status).toBe(200)
    health.push(performance.now() - start)
  }
  expect((await signIns).map(({ status }) => status)).toEqual(Array(200).fill(401))
  expect(health.length).toBeGreaterThan(10)
  expect(Math.max(...health)).toBeLessThan(oneLook)
}, 180_000)
