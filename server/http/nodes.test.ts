import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import postgres from 'postgres'
import type { Person } from '../test/actors.ts'
import { startTestApp, type TestApp } from '../test/app.ts'
import { cuttable, type Cuttable } from '../test/cuttable.ts'
import { codeIn, mailTo } from '../test/mails.ts'
import { ask } from '../test/raw-http.ts'
import { sessionOf } from '../test/session-of.ts'

// Two nodes on one database: what must hold on both, whichever was asked.

let here: TestApp
let there: TestApp
let admin: postgres.Sql
let relay: Cuttable
beforeAll(async () => {
  // works the mails of both
  here = await startTestApp({ jobs: true, settings: { RATE_LIMIT_FACTOR: '100' } })
  relay = await cuttable(here.database.urls.app)
  const { database, dataDir } = here
  // in use both nodes have one public address
  const settings = { RATE_LIMIT_FACTOR: '100', PUBLIC_URL: here.baseUrl }
  there = await startTestApp({ database: { ...database, urls: { ...database.urls, app: relay.url } }, dataDir, settings })
  admin = postgres(database.urls.superuser, { max: 1 })
  for (const node of [here, there]) await vi.waitFor(() => expect(node.deps.revocations.live()).toBe(true), { timeout: 10_000 })
})
afterAll(async () => {
  await admin.end()
  await there[Symbol.asyncDispose]()
  await relay[Symbol.asyncDispose]()
  await here[Symbol.asyncDispose]()
})

/** Both answer for the same name, as behind one proxy. */
const call = (node: TestApp, method: string, path: string, { token, body }: { token?: string; body?: object }) =>
  ask(node.baseUrl, `/api/v1${path}`, {
    method,
    headers: { host: new URL(here.baseUrl).host, ...(token ? { authorization: `Bearer ${token}` } : {}), ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
const me = async (node: TestApp, token: string) => {
  const { status, body } = await call(node, 'GET', '/users/me', { token })
  return status === 200 ? 'in' : (body.code as string)
}
const onThere = (token: string) => me(there, token)
const within = { timeout: 10_000, interval: 20 }

describe('across nodes', () => {
  test('a token of one is good on the other', async () => {
    const { token } = await here.as.user()
    expect(await me(here, token)).toBe('in')
    expect(await onThere(token)).toBe('in')
  })

  const again = async (person: Person) => ({ token: (await here.as.userAgain(person)).token })
  const resetByMail = async ({ email }: Person) => {
    const { body } = await here.call('POST', '/auth/forgot-password', { body: { email } })
    const code = codeIn(await mailTo(here.dataDir, email, 'Your code'))
    return here.call('POST', '/auth/reset-password', { body: { flowId: body.flowId, code, newPassword: 'another long passphrase 12' } })
  }
  test.each<[string, (person: Person) => Promise<{ status: number }>, string]>([
    ['a sign-out', ({ token }) => here.call('POST', '/auth/sign-out', { token }), 'session_ended'],
    ['a sign-out everywhere', async (person) => here.call('POST', '/auth/sign-out-everywhere', await again(person)), 'session_ended'],
    ['the end of that session by its owner', async (person) => here.call('DELETE', `/users/me/sessions/${sessionOf(person)}`, await again(person)), 'session_ended'],
    ['another password', async (person) => here.call('POST', '/auth/change-password', { ...(await again(person)), body: { currentPassword: person.password, newPassword: 'another long passphrase 12' } }), 'session_ended'],
    ['another password by a mailed code', resetByMail, 'session_ended'],
    ['a ban', async ({ userId }) => here.call('POST', `/admin/users/${userId}/ban`, { token: (await here.as.moderator()).token, body: { reason: 'spam' } }), 'session_ended'],
    ['the end of all sessions by staff', async ({ userId }) => here.call('POST', `/admin/users/${userId}/end-sessions`, { token: (await here.as.moderator()).token }), 'session_ended'],
    ['another role', async ({ userId }) => here.call('POST', `/admin/users/${userId}/role`, { token: (await here.as.admin()).token, body: { role: 'moderator' } }), 'session_ended'],
    ['the loss of all second factors', async ({ userId }) => here.call('POST', `/admin/users/${userId}/reset-mfa`, { token: (await here.as.admin()).token }), 'session_ended'],
    ['the deletion of the account', ({ token }) => here.call('DELETE', '/users/me', { token }), 'session_ended'],
  ])('%s on one is refused there at once, and on the other within a second', async (_what, ending, code) => {
    const person = await here.as.user()
    expect(await onThere(person.token)).toBe('in')
    expect((await ending(person)).status).toBeLessThan(300)
    expect(await me(here, person.token)).toBe(code)
    await expect.poll(() => onThere(person.token), within).toBe(code)
  })

  test('with the channel of a node ended by force, what ends meanwhile is refused there within a second', async () => {
    const person = await here.as.user()
    expect(await onThere(person.token)).toBe('in')
    const dropped = await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query ilike 'listen%'`
    expect(dropped.length).toBeGreaterThanOrEqual(2)
    expect((await here.call('POST', '/auth/sign-out', { token: person.token })).status).toBe(204)
    await expect.poll(() => onThere(person.token), within).toBe('session_ended')
    for (const node of [here, there]) await expect.poll(() => node.deps.revocations.live(), { timeout: 5_000 }).toBe(true)
  })

  test('a node cut off from the database lets nobody in, not even whom it knew, and lets them in again after', async () => {
    const [staying, leaving] = [await here.as.user(), await here.as.user()]
    for (const { token } of [staying, leaving]) expect(await onThere(token)).toBe('in')
    relay.cut()
    expect((await here.call('POST', '/auth/sign-out', { token: leaving.token })).status).toBe(204)
    await expect.poll(() => onThere(leaving.token), within).toBe('unavailable')
    expect(await onThere(staying.token)).toBe('unavailable')
    // long enough that every attempt to listen again has failed meanwhile
    await expect.poll(() => there.deps.revocations.live(), { timeout: 5_000 }).toBe(false)
    relay.restore()
    await expect.poll(() => onThere(staying.token), { timeout: 10_000 }).toBe('in')
    expect(await onThere(leaving.token)).toBe('session_ended')
    await expect.poll(() => there.deps.revocations.live(), { timeout: 10_000 }).toBe(true)
  })

  test('a refresh token has one successor, even when both nodes are asked at the same time', async () => {
    const { refreshToken } = await here.as.user()
    const answers = await Promise.all([here, there, here, there].map((node) => call(node, 'POST', '/auth/refresh', { body: { refreshToken } })))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
    expect(new Set(answers.map(({ body }) => body.tokens.refreshToken)).size).toBe(1)
  })
})
