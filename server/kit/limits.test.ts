import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { connect, type Sql } from '../../db/client.ts'
import { cuttable, type Cuttable } from '../test/cuttable.ts'
import { createTestDatabase, type TestDatabase } from '../test/database.ts'
import { AppError } from './errors.ts'
import { addressKey, createLimits, limitClasses, storedClient, type LimitClass, type Limits } from './limits.ts'
import { createSealer } from './seal.ts'

let database: TestDatabase
let relay: Cuttable
let nodes: { sql: Sql; close(): Promise<void> }[]
beforeAll(async () => {
  database = await createTestDatabase()
  relay = await cuttable(database.urls.app)
  nodes = [connect(database.urls.app, { max: 2 }), connect(database.urls.app, { max: 2 }), connect(relay.url, { max: 2 })]
})
afterAll(async () => {
  await Promise.all(nodes.map(({ close }) => close()))
  await relay[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

let client: string
beforeEach(() => {
  client = `a:${randomUUID()}`
})
const sqlOf = (node: number) => nodes[node]?.sql ?? expect.unreachable()
const sealer = createSealer(randomBytes(32))
const limitsOf = (node: number, factor = 1) => createLimits({ sql: sqlOf(node), sealer }, factor)
const refusalOf = (charge: Promise<unknown>): Promise<AppError> => charge.then(() => expect.unreachable('it was allowed'), (error: unknown) => error as AppError)

async function chargeUntilRefused(limits: Limits, limitClass: LimitClass): Promise<{ allowed: number; refusal: AppError }> {
  for (let allowed = 0; ; allowed += 1) {
    const refusal = await limits.charge(limitClass, client).then(() => null, (error: unknown) => error)
    if (refusal !== null) return { allowed, refusal: refusal as AppError }
  }
}

test('exactly so many are allowed in the window, and the next says when to come back', async () => {
  const { allowed, refusal } = await chargeUntilRefused(limitsOf(0), 'credentials')
  const { points, seconds } = limitClasses.credentials
  expect(allowed).toBe(points)
  expect(refusal).toMatchObject({ status: 429, code: 'rate_limited' })
  const wait = Number(refusal.headers['retry-after'])
  expect(wait).toBeGreaterThan(0)
  expect(wait).toBeLessThanOrEqual(seconds)
  expect(refusal.headers['ratelimit']).toBe(`limit=${points}, remaining=0, reset=${wait}`)
  expect(refusal.headers['ratelimit-policy']).toBe(`${points};w=${seconds}`)
})

test('what is left is told at each charge', async () => {
  const limits = limitsOf(0)
  const { points } = limitClasses.credentials
  for (let used = 1; used <= 3; used += 1) expect((await limits.charge('credentials', client))['ratelimit']).toMatch(new RegExp(`^limit=${points}, remaining=${points - used}, reset=\\d+$`))
})

test('nodes count together', async () => {
  const [one, other] = [limitsOf(0), limitsOf(1)]
  for (let i = 0; i < 15; i += 1) await Promise.all([one.charge('credentials', client), other.charge('credentials', client)])
  expect(await refusalOf(one.charge('credentials', client))).toMatchObject({ status: 429 })
  expect(await refusalOf(other.charge('credentials', client))).toMatchObject({ status: 429 })
})

test('parallel calls cannot pass together', async () => {
  const limits = limitsOf(0)
  const results = await Promise.allSettled(Array.from({ length: 60 }, () => limits.charge('credentials', client)))
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(limitClasses.credentials.points)
})

test('clients and classes are counted apart', async () => {
  const limits = limitsOf(0)
  await chargeUntilRefused(limits, 'credentials')
  await limits.charge('credentials', `${client}0`)
  await limits.charge('write', client)
  expect(await refusalOf(limits.charge('credentials', client))).toMatchObject({ status: 429 })
})

test('an IPv6 /48 has a budget between its /64, four times that of one', async () => {
  const limits = limitsOf(0)
  const { points } = limitClasses.credentials
  const site = randomUUID().slice(0, 4)
  const results = await Promise.allSettled(Array.from({ length: 4 * points + 20 }, (_, i) => limits.charge('credentials', addressKey(`2001:db8:${site}:${i.toString(16)}::1`))))
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(4 * points)
  expect(await refusalOf(limits.charge('credentials', addressKey(`2001:db8:${site}:ffff::1`)))).toMatchObject({ status: 429 })
  await limits.charge('credentials', addressKey('2001:db9::1'))
  await limits.charge('credentials', addressKey('192.0.2.1'))
})

test('an address is in no key of the table, nor a part of it; who is signed in is counted by id (control C5)', async () => {
  const user = randomUUID()
  for (const who of [addressKey('198.51.100.77'), addressKey('2001:db8:aa:bb::7'), `u:${user}`, `${user}:${addressKey('198.51.100.77')}`]) await limitsOf(0).charge('search', who)
  const keys = (await sqlOf(0)<{ key: string }[]>`select key from rate_limits where key like 'search:%'`).map(({ key }) => key)
  expect(keys).toHaveLength(5)
  expect(keys).toContain(`search:u:${user}`)
  expect(keys.filter((key) => key.includes('198.51.') || key.includes('2001:'))).toEqual([])
})

test('the factor multiplies', async () => {
  const headers = await limitsOf(0, 3).charge('playback', client)
  expect(headers['ratelimit']).toContain(`limit=${limitClasses.playback.points * 3}, remaining=${limitClasses.playback.points * 3 - 1}`)
})

test('without the database a stricter count in memory stands in, and the database is used again when it is back', async () => {
  const limits = limitsOf(2)
  await limits.charge('credentials', client)
  relay.cut()
  const { allowed, refusal } = await chargeUntilRefused(limits, 'credentials')
  expect(allowed).toBeGreaterThan(0)
  expect(allowed).toBeLessThanOrEqual(limitClasses.credentials.points / 2)
  expect(refusal).toMatchObject({ status: 429 })

  relay.restore()
  client = `a:${randomUUID()}`
  await expect
    .poll(async () => {
      await limits.charge('read', client)
      return (await sqlOf(0)`select 1 from rate_limits where key = ${`read:${storedClient(sealer, client)}`}`).length
    }, { timeout: 10_000 })
    .toBe(1)
})
