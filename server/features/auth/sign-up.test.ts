import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { testPassword } from '../../test/actors.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { standingClock } from '../../test/clock.ts'
import { wrongCode } from '../../test/mails.ts'

let app: TestApp
const { now, later } = standingClock()
beforeAll(async () => {
  app = await startTestApp({ jobs: true, settings: { RATE_LIMIT_FACTOR: '100' }, overrides: { now } })
})
afterAll(() => app[Symbol.asyncDispose]())

const others = 'eleven quiet harbours at dusk'
const signUp = async (email: string, password = testPassword, more: object = {}) => (await app.call('POST', '/auth/sign-up', { body: { email, password, ...more } })).body.flowId as string
const verify = (flowId: string, code: string) => app.call('POST', '/auth/verify-email', { body: { flowId, code } })
const resend = (flowId: string) => app.call('POST', '/auth/resend-code', { body: { flowId } })
const signIn = async (email: string, password: string) => (await app.call('POST', '/auth/sign-in', { body: { email, password } })).status
const usersAt = async (email: string) => (await app.deps.sql`select 1 from users where email_lookup = ${Buffer.from(app.deps.sealer.lookup('users.email', email))}`).length

describe("a stranger's earlier sign-up with someone's address", () => {
  test('leaves nothing live when the owner signs up', async () => {
    const email = 'owner@example.org'
    const strangers = await signUp(email, others, { name: 'Stranger' })
    const strangersCode = await app.outbox.code(email)
    const owners = await signUp(email, testPassword, { name: 'Owner' })
    const ownersCode = await app.outbox.code(email)

    // the codes do not open each other's flow
    expect((await verify(strangers, ownersCode)).status).toBe(401)
    expect((await verify(owners, strangersCode)).status).toBe(401)
    const { status, body } = await verify(owners, ownersCode)
    expect([status, body.user.name]).toEqual([200, 'Owner'])

    expect((await verify(strangers, strangersCode)).status).toBe(401)
    expect(await signIn(email, others)).toBe(401)
    expect(await signIn(email, testPassword)).toBe(200)
    expect(await app.deps.sql`select 1 from email_flows where used_at is null and id in ${app.deps.sql([strangers, owners])}`).toHaveLength(0)
  })

  test('gets no further code by asking for one', async () => {
    const email = 'owner2@example.org'
    const strangers = await signUp(email, others)
    await app.outbox.next(email)
    const owners = await signUp(email)
    expect((await verify(owners, await app.outbox.code(email))).status).toBe(200)
    expect((await resend(strangers)).status).toBe(202)
    expect(await app.outbox.left(email)).toBe(0)
  })

  test('is not opened where an account of the address was made meanwhile', async () => {
    const flowId = await signUp('made@example.org', others)
    const code = await app.outbox.code('made@example.org')
    const owner = await signUp('made@example.org')
    const ownersCode = await app.outbox.code('made@example.org')
    // as if the end of the other flows had been lost
    expect((await verify(owner, ownersCode)).status).toBe(200)
    await app.deps.sql`update email_flows set used_at = null where id = ${flowId}`
    expect((await verify(flowId, code)).status).toBe(401)
    expect(await signIn('made@example.org', others)).toBe(401)
    expect(await usersAt('made@example.org')).toBe(1)
  })
})

describe('another code', () => {
  test('takes the place of the one before, and lives as long as one', async () => {
    const email = 'again@example.org'
    const flowId = await signUp(email)
    const first = await app.outbox.code(email)
    later({ minutes: 14 })
    const answer = await resend(flowId)
    expect([answer.status, answer.body]).toEqual([202, { flowId }])
    const second = await app.outbox.code(email)
    later({ minutes: 14 })
    expect((await verify(flowId, first)).status).toBe(401)
    expect((await verify(flowId, second)).status).toBe(200)
  })

  test('gives no more tries: five in all, however often it was sent', async () => {
    const email = 'five@example.org'
    const flowId = await signUp(email)
    const codes = [await app.outbox.code(email)]
    const wrong = async () => (await verify(flowId, wrongCode(...codes))).status
    expect([await wrong(), await wrong(), await wrong()]).toEqual([401, 401, 401])
    await resend(flowId)
    codes.push(await app.outbox.code(email))
    expect([await wrong(), await wrong()]).toEqual([401, 401])
    expect((await verify(flowId, codes[1] ?? '')).status).toBe(401)
    // nor does one that was used up send any more
    expect((await resend(flowId)).status).toBe(202)
    expect(await app.outbox.left(email)).toBe(0)
    expect(await usersAt(email)).toBe(0)
  })

  test('is sent three times at most, also when asked for in parallel', async () => {
    const email = 'often@example.org'
    const flowId = await signUp(email)
    await app.outbox.next(email)
    const answers = await Promise.all(Array.from({ length: 8 }, () => resend(flowId)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]))
    expect(await app.outbox.left(email)).toBe(3)
  })

  test.each<[string, () => Promise<string>]>([
    ['an unknown flow', async () => crypto.randomUUID()],
    ['a flow that is over', async () => {
      const flowId = await signUp('over@example.org')
      await app.outbox.next('over@example.org')
      later({ minutes: 16 })
      return flowId
    }],
    ['a used flow', async () => {
      const flowId = await signUp('used@example.org')
      await verify(flowId, await app.outbox.code('used@example.org'))
      return flowId
    }],
    ['the flow of an address that has an account', async () => {
      const { email } = await app.as.user()
      const flowId = await signUp(email)
      await app.outbox.next(email)
      return flowId
    }],
  ])('is not sent for %s, and the answer does not tell', async (_what, begin) => {
    const flowId = await begin()
    const before = await app.deps.sql`select code_hash, tries_left, used_at from email_flows where id = ${flowId}`
    const { status, body } = await resend(flowId)
    expect([status, body]).toEqual([202, { flowId }])
    for (const email of ['over@example.org', 'used@example.org', 'user1@example.org']) expect(await app.outbox.left(email)).toBe(0)
    expect(await app.deps.sql`select code_hash, tries_left, used_at from email_flows where id = ${flowId}`).toEqual(before)
  })
})

describe('what is one address', () => {
  test.each([
    ['Kim@Bücher.example', 'kim@xn--bcher-kva.example'],
    ['\u212Aim@B\u0075\u0308CHER.example.', 'KIM@bücher.example'],
  ])('%j is the account of %j', async (spelling, other) => {
    const person = { email: other, password: testPassword }
    const owner = 'kim@xn--bcher-kva.example'
    if ((await usersAt(owner)) === 0) await verify(await signUp(spelling), await app.outbox.code(owner))
    expect(await signIn(person.email, person.password)).toBe(200)
    expect(await signIn(spelling, person.password)).toBe(200)
    const flowId = await signUp(spelling)
    expect((await app.outbox.next(owner, 'You already')).subject).toBe('You already have an account')
    expect((await verify(flowId, '12345678')).status).toBe(401)
    expect(await usersAt(owner)).toBe(1)
  })

  test.each(['\u0430nn@example.org', 'ann@example.org\r\nBcc: all@example.org', 'ann@localhost', 'a@b@example.org', 'an\u200Bn@example.org'])('%j is refused by its field, and nothing is stored', async (email) => {
    const before = await app.deps.sql`select count(*)::int as flows from email_flows`
    for (const path of ['/auth/sign-up', '/auth/forgot-password']) {
      const { status, body } = await app.call('POST', path, { body: { email, ...(path === '/auth/sign-up' ? { password: testPassword } : {}) } })
      expect([status, body.code, body.errors[0].path]).toEqual([422, 'validation_failed', 'email'])
    }
    expect(await app.deps.sql`select count(*)::int as flows from email_flows`).toEqual(before)
  })
})

describe('the policy', () => {
  const policy = async (name: string) => startTestApp({ database: app.database, dataDir: app.dataDir, settings: { SIGN_UP_POLICY: name, RATE_LIMIT_FACTOR: '100' } })

  test.each(['verified', 'invite', 'closed'])('%s is told by GET /server', async (name) => {
    await using node = await policy(name)
    expect((await node.call('GET', '/server')).body.signUpPolicy).toBe(name)
  })

  test('closed takes nobody, and begins nothing', async () => {
    await using node = await policy('closed')
    const before = await app.deps.sql`select count(*)::int as flows from email_flows`
    const { status, body } = await node.call('POST', '/auth/sign-up', { body: { email: 'late@example.org', password: testPassword, inviteCode: 'x' } })
    expect([status, body.code]).toEqual([403, 'sign_up_closed'])
    expect(await app.deps.sql`select count(*)::int as flows from email_flows`).toEqual(before)
  })
})
