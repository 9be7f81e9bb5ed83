import * as argon2 from '@node-rs/argon2'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { guessPaces } from '../../kit/guesses.ts'
import { limitClasses } from '../../kit/limits.ts'
import { createPasswords, type Argon } from '../../kit/passwords.ts'
import { testPassword, type Person } from '../../test/actors.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'

let app: TestApp
let now = new Date('2026-05-01T12:00:00Z')
let looks = 0
const counting: Argon = { hash: argon2.hash, verify: (...args) => ((looks += 1), argon2.verify(...args)) }
beforeAll(async () => {
  app = await startTestApp({ settings: { TRUSTED_PROXIES: '127.0.0.1' }, overrides: { now: () => now, passwords: createPasswords({}, counting) } })
  // makes the decoy, once for all
  await guess('warm-up@example.org')
})
afterAll(() => app[Symbol.asyncDispose]())
beforeEach(() => {
  looks = 0
})

let hosts = 0
/** An address that nobody has used. */
const freshIp = () => `198.51.${100 + Math.floor((hosts += 1) / 250)}.${hosts % 250}`
const later = (seconds: number) => {
  now = new Date(now.getTime() + seconds * 1000)
}
type Attempt = { password?: string; ip?: string; token?: string; at?: TestApp }
const guess = (email: string, { password = 'not the password', ip = freshIp(), token, at = app }: Attempt = {}) =>
  at.call('POST', '/auth/sign-in', { headers: { 'x-forwarded-for': ip }, body: { email, password, ...(token ? { device: { name: 'Phone', platform: 'ios', token } } : {}) } })
const lock = async (email: string) => {
  for (let i = 0; i < guessPaces.account.free; i += 1) expect((await guess(email)).status).toBe(401)
}
const right = { password: testPassword }
const sessionsOf = ({ userId }: Person) => app.deps.sql`select id, ended_at from sessions where user_id = ${userId} order by created_at`
const deviceOf = async (person: Person): Promise<string> => (await guess(person.email, right)).body.deviceToken as string

/** What an answer tells, but for what is different in each. */
const told = ({ status, headers, body }: Awaited<ReturnType<typeof guess>>) => {
  const { instance: _request, ...problem } = body as Record<string, unknown>
  const kept = [...headers].filter(([name]) => !['date', 'x-request-id'].includes(name))
  return { status, problem, headers: Object.fromEntries(kept) }
}

describe('guessing at one account (control A6)', () => {
  test('soon meets a delay, in which not even the right password is looked at; then it is', async () => {
    const person = await app.as.user()
    await lock(person.email)
    looks = 0
    const before = await sessionsOf(person)
    const refused = await guess(person.email, right)
    expect([refused.status, refused.body.code, refused.headers.get('retry-after')]).toEqual([429, 'rate_limited', String(guessPaces.account.firstSeconds)])
    expect(looks).toBe(0)
    expect(await sessionsOf(person)).toEqual(before)
    later(guessPaces.account.firstSeconds)
    expect((await guess(person.email, right)).status).toBe(200)
  })

  test('a hundred guesses at once at a locked account look at no password', async () => {
    const { email } = await app.as.user()
    await lock(email)
    looks = 0
    const statuses = (await Promise.all(Array.from({ length: 100 }, () => guess(email)))).map(({ status }) => status)
    expect(new Set(statuses)).toEqual(new Set([429]))
    expect(looks).toBe(0)
  })

  test('a hundred guesses at once, on two nodes, look at as many as are free', async () => {
    const { database, dataDir } = app
    await using other = await startTestApp({ database, dataDir, settings: { TRUSTED_PROXIES: '127.0.0.1' }, overrides: { now: () => now, passwords: createPasswords({}, counting) } })
    await guess('warm-up-too@example.org', { at: other })
    const { email } = await app.as.user()
    looks = 0
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => guess(email, { at: i % 2 ? app : other })))
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(guessPaces.account.free)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(100 - guessPaces.account.free)
    expect(looks).toBe(guessPaces.account.free)
  })

  test('another spelling of the address is the same account', async () => {
    const { email } = await app.as.user()
    const spellings = [email, email.toUpperCase(), email.replace('u', 'U')]
    for (let i = 0; i < guessPaces.account.free; i += 1) await guess(spellings[i % spellings.length] ?? '')
    for (const spelling of spellings) expect((await guess(spelling)).status).toBe(429)
  })

  test('a delay is durable: it holds after a restart', async () => {
    const { database, dataDir } = app
    const { email } = await app.as.user()
    await lock(email)
    await using restarted = await startTestApp({ database, dataDir, settings: { TRUSTED_PROXIES: '127.0.0.1' }, overrides: { now: () => now } })
    expect((await guess(email, { ...right, at: restarted })).status).toBe(429)
  })

  test('a machine that is too busy to look at a password takes no try', async () => {
    const { database, dataDir } = app
    const full = createPasswords({ atOnce: 1, waiting: 0 })
    await using busy = await startTestApp({ database, dataDir, settings: { TRUSTED_PROXIES: '127.0.0.1' }, overrides: { now: () => now, passwords: full } })
    const { email } = await app.as.user()
    await expect.poll(async () => {
      const answers = await Promise.all(Array.from({ length: 4 }, () => guess(email, { ...right, at: busy })))
      return answers.some(({ status }) => status === 503)
    }).toBe(true)
    const [{ failures } = { failures: -1 }] = await app.deps.sql<{ failures: number }[]>`select failures from guess_throttles where key = ${Buffer.from(app.deps.sealer.lookup('guesses/account', email))}`
    expect(failures).toBe(0)
  })
})

describe('a lock-out is no weapon (control A6)', () => {
  test('the owner signs in on a device that is known, whatever strangers do', async () => {
    const owner = await app.as.user()
    const token = await deviceOf(owner)
    await lock(owner.email)
    expect((await guess(owner.email, right)).status).toBe(429)
    const { status, body } = await guess(owner.email, { ...right, token })
    expect([status, body.status, body.deviceToken]).toEqual([200, 'signed_in', null])
  })

  test('nor by the budget of an address that they share', async () => {
    const owner = await app.as.user()
    const token = await deviceOf(owner)
    const ip = freshIp()
    let strangers = 0
    for (let i = 0; i < limitClasses.credentials.points && strangers !== 429; i += 1) strangers = (await guess(`nobody${i}@example.org`, { ip })).status
    expect((await guess('nobody@example.org', { ip })).status).toBe(429)
    expect((await guess(owner.email, { ...right, ip, token })).status).toBe(200)
  })

  test('a device has a budget of its own, which does not spare its holder', async () => {
    const owner = await app.as.user()
    const token = await deviceOf(owner)
    const other = await deviceOf(owner)
    for (let i = 0; i < guessPaces.device.free; i += 1) expect((await guess(owner.email, { token })).status).toBe(401)
    looks = 0
    expect((await guess(owner.email, { ...right, token })).status).toBe(429)
    expect(looks).toBe(0)
    expect((await guess(owner.email, { ...right, token: other })).status).toBe(200)
    expect((await guess(owner.email, right)).status).toBe(200)
  })

  test.each([
    ["of another person's device", async () => deviceOf(await app.as.user())],
    ['that was made up', () => Promise.resolve(`tsd_${'A'.repeat(43)}`)],
    ['of a device that was forgotten', async (owner: Person) => {
      const token = await deviceOf(owner)
      await app.deps.sql`update known_devices set removed_at = now() where user_id = ${owner.userId}`
      return token
    }],
    ['of a device not seen for longer than a cookie lives', async (owner: Person) => {
      const token = await deviceOf(owner)
      await app.deps.sql`update known_devices set last_seen_at = last_seen_at - interval '401 days' where user_id = ${owner.userId}`
      return token
    }],
  ])('a token %s buys nothing', async (_what, tokenFor) => {
    const owner = await app.as.user()
    const token = await tokenFor(owner)
    await lock(owner.email)
    looks = 0
    expect((await guess(owner.email, { ...right, token })).status).toBe(429)
    expect(looks).toBe(0)
  })
})

/** Accounts of every standing, and an address that has none. */
const standings = {
  'an ordinary account': async () => (await app.as.user()).email,
  'one with a second factor': async () => (await app.as.moderator()).email,
  'one that is banned': async () => {
    const { userId, email } = await app.as.user()
    await app.deps.sql`update users set banned_at = now() where id = ${userId}`
    return email
  },
  'one that waits to be deleted': async () => {
    const { token, email } = await app.as.user()
    expect((await app.call('DELETE', '/users/me', { token })).status).toBe(202)
    return email
  },
}

describe('known and unknown addresses (control A7)', () => {
  test.each(Object.entries(standings))('cost one look at a password each and answer alike: %s', async (_what, make) => {
    const email = await make()
    const answers = []
    for (const address of [email, 'absent@example.org']) {
      looks = 0
      answers.push(told(await guess(address)))
      expect(looks).toBe(1)
    }
    expect(answers[0]).toMatchObject({ status: 401, problem: { code: 'invalid_credentials' } })
    expect(answers[0]).toEqual(answers[1])
  })

  test('are locked alike, try by try, and a locked one is told nothing more', async () => {
    const [known, banned] = [await app.as.user(), await app.as.user()]
    await app.deps.sql`update users set banned_at = now() where id = ${banned.userId}`
    const rows: unknown[][] = []
    for (const email of [known.email, banned.email, 'locked@example.org']) {
      const answers = []
      for (let i = 0; i < guessPaces.account.free + 2; i += 1) answers.push(told(await guess(email)))
      rows.push(answers)
    }
    expect(rows[0]?.map((answer) => (answer as { status: number }).status)).toEqual([...Array<number>(guessPaces.account.free).fill(401), 429, 429])
    expect(rows[1]).toEqual(rows[0])
    expect(rows[2]).toEqual(rows[0])
  })

  test('a sign-in of the owner leaves what strangers have used up as it was', async () => {
    const owner = await app.as.user()
    for (let i = 0; i < guessPaces.account.free - 1; i += 1) await guess(owner.email)
    expect((await guess(owner.email, right)).status).toBe(200)
    expect((await guess(owner.email)).status).toBe(401)
    expect((await guess(owner.email)).status).toBe(429)
  })
})

describe('X-Forwarded-For (control A6)', () => {
  const { points } = limitClasses.credentials

  test('buys no budget without a trusted proxy', async () => {
    await using bare = await startTestApp()
    const statuses: number[] = []
    for (let i = 0; i <= points; i += 1) statuses.push((await guess('nobody@example.org', { at: bare, password: '', ip: `203.0.113.${i}` })).status)
    expect(statuses).toEqual([...Array<number>(points).fill(422), 429])
  })

  test('behind a trusted proxy the last hop that is not trusted counts, whatever it claims before it', async () => {
    const statuses: number[] = []
    for (let i = 0; i <= points; i += 1) statuses.push((await guess('nobody@example.org', { password: '', ip: `203.0.113.${i}, 192.0.2.44` })).status)
    expect(statuses).toEqual([...Array<number>(points).fill(422), 429])
    expect((await guess('nobody@example.org', { password: '', ip: '192.0.2.44, 203.0.113.200' })).status).toBe(422)
  })

  test('a /48 of IPv6 has one budget between its /64', async () => {
    const statuses: number[] = []
    for (let i = 0; i <= 4 * points; i += 1) statuses.push((await guess('nobody@example.org', { password: '', ip: `2001:db8:77:${i.toString(16)}::1` })).status)
    expect(statuses).toEqual([...Array<number>(4 * points).fill(422), 429])
  })
})

describe('hashing cannot exhaust the machine (control A6)', () => {
  test('of two hundred sign-ins at once those beyond the queue are told to come back, without a hash', async () => {
    await using busy = await startTestApp({ settings: { TRUSTED_PROXIES: '127.0.0.1' }, overrides: { passwords: createPasswords({ atOnce: 2, waiting: 60 }) } })
    const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => guess(`person${i}@example.org`, { at: busy })))
    const of = (status: number) => answers.filter((answer) => answer.status === status)
    expect(of(401).length).toBeGreaterThan(0)
    expect(of(503).length).toBeGreaterThan(0)
    expect(of(401).length + of(503).length).toBe(200)
    for (const { headers, body } of of(503)) expect([body.code, Number(headers.get('retry-after')) > 0]).toEqual(['unavailable', true])
  })

  test.each([
    ['a megabyte', 1_000_000, 413, 'too_large'],
    ['a hundred thousand characters', 100_000, 422, 'validation_failed'],
    ['one character more than is allowed', 129, 422, 'validation_failed'],
  ])('a password of %s is refused before any hash', async (_what, length, status, code) => {
    const { email } = await app.as.user()
    looks = 0
    const answer = await guess(email, { password: 'a'.repeat(length) })
    expect([answer.status, answer.body.code]).toEqual([status, code])
    expect(looks).toBe(0)
  })
})
