import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { insertUser } from '../users/users.ts'
import { testPassword, type Person } from '../../test/actors.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { standingClock } from '../../test/clock.ts'

let app: TestApp
const { now, later } = standingClock()
beforeAll(async () => {
  app = await startTestApp({ jobs: true, settings: { RATE_LIMIT_FACTOR: '100' }, overrides: { now } })
})
afterAll(() => app[Symbol.asyncDispose]())

let count = 0
const newAddress = () => `new${(count += 1)}@example.org`
const begin = (person: Person, newEmail: string) => app.call('POST', '/auth/change-email', { token: person.token, body: { newEmail } })
const confirm = (person: Person, flowId: string, code: string) => app.call('POST', '/auth/change-email/confirm', { token: person.token, body: { flowId, code } })
const emailOf = async ({ token }: Person) => (await app.call('GET', '/users/me', { token })).body.email as string
const begun = async (person: Person, to = newAddress()) => {
  const { body } = await begin(person, to)
  return { to, flowId: body.flowId as string, code: await app.outbox.code(to) }
}
const signIn = async (email: string) => (await app.call('POST', '/auth/sign-in', { body: { email, password: testPassword } })).status

describe('a change of address', () => {
  test('is confirmed at the new one and told to the old one, the new one masked', async () => {
    const person = await app.as.user()
    const { to, flowId, code } = await begun(person)
    // nothing has changed yet
    expect(await emailOf(person)).toBe(person.email)
    expect((await confirm(person, flowId, code)).status).toBe(204)
    expect(await emailOf(person)).toBe(to)
    expect([await signIn(person.email), await signIn(to)]).toEqual([401, 200])
    const told = await app.outbox.next(person.email)
    expect(told.subject).toBe('Your address was changed')
    expect(told.text).toContain('n…@example.org')
    expect(`${told.text}${told.html}`).not.toContain(to)
    const dump = JSON.stringify([await app.deps.sql`select * from users`, await app.deps.sql`select * from email_flows`, await app.deps.sql`select * from audit_log`])
    expect(dump).not.toContain(to)
    const [row] = await app.deps.sql`select count(*)::int as rows from audit_log join users on pseudonym::text = target_id where action = 'user.change_email' and users.id = ${person.userId}`
    expect(row?.['rows']).toBe(1)
    expect((await confirm(person, flowId, code)).body.code).toBe('code_invalid')
  })

  test('leaves no code live that went to the old address', async () => {
    const person = await app.as.user()
    const { body } = await app.call('POST', '/auth/forgot-password', { body: { email: person.email } })
    const old = await app.outbox.code(person.email)
    const { flowId, code } = await begun(person)
    expect((await confirm(person, flowId, code)).status).toBe(204)
    const reset = await app.call('POST', '/auth/reset-password', { body: { flowId: body.flowId, code: old, newPassword: 'eleven quiet harbours at dusk' } })
    expect(reset.body.code).toBe('code_invalid')
    // nor does that address open anything any more
    expect((await app.outbox.next(person.email)).subject).toBe('Your address was changed')
    await app.call('POST', '/auth/forgot-password', { body: { email: person.email } })
    expect(await app.outbox.left(person.email)).toBe(0)
  })

  test('is confirmed by nobody else, and their try is not taken from the person', async () => {
    const person = await app.as.user()
    const other = await app.as.admin()
    const { to, flowId, code } = await begun(person)
    for (let i = 0; i < 6; i += 1) expect((await confirm(other, flowId, code)).body.code).toBe('code_invalid')
    expect([await emailOf(person), await emailOf(other)]).toEqual([person.email, other.email])
    expect((await confirm(person, flowId, code)).status).toBe(204)
    expect(await emailOf(person)).toBe(to)
  })

  test('to an address that has an account gets the same answer, and its owner is told', async () => {
    const [person, owner] = [await app.as.user(), await app.as.user()]
    await app.deps.sql`update users set locale = 'fr' where id = ${owner.userId}`
    const [known, unknown] = [await begin(person, owner.email.toUpperCase()), await begin(person, newAddress())]
    expect([known.status, Object.keys(known.body)]).toEqual([unknown.status, Object.keys(unknown.body)])
    const told = await app.outbox.next(owner.email)
    expect([told.subject, told.html?.includes('lang="fr"')]).toEqual(['Vous avez déjà un compte', true])
    expect(told.text).not.toMatch(/\d{8}/)
    for (const code of ['00000000', '12345678']) expect((await confirm(person, known.body.flowId, code)).body.code).toBe('code_invalid')
    expect([await emailOf(person), await emailOf(owner)]).toEqual([person.email, owner.email])
  })

  test('to one’s own address is refused by its field', async () => {
    const person = await app.as.user()
    const { status, body } = await begin(person, person.email.toUpperCase())
    expect([status, body.errors[0].path]).toEqual([422, 'newEmail'])
  })

  test('needs a sign-in of the last minutes; the confirmation does not', async () => {
    const person = await app.as.user()
    const { to, flowId, code } = await begun(person)
    later({ minutes: 6 })
    const before = await app.deps.sql`select count(*)::int as flows from email_flows`
    const { status, body } = await begin(person, newAddress())
    expect([status, body.code]).toEqual([403, 'step_up_required'])
    expect(await app.deps.sql`select count(*)::int as flows from email_flows`).toEqual(before)
    expect((await confirm(person, flowId, code)).status).toBe(204)
    expect(await emailOf(person)).toBe(to)
  })
})

describe('of several who want one address', () => {
  test('exactly one gets it, and nobody a server fault', async () => {
    const people = await Promise.all(Array.from({ length: 4 }, () => app.as.user()))
    const to = newAddress()
    const flows = []
    for (const person of people) flows.push({ person, ...(await begun(person, to)) })
    // a stranger signs up with it, too, and an operator makes an account of it
    const signUp = await app.call('POST', '/auth/sign-up', { body: { email: to, password: testPassword } })
    const code = await app.outbox.code(to)
    const passwordHash = await app.deps.passwords.hash(testPassword)
    const [verified, made, ...confirmed] = await Promise.all([
      app.call('POST', '/auth/verify-email', { body: { flowId: signUp.body.flowId, code } }),
      app.deps.db.transaction((tx) => insertUser(app.deps, tx, { email: to, name: null, locale: 'en', role: 'user', passwordHash })),
      ...flows.map((flow) => confirm(flow.person, flow.flowId, flow.code)),
    ])
    const statuses = [verified.status, ...confirmed.map(({ status }) => status)]
    expect(statuses.filter((status) => status < 300).length + (made === null ? 0 : 1)).toBe(1)
    expect(statuses.filter((status) => status >= 300 && status !== 401)).toEqual([])
    expect(await app.deps.sql`select 1 from users where email_lookup = ${Buffer.from(app.deps.sealer.lookup('users.email', to))}`).toHaveLength(1)
  })

  test('who changes to it ends the sign-up that a stranger began with it', async () => {
    const person = await app.as.user()
    const { to, flowId, code } = await begun(person)
    const signUp = await app.call('POST', '/auth/sign-up', { body: { email: to, password: 'a stranger picked this 7' } })
    const strangers = await app.outbox.code(to)
    expect((await confirm(person, flowId, code)).status).toBe(204)
    expect((await app.call('POST', '/auth/verify-email', { body: { flowId: signUp.body.flowId, code: strangers } })).body.code).toBe('code_invalid')
    expect(await app.deps.sql`select 1 from email_flows where id = ${signUp.body.flowId} and used_at is null`).toHaveLength(0)
    expect(await signIn(to)).toBe(200)
  })
})
