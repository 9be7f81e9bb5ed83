import { connect } from 'node:net'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../test/app.ts'
import { cuttable, type Cuttable } from '../test/cuttable.ts'
import { createTestDatabase, type TestDatabase } from '../test/database.ts'
import { ask } from '../test/raw-http.ts'

let database: TestDatabase
let relay: Cuttable
let app: TestApp
beforeAll(async () => {
  database = await createTestDatabase()
  relay = await cuttable(database.urls.app)
  app = await startTestApp({ database: { ...database, urls: { ...database.urls, app: relay.url } }, engine: true })
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await relay[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

const ready = () => ask(app.baseUrl, '/readyz')
const healthy = { status: 'ready', checks: { database: 'ok', migrations: 'ok', engine: 'ok' } }

describe('health', () => {
  test('is alive as long as it answers; ready when database, migrations and engine are', async () => {
    expect(await ask(app.baseUrl, '/healthz')).toMatchObject({ status: 200, body: { status: 'ok' } })
    expect(await ready()).toMatchObject({ status: 200, body: healthy })
  })

  test('without the database it is alive and not ready, and ready again when that is back', async () => {
    relay.cut()
    expect(await ready()).toMatchObject({ status: 503, body: { status: 'not_ready', checks: { database: 'failing', migrations: 'failing', engine: 'ok' } } })
    expect((await ask(app.baseUrl, '/healthz')).status).toBe(200)
    relay.restore()
    await expect.poll(async () => (await ready()).status, { timeout: 10_000 }).toBe(200)
  })

  test('without the engine it is not ready', async () => {
    await using other = await startTestApp({ database, dataDir: app.dataDir })
    expect(await ask(other.baseUrl, '/readyz')).toMatchObject({ status: 503, body: { checks: { database: 'ok', engine: 'failing' } } })
  })

  test('an engine that crashed is not ready until it is up again', async () => {
    const before = app.deps.engine.listening()?.pid ?? expect.fail('no engine')
    process.kill(before, 'SIGKILL')
    await expect.poll(async () => (await ready()).body.checks.engine, { timeout: 10_000, interval: 5 }).toBe('failing')
    await expect.poll(async () => (await ready()).status, { timeout: 10_000 }).toBe(200)
    expect(app.deps.engine.listening()?.pid).not.toBe(before)
  })

  test('migrations that are not applied yet make it unready', async () => {
    const { default: postgres } = await import('postgres')
    const owner = postgres(database.urls.owner, { max: 1 })
    const [last] = await owner`delete from drizzle.__drizzle_migrations where id = (select max(id) from drizzle.__drizzle_migrations) returning id, hash, created_at`
    try {
      expect(await ready()).toMatchObject({ status: 503, body: { checks: { database: 'ok', migrations: 'failing', engine: 'ok' } } })
    } finally {
      await owner`insert into drizzle.__drizzle_migrations ${owner(last ?? {})}`
      await owner.end()
    }
    expect((await ready()).status).toBe(200)
  })

  test('what is wrong is told by name only', async () => {
    relay.cut()
    const { text: told } = await ready()
    relay.restore()
    expect(told).not.toMatch(/127\.0\.0\.1|ECONN|postgres|error/i)
    await expect.poll(async () => (await ready()).status, { timeout: 10_000 }).toBe(200)
  })
})

describe('a stop', () => {
  test('lets a request that has begun end, and takes no new one', async () => {
    const other = await startTestApp({ database, dataDir: app.dataDir })
    const { port } = new URL(other.baseUrl)
    const socket = connect(Number(port), '127.0.0.1')
    await once(socket, 'connect')
    const body = '{"email":"a@example.org","password":"wrong"}'
    socket.write(`POST /api/v1/auth/sign-in HTTP/1.1\r\nHost: localhost:${port}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body.slice(0, 10)}`)
    const answer = text(socket)
    // a request on another connection, so that the first has surely arrived
    await ask(other.baseUrl, '/healthz')
    const stopped = other[Symbol.asyncDispose]()
    socket.write(body.slice(10))
    expect(await answer).toMatch(/^HTTP\/1\.1 (401|503) /)
    await stopped
    await expect(ask(other.baseUrl, '/healthz')).rejects.toThrow(/ECONNREFUSED/)
  })
})
