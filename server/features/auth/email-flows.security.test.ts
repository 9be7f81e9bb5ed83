import * as argon2 from '@node-rs/argon2'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createPasswords } from '../../kit/passwords.ts'
import { guessPaces } from '../../kit/guesses.ts'
import { limitClasses } from '../../kit/limits.ts'
import { testPassword, type Person } from '../../test/actors.ts'
import { startTestApp, type Answer, type TestApp } from '../../test/app.ts'
import { standingClock } from '../../test/clock.ts'

let app: TestApp
let person: Person
const work = { hashes: 0, verifies: 0 }
const passwords = createPasswords({}, {
  hash: (...args) => ((work.hashes += 1), argon2.hash(...args)),
  verify: (...args) => ((work.verifies += 1), argon2.verify(...args)),
})
// no worker: what was queued stays to be counted
beforeAll(async () => {
  app = await startTestApp({ settings: { RATE_LIMIT_FACTOR: '100' }, overrides: { passwords } })
  person = await app.as.user()
})
afterAll(() => app[Symbol.asyncDispose]())
beforeEach(() => Object.assign(work, { hashes: 0, verifies: 0 }))

const counts = async () => (await app.deps.sql`select (select count(*) from email_flows)::int as flows, (select count(*) from graphile_worker.jobs)::int as jobs, (select count(*) from audit_log)::int as audit, (select sum(points) from rate_limits)::int as points`)[0] as Record<string, number>
/** What the caller sees; ids and counts of what is left are made alike. */
const face = ({ status, headers, body }: Answer) => ({
  status,
  body: JSON.parse(JSON.stringify(body || null).replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'id')) as unknown,
  headers: Object.fromEntries([...headers].filter(([name]) => !['date', 'x-request-id'].includes(name)).map(([name, value]) => [name, value.replaceAll(/(remaining|reset)=\d+/g, '$1=n')])),
})
/** What the call costs: hashes, and rows of every kind. */
async function costOf(call: () => Promise<Answer>) {
  const [hashed, before] = [{ ...work }, await counts()]
  const answer = await call()
  const after = await counts()
  const rows = Object.fromEntries(Object.entries(after).map(([name, rest]) => [name, rest - (before[name] ?? 0)]))
  return { ...face(answer), rows, hashes: work.hashes - hashed.hashes, verifies: work.verifies - hashed.verifies }
}
const newEmail = () => `${crypto.randomUUID()}@example.org`
const post = (path: string, body: object, token?: string) => () => app.call('POST', path, { body, token })
const begin = async (path: string, body: object, token?: string) => (await app.call('POST', path, { body, token })).body.flowId as string

describe('equal work and equal answers for known and unknown addresses (control A7)', () => {
  test('sign-up', async () => {
    const known = await costOf(post('/auth/sign-up', { email: person.email, password: testPassword }))
    expect(await costOf(post('/auth/sign-up', { email: newEmail(), password: testPassword }))).toEqual(known)
    expect(known).toMatchObject({ status: 202, hashes: 1, verifies: 0, rows: { flows: 1, jobs: 1 } })
  })

  test('forgot-password', async () => {
    const known = await costOf(post('/auth/forgot-password', { email: person.email }))
    expect(await costOf(post('/auth/forgot-password', { email: newEmail() }))).toEqual(known)
    expect(known).toMatchObject({ status: 202, hashes: 0, verifies: 0, rows: { flows: 1, jobs: 1 } })
  })

  test('change-email', async () => {
    const other = await app.as.user()
    Object.assign(work, { hashes: 0, verifies: 0 })
    const known = await costOf(post('/auth/change-email', { newEmail: other.email }, person.token))
    expect(await costOf(post('/auth/change-email', { newEmail: newEmail() }, person.token))).toEqual(known)
    expect(known).toMatchObject({ status: 202, hashes: 0, rows: { flows: 1, jobs: 1 } })
  })

  test.each([
    ['sign-up', '/auth/sign-up', { password: testPassword }],
    ['forgot-password', '/auth/forgot-password', {}],
  ])('resend-code after %s, and for a flow that there is not', async (_what, path, more) => {
    const resend = async (email: string) => costOf(post('/auth/resend-code', { flowId: await begin(path, { email, ...more }) }))
    const known = await resend(person.email)
    expect(await resend(newEmail())).toEqual(known)
    expect(await costOf(post('/auth/resend-code', { flowId: crypto.randomUUID() }))).toEqual(known)
    expect(known).toMatchObject({ status: 202, hashes: 0, rows: { flows: 0, jobs: 1 } })
  })

  test.each([
    ['verify-email', '/auth/sign-up', { password: testPassword }, {}],
    ['reset-password', '/auth/forgot-password', {}, { newPassword: 'eleven quiet harbours at dusk' }],
  ])('%s with a wrong code, and for a flow that there is not', async (name, path, more, input) => {
    const attempt = (flowId: string) => costOf(post(`/auth/${name}`, { flowId, code: '00000000', ...input }))
    const known = await attempt(await begin(path, { email: person.email, ...more }))
    expect(await attempt(await begin(path, { email: newEmail(), ...more }))).toEqual(known)
    expect(await attempt(crypto.randomUUID())).toEqual(known)
    expect(known).toMatchObject({ status: 401, hashes: name === 'reset-password' ? 1 : 0, verifies: 0, rows: { flows: 0, jobs: 0 } })
  })

  test('tries at a flow that nothing opens run out like at any other', async () => {
    const flows = [await begin('/auth/forgot-password', { email: person.email }), await begin('/auth/forgot-password', { email: newEmail() })]
    for (const flowId of flows) for (let i = 0; i < 2; i += 1) await post('/auth/reset-password', { flowId, code: '00000000', newPassword: 'eleven quiet harbours at dusk' })()
    expect((await app.deps.sql`select tries_left from email_flows where id in ${app.deps.sql(flows)}`).map((row) => row['tries_left'])).toEqual([3, 3])
  })
})

describe('mass assignment', () => {
  test.each(['role', 'emailVerified', 'userId', 'kind', 'codeHash', 'bannedAt', 'inviteId'])('the field %s is refused wherever a flow is begun or opened, and nothing is stored', async (field) => {
    const before = await counts()
    const [flowId, code] = [crypto.randomUUID(), '00000000']
    const bodies: Record<string, object> = {
      '/auth/sign-up': { email: 'x@example.org', password: testPassword },
      '/auth/verify-email': { flowId, code },
      '/auth/resend-code': { flowId },
      '/auth/forgot-password': { email: 'x@example.org' },
      '/auth/reset-password': { flowId, code, newPassword: testPassword },
      '/auth/change-email': { newEmail: 'x@example.org' },
      '/auth/change-email/confirm': { flowId, code },
    }
    for (const [path, body] of Object.entries(bodies)) {
      const answer = await app.call('POST', path, { token: person.token, body: { ...body, [field]: 'admin' } })
      expect([path, answer.status, answer.body.code, answer.body.errors?.[0]?.path]).toEqual([path, 422, 'unknown_field', field])
    }
    const { points: _limits, ...after } = await counts()
    expect(before).toMatchObject(after)
  })
})

test('the database holds no code that its reader could try through', async () => {
  const flowId = await begin('/auth/sign-up', { email: newEmail(), password: testPassword })
  const [row] = await app.deps.sql`select code_hash from email_flows where id = ${flowId}`
  // keyed by the operator's secret, which is not in the database
  expect(Buffer.from(row?.['code_hash'] as Uint8Array)).toHaveLength(32)
  const mails = await app.deps.sql`select payload from graphile_worker._private_jobs`
  expect(JSON.stringify(mails)).not.toMatch(/"(code|to|text)"/)
})

describe('nobody is flooded through us', () => {
  const { codesAsked, codesMailed } = limitClasses
  const ask = (node: TestApp, email: string, from: string) => node.call('POST', '/auth/forgot-password', { body: { email }, headers: { 'x-forwarded-for': from } })

  test('one client causes so many mails to an address and no more; the answer does not tell, and others still get theirs', async () => {
    await using node = await startTestApp({ jobs: true, settings: { TRUSTED_PROXIES: '127.0.0.1' } })
    const [victim, other] = [await node.as.user(), await node.as.user()]
    const answers = []
    for (let i = 0; i < codesAsked.points + 3; i += 1) answers.push(face(await ask(node, victim.email, '203.0.113.1')))
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
    expect(await node.outbox.left(victim.email)).toBe(codesAsked.points)
    // the person elsewhere is not locked out by it, nor are others
    await ask(node, victim.email, '198.51.100.7')
    expect(await node.outbox.left(victim.email)).toBe(codesAsked.points + 1)
    await ask(node, other.email, '203.0.113.1')
    expect(await node.outbox.left(other.email)).toBe(1)
  })

  test('an IPv6 /48 cannot use up what a person elsewhere needs', async () => {
    await using node = await startTestApp({ jobs: true, settings: { TRUSTED_PROXIES: '127.0.0.1' } })
    const victim = await node.as.user()
    for (let n = 0; n < codesMailed.points + 4; n += 1) expect((await ask(node, victim.email, `2001:db8:1:${n.toString(16)}::1`)).status).toBe(202)
    expect(await node.outbox.left(victim.email)).toBe(2 * codesAsked.points)
    await ask(node, victim.email, '2001:db8:2::1')
    expect(await node.outbox.left(victim.email)).toBe(2 * codesAsked.points + 1)
  })

  test('nor do many clients together, by whatever kind of mail', async () => {
    await using node = await startTestApp({ jobs: true, settings: { TRUSTED_PROXIES: '127.0.0.1' } })
    const email = 'target@example.org'
    for (let n = 0; n < codesMailed.points + 4; n += 1) {
      const headers = { 'x-forwarded-for': `203.0.113.${n + 10}` }
      expect((await node.call('POST', '/auth/sign-up', { body: { email, password: testPassword }, headers })).status).toBe(202)
    }
    expect(await node.outbox.left(email)).toBe(codesMailed.points)
  })
})

describe('a mailed code is not found by trying (control A8)', () => {
  const newPassword = 'eleven quiet harbours at dusk'
  let node: TestApp
  const { now, later } = standingClock()
  beforeAll(async () => {
    node = await startTestApp({ jobs: true, settings: { TRUSTED_PROXIES: '127.0.0.1' }, overrides: { now } })
  })
  afterAll(() => node[Symbol.asyncDispose]())

  let hosts = 0
  const from = () => `203.0.113.${(hosts += 1)}`
  const send = (path: string, body: object, ip = from()) => node.call('POST', `/auth/${path}`, { body, headers: { 'x-forwarded-for': ip } })
  const forgot = async (email: string, ip?: string) => (await send('forgot-password', { email }, ip)).body.flowId as string
  const reset = (flowId: string, code: string, ip?: string) => send('reset-password', { flowId, code, newPassword }, ip)
  const flow = async (flowId: string) => (await node.deps.sql`select code_hash is not null as opens, tries_left, resends_left, expires_at from email_flows where id = ${flowId}`)[0]

  test('one that was never mailed opens nothing, and leaves the one before it as it was', async () => {
    const { email } = await node.as.user()
    const ip = from()
    const flowId = await forgot(email, ip)
    const code = await node.outbox.code(email)
    for (let i = 1; i < limitClasses.codesAsked.points; i += 1) await forgot(email, ip)
    const before = await flow(flowId)
    expect((await flow(await forgot(email, ip)))?.['opens']).toBe(false)
    expect((await send('resend-code', { flowId }, ip)).status).toBe(202)
    expect(await flow(flowId)).toEqual(before)
    expect((await reset(flowId, code)).status).toBe(204)
  })

  test('wrong ones are counted together in all flows of an address, known or not, and the right one waits as well', async () => {
    const person = await node.as.user()
    const { free, firstSeconds } = guessPaces.mailedCode
    const answers: unknown[] = []
    for (const email of [person.email, 'nobody.of.ours@example.org']) {
      const told = []
      let flowId = ''
      for (let i = 0; i <= free; i += 1) {
        if (i % 5 === 0) flowId = await forgot(email)
        const { status, body, headers } = await reset(flowId, '00000000')
        told.push([status, body.code, headers.get('retry-after')])
      }
      answers.push(told)
      expect((await flow(flowId))?.['tries_left']).toBe(5)
    }
    expect(answers[0]).toEqual([...Array<unknown>(free).fill([401, 'code_invalid', null]), [429, 'rate_limited', String(firstSeconds)]])
    expect(answers[1]).toEqual(answers[0])

    while ((await node.outbox.left(person.email)) > 0) await node.outbox.next(person.email)
    const own = await forgot(person.email)
    const code = await node.outbox.code(person.email)
    expect((await reset(own, code)).status).toBe(429)
    later({ seconds: firstSeconds })
    expect((await reset(own, code)).status).toBe(204)
  })

  test('the network of who tries is charged, and what was right charges nobody', async () => {
    const { email } = await node.as.user()
    const ip = from()
    const charged = async () => (await node.deps.sql`select failures from guess_throttles where key = ${Buffer.from(node.deps.sealer.lookup('guesses/address', ip))}`)[0]?.['failures'] as number | undefined
    const flowId = await forgot(email)
    expect((await reset(flowId, '00000000', ip)).status).toBe(401)
    expect(await charged()).toBe(1)
    expect((await reset(flowId, await node.outbox.code(email), ip)).status).toBe(204)
    expect(await charged()).toBe(1)
  })
})
