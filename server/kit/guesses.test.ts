import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../test/app.ts'
import { RateLimited } from './errors.ts'
import { guessPaces, takeGuess, type GuessSubject } from './guesses.ts'

let here: TestApp
let there: TestApp
let now = new Date('2026-05-01T12:00:00Z')
beforeAll(async () => {
  here = await startTestApp({ overrides: { now: () => now } })
  const { database, dataDir } = here
  there = await startTestApp({ database, dataDir, overrides: { now: () => now } })
})
afterAll(async () => {
  await there[Symbol.asyncDispose]()
  await here[Symbol.asyncDispose]()
})

let of: string
let hosts = 0
beforeEach(() => {
  of = randomUUID()
})
const later = (seconds: number) => {
  now = new Date(now.getTime() + seconds * 1000)
}
/** Every guess from an address of its own, but where a test says which. */
const freshIp = () => `198.51.100.${(hosts = (hosts + 1) % 250)}`
const ctxOf = (app: TestApp, ip: string) => ({ ...app.deps, request: { id: 'test', ip, headers: {}, idempotencyKey: null } })
const take = (subject: Partial<GuessSubject> = {}, { app = here, ip = freshIp() } = {}) => takeGuess(ctxOf(app, ip), { pace: 'account', of, ...subject })
/** Seconds to wait, or 0 where a guess was let through. */
const waitOf = (guess: Promise<unknown>): Promise<number> =>
  guess.then(
    () => 0,
    (error: unknown) => (error instanceof RateLimited ? Number(error.headers['retry-after']) : Promise.reject(error as Error)),
  )
const wrong = async (subject: Partial<GuessSubject>, options: { app?: TestApp; ip?: string } = {}) => {
  const guess = await take(subject, options)
  await here.deps.db.transaction((tx) => guess.wrong(tx))
}
const failuresOf = async () => (await here.deps.sql<{ n: number }[]>`select coalesce(sum(failures), 0)::int as n from guess_throttles`)[0]?.n ?? 0

describe('a subject that is guessed at', () => {
  test('has some tries free, then a delay that doubles up to its most', async () => {
    const { free, firstSeconds, mostSeconds } = guessPaces.account
    for (let i = 0; i < free; i += 1) expect(await waitOf(take())).toBe(0)
    const waits: number[] = []
    while (waits.at(-1) !== mostSeconds) {
      const wait = await waitOf(take())
      waits.push(wait)
      later(wait - 1)
      expect(await waitOf(take())).toBe(1)
      later(1)
      expect(await waitOf(take())).toBe(0)
    }
    expect(waits).toEqual([15, 30, 60, 120, 240, 480, 960, 1920, 3600])
    expect(waits[0]).toBe(firstSeconds)
  })

  test('of a hundred guesses at once, on two nodes, lets through only what is free', async () => {
    const waits = await Promise.all(Array.from({ length: 100 }, (_, i) => waitOf(take({}, { app: i % 2 ? here : there }))))
    expect(waits.filter((wait) => wait === 0)).toHaveLength(guessPaces.account.free)
    expect(waits.filter((wait) => wait === guessPaces.account.firstSeconds)).toHaveLength(100 - guessPaces.account.free)
  })

  test('while there is a delay, guesses neither count nor lengthen it', async () => {
    for (let i = 0; i < guessPaces.account.free; i += 1) await take()
    const before = await failuresOf()
    for (let i = 0; i < 20; i += 1) await waitOf(take())
    expect(await failuresOf()).toBe(before)
    later(guessPaces.account.firstSeconds)
    expect(await waitOf(take())).toBe(0)
  })

  test('what was right does not count, and ends the delay that it began itself', async () => {
    for (let i = 0; i < guessPaces.account.free - 1; i += 1) await take()
    for (let i = 0; i < 20; i += 1) await (await take()).forgive(here.deps.db)
    expect(await waitOf(take())).toBe(0)
    expect(await waitOf(take())).toBe(guessPaces.account.firstSeconds)
  })

  test('what was right does not end a delay that another guess began', async () => {
    for (let i = 0; i < guessPaces.account.free - 2; i += 1) await take()
    const right = await take()
    await take()
    await right.forgive(here.deps.db)
    expect(await waitOf(take())).toBe(guessPaces.account.firstSeconds)
  })

  test('one wrong try is forgotten an hour', async () => {
    for (let i = 0; i < guessPaces.account.free; i += 1) await take()
    later(2 * guessPaces.account.forgetSeconds)
    expect(await waitOf(take())).toBe(0)
    expect(await waitOf(take())).toBe(0)
    expect(await waitOf(take())).toBe(guessPaces.account.firstSeconds)
  })

  test('is apart from others, and by kind', async () => {
    for (let i = 0; i < guessPaces.account.free; i += 1) await take()
    expect(await waitOf(take({ of: randomUUID() }))).toBe(0)
    expect(await waitOf(take({ pace: 'code' }))).toBe(0)
    expect(await waitOf(take({ pace: 'device' }))).toBe(0)
    expect(await waitOf(take())).toBeGreaterThan(0)
  })

  test('is not named by the table, which outlives the processes', async () => {
    of = 'ada@example.org'
    await take({}, { ip: '203.0.113.77' })
    const [{ persistence } = {}] = await here.deps.sql`select relpersistence as persistence from pg_class where relname = 'guess_throttles'`
    expect(persistence).toBe('p')
    const keys = (await here.deps.sql<{ key: Buffer }[]>`select key from guess_throttles`).map(({ key }) => key)
    expect(keys.every(({ length }) => length === 32)).toBe(true)
    expect(Buffer.concat(keys).toString('latin1')).not.toMatch(/ada|203/)
  })
})

describe('an address that guesses', () => {
  const { free } = guessPaces.address
  /** As many wrong tries as are free, each at another account. */
  const exhaust = async (ips: (i: number) => string, times: number) => {
    for (let i = 0; i < times; i += 20) await Promise.all(Array.from({ length: Math.min(20, times - i) }, (_, j) => wrong({ of: randomUUID() }, { ip: ips(i + j) })))
  }

  test('has to wait whatever account it turns to, and costs no account a try then', async () => {
    const ip = '203.0.113.1'
    await exhaust(() => ip, free)
    const before = await failuresOf()
    expect(await waitOf(take({ of: randomUUID() }, { ip }))).toBe(guessPaces.address.firstSeconds)
    expect(await failuresOf()).toBe(before)
    expect(await waitOf(take({ of: randomUUID() }, { ip: '203.0.113.2' }))).toBe(0)
    // whoever is known to come from there is not held up by the others
    expect(await waitOf(take({ pace: 'device' }, { ip }))).toBe(0)
  })

  test('is its /64 in IPv6', async () => {
    await exhaust((i) => `2001:db8:1:1::${i.toString(16)}`, free)
    expect(await waitOf(take({}, { ip: '2001:db8:1:1:ffff::1' }))).toBe(guessPaces.address.firstSeconds)
    expect(await waitOf(take({}, { ip: '2001:db8:1:2::1' }))).toBe(0)
  })

  test('is its /48 as well: another /64 for each guess does not help', async () => {
    await exhaust((i) => `2001:db8:2:${i.toString(16)}::1`, guessPaces.wideNetwork.free)
    expect(await waitOf(take({}, { ip: '2001:db8:2:ffff::1' }))).toBe(guessPaces.wideNetwork.firstSeconds)
    expect(await waitOf(take({}, { ip: '2001:db8:3::1' }))).toBe(0)
  })

  test('a site whose users share one address may give it more, but accounts get no more', async () => {
    await using shared = await startTestApp({ settings: { RATE_LIMIT_FACTOR: '2' }, overrides: { now: () => now } })
    const one = '203.0.113.9'
    for (let i = 0; i < free; i += 1) await shared.deps.db.transaction(async (tx) => (await take({ of: randomUUID() }, { app: shared, ip: one })).wrong(tx))
    expect(await waitOf(take({ of: randomUUID() }, { app: shared, ip: one }))).toBe(0)
    for (let i = 0; i < guessPaces.account.free; i += 1) await take({}, { app: shared })
    expect(await waitOf(take({}, { app: shared }))).toBe(guessPaces.account.firstSeconds)
  })
})
