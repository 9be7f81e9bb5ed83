import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { testPassword, type Person } from '../../test/actors.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { codeOf, openOutbox } from '../../test/mails.ts'

let app: TestApp
let outbox: ReturnType<typeof openOutbox>
let admin: Person
let now = new Date()
beforeAll(async () => {
  app = await startTestApp({ jobs: true, settings: { RATE_LIMIT_FACTOR: '100', SIGN_UP_POLICY: 'invite' }, overrides: { now: () => now } })
  outbox = openOutbox(app)
  admin = await app.as.admin()
})
afterAll(() => app[Symbol.asyncDispose]())

const later = (days: number) => {
  now = new Date(now.getTime() + days * 86_400_000)
}
const invite = async (body: object = {}, headers: Record<string, string> = {}) => {
  admin = await app.as.userAgain(admin)
  return app.call('POST', '/admin/invites', { token: admin.token, body, headers })
}
const signUp = (email: string, inviteCode?: string) => app.call('POST', '/auth/sign-up', { body: { email, password: testPassword, ...(inviteCode === undefined ? {} : { inviteCode }) } })
const verify = async (email: string, flowId: string) => app.call('POST', '/auth/verify-email', { body: { flowId, code: codeOf(await outbox.next(email)) } })
const stateOf = async (id: string) => {
  admin = await app.as.userAgain(admin)
  const { body } = await app.call('GET', '/admin/invites?limit=100', { token: admin.token })
  return (body.items as { id: string; state: string }[]).find((one) => one.id === id)?.state
}
const count = async () => (await app.deps.sql`select (select count(*) from invites)::int as invites, (select count(*) from email_flows)::int as flows, (select count(*) from users)::int as users`)[0]

describe('an invite', () => {
  test('lets one person in, and only its hash is kept', async () => {
    const { status, body } = await invite()
    expect([status, Object.keys(body).sort()]).toEqual([201, ['code', 'createdAt', 'expiresAt', 'id']])
    expect(Date.parse(body.expiresAt) - Date.parse(body.createdAt)).toBe(7 * 86_400_000)
    expect(JSON.stringify(await app.deps.sql`select * from invites`)).not.toContain(body.code)

    const flow = await signUp('guest@example.org', body.code)
    expect(flow.status).toBe(202)
    expect(await stateOf(body.id)).toBe('open')
    const session = await verify('guest@example.org', flow.body.flowId)
    expect(session.status).toBe(200)
    expect(await stateOf(body.id)).toBe('used')
    const [row] = await app.deps.sql`select used_by from invites where id = ${body.id}`
    expect(row?.['used_by']).toBe(session.body.user.id)
    const actions = await app.deps.sql`select action from audit_log where target_id = ${body.id} order by id`
    expect(actions.map(({ action }) => action)).toEqual(['invite.create', 'invite.use'])
    expect((await signUp('next@example.org', body.code)).body.code).toBe('invite_invalid')
  })

  test('held by ten who finish at the same time, makes one account', async () => {
    const { body } = await invite()
    const people = Array.from({ length: 10 }, (_, n) => `parallel${n}@example.org`)
    const flows = await Promise.all(people.map((email) => signUp(email, body.code)))
    expect(flows.map(({ status }) => status)).toEqual(people.map(() => 202))
    const codes = await Promise.all(people.map(async (email) => codeOf(await outbox.next(email))))
    const before = await count()
    const answers = await Promise.all(flows.map(({ body: { flowId } }, n) => app.call('POST', '/auth/verify-email', { body: { flowId, code: codes[n] } })))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ status, body: problem }) => status === 403 && problem.code === 'invite_invalid')).toHaveLength(9)
    expect(await count()).toEqual({ ...before, users: Number(before?.['users']) + 1 })
  })

  test('is not used up by an address that has an account, and the answer is the same', async () => {
    const { body } = await invite()
    const flow = await signUp(admin.email, body.code)
    expect([flow.status, Object.keys(flow.body)]).toEqual([202, ['flowId']])
    expect((await outbox.next(admin.email, 'You already')).subject).toBe('You already have an account')
    expect(await stateOf(body.id)).toBe('open')
  })

  test.each<[string, () => Promise<string | undefined>]>([
    ['none', async () => undefined],
    ['one made up', async () => 'tsi_made-up'],
    ['an expired one', async () => {
      const { body } = await invite({ days: 3 })
      later(3)
      expect(await stateOf(body.id)).toBe('expired')
      return body.code
    }],
    ['a revoked one', async () => {
      const { body } = await invite()
      expect((await app.call('DELETE', `/admin/invites/${body.id}`, { token: admin.token })).status).toBe(204)
      expect(await stateOf(body.id)).toBe('revoked')
      return body.code
    }],
  ])('is demanded: %s is refused like any other, and nothing is begun', async (_what, code) => {
    const given = await code()
    const before = await count()
    const { status, body } = await signUp('refused@example.org', given)
    expect([status, body.code, body.detail]).toEqual([403, 'invite_invalid', 'This invite is not good for a sign-up. Ask for another one.'])
    expect(await count()).toEqual(before)
  })

  test('revoked between the sign-up and its code, lets nobody in', async () => {
    const { body } = await invite()
    const flow = await signUp('between@example.org', body.code)
    await app.call('DELETE', `/admin/invites/${body.id}`, { token: admin.token })
    const before = await count()
    const answer = await verify('between@example.org', flow.body.flowId)
    expect([answer.status, answer.body.code]).toEqual([403, 'invite_invalid'])
    expect(await count()).toEqual(before)
  })

  test('is revoked once, and not any more when it was used', async () => {
    const { body } = await invite()
    const revoke = () => app.call('DELETE', `/admin/invites/${body.id}`, { token: admin.token })
    expect([(await revoke()).status, (await revoke()).status]).toEqual([204, 404])
    const used = (await app.call('GET', '/admin/invites?limit=100', { token: admin.token })).body.items.find((one: { state: string }) => one.state === 'used') as { id: string }
    expect((await app.call('DELETE', `/admin/invites/${used.id}`, { token: admin.token })).status).toBe(404)
    expect(await stateOf(used.id)).toBe('used')
  })
})

describe('making invites', () => {
  test('the same Idempotency-Key has the same answer, also in parallel, and another request with it is a conflict', async () => {
    admin = await app.as.userAgain(admin)
    const before = await count()
    const make = (body: object) => app.call('POST', '/admin/invites', { token: admin.token, body, headers: { 'idempotency-key': 'one' } })
    const answers = await Promise.all(Array.from({ length: 5 }, () => make({ days: 2 })))
    expect(new Set(answers.map(({ status, body }) => JSON.stringify([status, body]))).size).toBe(1)
    expect(answers[0]?.status).toBe(201)
    expect(await count()).toEqual({ ...before, invites: Number(before?.['invites']) + 1 })
    expect((await make({ days: 3 })).body.code).toBe('conflict')
    // another person's key is another key
    const other = await app.as.admin()
    const theirs = await app.call('POST', '/admin/invites', { token: other.token, body: { days: 2 }, headers: { 'idempotency-key': 'one' } })
    expect(theirs.body.code).not.toBe(answers[0]?.body.code)
  })

  test('needs a sign-in of the last minutes', async () => {
    admin = await app.as.userAgain(admin)
    now = new Date(now.getTime() + 6 * 60_000)
    const before = await count()
    const { status, body } = await app.call('POST', '/admin/invites', { token: admin.token, body: {} })
    expect([status, body.code]).toEqual([403, 'step_up_required'])
    expect(await count()).toEqual(before)
  })

  test.each([{ days: 0 }, { days: 91 }, { days: 1.5 }, { days: '7' }, { days: 7, code: 'mine' }])('refuses %j', async (input) => {
    expect((await invite(input)).status).toBe(422)
  })
})

test('the list comes page by page, the newest first, without a code', async () => {
  const { body: created } = await invite()
  const seen: { id: string; createdAt: string }[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { body } = await app.call('GET', `/admin/invites?limit=4${cursor ? `&cursor=${cursor}` : ''}`, { token: admin.token })
    seen.push(...body.items)
    cursor = body.nextCursor
  }
  expect(seen.length).toBe((await count())?.['invites'])
  expect(new Set(seen.map(({ id }) => id)).size).toBe(seen.length)
  expect(seen.map(({ createdAt }) => createdAt)).toEqual(seen.map(({ createdAt }) => createdAt).toSorted().toReversed())
  expect(JSON.stringify(seen)).not.toContain(created.code)
  expect(Object.keys(seen[0] ?? {}).sort()).toEqual(['createdAt', 'createdBy', 'expiresAt', 'id', 'revokedAt', 'state', 'usedAt', 'usedBy'])
})
