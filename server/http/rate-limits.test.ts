import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { addressKey, limitClasses, storedClient } from '../kit/limits.ts'
import type { Person } from '../test/actors.ts'
import { startTestApp, type TestApp } from '../test/app.ts'
import { cuttable, type Cuttable } from '../test/cuttable.ts'
import { createTestDatabase, type TestDatabase } from '../test/database.ts'
import { ask } from '../test/raw-http.ts'

let database: TestDatabase
let app: TestApp
let user: Person
let other: Person
beforeAll(async () => {
  database = await createTestDatabase()
  app = await startTestApp({ database, settings: { TRUSTED_PROXIES: '127.0.0.1' } })
  user = await app.as.user()
  other = await app.as.user()
})
afterEach(() => app.deps.sql`delete from rate_limits`.then(() => undefined))
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

let addresses = 0
/** Every test comes from an address of its own, since spent budgets are also remembered in memory. */
const from = () => ({ 'x-forwarded-for': `203.0.113.${(addresses += 1)}` })
const json = { 'content-type': 'application/json' }
const guess = (headers: Record<string, string>) => ask(app.baseUrl, '/api/v1/auth/sign-in', { method: 'POST', headers: { ...json, ...headers }, body: JSON.stringify({ email: 'nobody@example.org', password: '' }) })
/** Puts a client near its limit without asking a thousand times. */
const spend = async (key: string, points: number) => {
  await app.deps.sql`insert into rate_limits (key, points, expire) values (${key}, ${points}, ${Date.now() + 60_000}) on conflict (key) do update set points = excluded.points, expire = excluded.expire`
}
const pointsOf = async (key: string): Promise<number> => ((await app.deps.sql<{ points: number }[]>`select points from rate_limits where key = ${key}`)[0]?.points ?? 0)

describe('over REST', () => {
  test('every answer tells what is left, refused ones included', async () => {
    const headers = { authorization: `Bearer ${user.token}` }
    const first = await ask(app.baseUrl, '/api/v1/users/me', { headers })
    const { points, seconds } = limitClasses.read
    expect(first.headers).toMatchObject({ 'ratelimit-policy': `${points};w=${seconds}`, ratelimit: expect.stringMatching(new RegExp(`^limit=${points}, remaining=${points - 1}, reset=\\d+$`)) })
    const denied = await ask(app.baseUrl, '/api/v1/admin/torrents', { headers })
    expect([denied.status, denied.headers['ratelimit']]).toEqual([403, expect.stringContaining(`remaining=${points - 2}`)])
    const wrong = await guess(from())
    expect([wrong.status, wrong.headers['ratelimit']]).toEqual([422, expect.stringContaining(`remaining=${limitClasses.credentials.points - 1}`)])
  })

  test('past the limit 429 says when to come back, and nothing is tried', async () => {
    const address = from()
    const statuses = []
    for (let i = 0; i < limitClasses.credentials.points; i += 1) statuses.push((await guess(address)).status)
    expect(new Set(statuses)).toEqual(new Set([422]))
    const { status, headers, body } = await guess(address)
    expect([status, body.code, headers['content-type']]).toEqual([429, 'rate_limited', expect.stringMatching(/^application\/problem\+json/)])
    expect(Number(headers['retry-after'])).toBeGreaterThan(0)
    expect(headers['ratelimit']).toContain('remaining=0')
    // a token does not bring a budget of its own
    expect((await guess({ ...address, authorization: `Bearer ${user.token}` })).status).toBe(429)
    // someone else is not held up by it
    expect((await guess(from())).status).toBe(422)
  })

  test('a user is counted as themselves, wherever they come from', async () => {
    await spend(`read:u:${user.userId}`, limitClasses.read.points)
    for (const address of [from(), from()]) expect((await ask(app.baseUrl, '/api/v1/users/me', { headers: { ...address, authorization: `Bearer ${user.token}` } })).status).toBe(429)
    expect((await ask(app.baseUrl, '/api/v1/users/me', { headers: { authorization: `Bearer ${other.token}` } })).status).toBe(200)
  })

  test('search has a limit of its own, below that of reading', async () => {
    expect(limitClasses.search.points).toBeLessThan(limitClasses.read.points)
    await ask(app.baseUrl, '/api/v1/torrents/search?q=x', { headers: { authorization: `Bearer ${other.token}` } })
    expect(await pointsOf(`search:u:${other.userId}`)).toBe(1)
  })

  test('an API key is counted as itself', async () => {
    const apiKey = await app.as.apiKey()
    const { headers } = await app.call('POST', '/ingest/batches', { apiKey, body: {} })
    expect(headers.get('ratelimit')).toContain(`remaining=${limitClasses.ingest.points - 1}`)
    expect(await app.deps.sql`select 1 from rate_limits where key like 'ingest:k:%'`).toHaveLength(1)
  })
})

describe('over tRPC', () => {
  const batch = (count: number, headers: Record<string, string>) => {
    const input = Object.fromEntries(Array.from({ length: count }, (_, i) => [i, { email: 'nobody@example.org', password: '' }]))
    return ask(app.baseUrl, `/trpc/${Array.from({ length: count }, () => 'auth.signIn').join(',')}?batch=1`, { method: 'POST', headers: { ...json, ...headers }, body: JSON.stringify(input) })
  }

  test('each call of a batch is charged', async () => {
    const address = from()
    await batch(20, address)
    expect(await pointsOf(`credentials:${storedClient(app.deps.sealer, addressKey(address['x-forwarded-for']))}`)).toBe(20)
  })

  test('a batch does not carry more past the limit than single calls would', async () => {
    const address = from()
    const codes: string[] = []
    for (let i = 0; i < 2; i += 1) codes.push(...(await batch(20, address)).body.map((one: { error: { data: { code: string } } }) => one.error.data.code))
    expect(codes.filter((code) => code !== 'rate_limited')).toHaveLength(limitClasses.credentials.points)
    const single = await ask(app.baseUrl, '/trpc/auth.signIn', { method: 'POST', headers: { ...json, ...address }, body: '{}' })
    expect([single.status, Number(single.headers['retry-after']) > 0, single.headers['ratelimit']]).toEqual([429, true, expect.stringContaining('remaining=0')])
  })
})

describe('with the store away', () => {
  let relay: Cuttable
  let cutOff: TestApp
  beforeAll(async () => {
    relay = await cuttable(database.urls.app)
    cutOff = await startTestApp({ database: { ...database, urls: { ...database.urls, app: relay.url } }, dataDir: app.dataDir, settings: { TRUSTED_PROXIES: '127.0.0.1' } })
  })
  afterAll(async () => {
    await cutOff[Symbol.asyncDispose]()
    await relay[Symbol.asyncDispose]()
  })

  test('each node limits by itself, more strictly', async () => {
    relay.cut()
    try {
      const address = from()
      const statuses: number[] = []
      while (statuses.at(-1) !== 429 && statuses.length <= limitClasses.credentials.points) {
        statuses.push((await ask(cutOff.baseUrl, '/api/v1/auth/sign-in', { method: 'POST', headers: { ...json, ...address }, body: '{}' })).status)
      }
      expect(statuses.at(-1)).toBe(429)
      expect(statuses.length - 1).toBeLessThanOrEqual(limitClasses.credentials.points / 2)
    } finally {
      relay.restore()
    }
  })
})
