import { base32 } from 'oslo/encoding'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Person } from '../../test/actors.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { addPasskey, type Authenticator } from '../../test/authenticator.ts'
import { codeOf as mailedCode, openOutbox } from '../../test/mails.ts'
import { totpCode, totpStep } from './totp.ts'

// What proves and what ends something of one person locks the person first (users.ts): in two orders, two would wait for each other
// until Postgres ends one of them (40P01), which would be a 500.

let app: TestApp
let blocker: postgres.Sql
beforeAll(async () => {
  app = await startTestApp({ jobs: true, settings: { RATE_LIMIT_FACTOR: '1000' } })
  blocker = postgres(app.database.urls.superuser, { max: 1, onnotice: () => undefined })
})
afterAll(async () => {
  await blocker.end()
  await app[Symbol.asyncDispose]()
})

const shown = ({ status, body }: { status: number; body: { code?: string } }) => (body.code ? `${status} ${body.code}` : String(status))
const deadlocks = () => app.logLines.filter((line) => JSON.stringify(line).includes('deadlock detected')).length

async function withBothFactors() {
  const person = await app.as.user()
  const { body } = await app.call('POST', '/users/me/mfa/totp', { token: person.token })
  const code = await totpCode(base32.decode(body.secret as string), totpStep(new Date()))
  expect((await app.call('POST', '/users/me/mfa/totp/confirm', { token: person.token, body: { code } })).status).toBe(200)
  const { passkey, authenticator } = await addPasskey(app, person)
  return { person, passkeyId: passkey.id, authenticator }
}
/** What a sign-in by passkey sends last. */
async function answered(authenticator: Authenticator) {
  const { body } = await app.call('POST', '/auth/passkey/begin')
  return { challengeId: body.challengeId as string, assertion: authenticator.get(body.options) }
}
const finish = (body: object) => app.call('POST', '/auth/passkey/finish', { body })
const removePasskey = ({ token }: Person, id: string) => app.call('DELETE', `/users/me/passkeys/${id}`, { token })
const removeTotp = ({ token }: Person) => app.call('DELETE', '/users/me/mfa/totp', { token })

/** Statements of the app that wait for a lock. */
const waiting = async () => (await app.deps.sql<{ n: number }[]>`select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)[0]?.n

describe('a sign-in by passkey while the passkey is removed (control A9)', () => {
  test('waits for whoever locked the person first, not they for it', async () => {
    const { person, passkeyId, authenticator } = await withBothFactors()
    const answer = await answered(authenticator)
    let release = () => undefined as void
    const held = new Promise<void>((resolve) => (release = resolve))
    let taken = () => undefined as void
    const locked = new Promise<void>((resolve) => (taken = resolve))
    const holding = blocker.begin(async (sql) => {
      await sql`select 1 from passkeys where id = ${passkeyId} for update`
      taken()
      await held
    })
    await locked
    const signIn = finish(answer)
    await expect.poll(waiting, { timeout: 10_000 }).toBe(1)
    const removal = removePasskey(person, passkeyId)
    await expect.poll(waiting, { timeout: 10_000 }).toBe(2)
    release()
    await holding
    expect([shown(await signIn), shown(await removal)]).toEqual(['200', '204'])
    expect(deadlocks()).toBe(0)
  })

  test('is let in or refused, round after round, and no one gets a 500', async () => {
    const outcomes = new Set<string>()
    for (let round = 0; round < 6; round += 1) {
      const people = await Promise.all(Array.from({ length: 4 }, withBothFactors))
      const answers = await Promise.all(people.map(async ({ authenticator }) => answered(authenticator)))
      const results = await Promise.all(people.flatMap(({ person, passkeyId }, i) => {
        const [signIn, removal, other] = [() => finish(answers[i] ?? {}), () => removePasskey(person, passkeyId), () => removeTotp(person)]
        // which comes first changes from round to round
        const order = [[signIn, removal], [removal, signIn], [signIn, removal, other], [other, signIn, removal]][(round + i) % 4] ?? []
        return order.map(async (call) => ({ what: call === signIn ? 'sign-in' : 'removal', answer: shown(await call()) }))
      }))
      for (const { what, answer } of results) outcomes.add(`${what}: ${answer}`)
    }
    expect([...outcomes].filter((outcome) => !['sign-in: 200', 'sign-in: 401 proof_invalid', 'removal: 204'].includes(outcome))).toEqual([])
    // who wins is the machine's to say; that a sign-in can, the test above shows
    expect(outcomes).toContain('removal: 204')
    expect(deadlocks()).toBe(0)
  }, 120_000)
})

test('a new password by a mailed code and by the old one, at the same time, do not wait for each other in a circle', async () => {
  const outbox = openOutbox(app)
  for (let round = 0; round < 8; round += 1) {
    const person = await app.as.user()
    const { body } = await app.call('POST', '/auth/forgot-password', { body: { email: person.email } })
    const code = mailedCode(await outbox.next(person.email, 'Your code for a new password'))
    const answers = await Promise.all([
      app.call('POST', '/auth/reset-password', { body: { flowId: body.flowId as string, code, newPassword: 'a dozen louder harbours at dawn' } }),
      app.call('POST', '/auth/change-password', { token: person.token, body: { currentPassword: person.password, newPassword: 'eleven quiet harbours at dusk' } }),
      app.call('POST', '/auth/sign-out-everywhere', { token: person.token }),
    ])
    for (const answer of answers) expect(shown(answer)).toMatch(/^(204|401 (code_invalid|session_ended)|403 (current_password_wrong|step_up_required)|409 password_changed)$/)
  }
  expect(deadlocks()).toBe(0)
})
