import * as argon2 from '@node-rs/argon2'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createPasswords, type Argon } from '../../kit/passwords.ts'
import { testPassword, type Person } from '../../test/actors.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { visitConsole, type ConsoleVisitor } from '../../test/console-visitor.ts'

/** Of every door to which a password is brought: what is far too long is refused by its length, not by work (control A6). */

let app: TestApp
let person: Person
let moderator: Person
let flowId: string
let code: string
let challengeId: string
let visitor: ConsoleVisitor
let hashes = 0
const counting: Argon = {
  hash: (...args) => ((hashes += 1), argon2.hash(...args)),
  verify: (...args) => ((hashes += 1), argon2.verify(...args)),
}
beforeAll(async () => {
  app = await startTestApp({ jobs: true, settings: { RATE_LIMIT_FACTOR: '100' }, overrides: { passwords: createPasswords({}, counting) } })
  person = await app.as.user()
  moderator = await app.as.moderator()
  const forgetful = await app.as.user()
  flowId = (await app.call('POST', '/auth/forgot-password', { body: { email: forgetful.email } })).body.flowId
  code = await app.outbox.code(forgetful.email)
  challengeId = (await app.call('POST', '/auth/step-up/begin', { token: person.token, body: { method: 'password' } })).body.challengeId
  visitor = visitConsole(app.baseUrl)
  await visitor.get('/sign-in')
})
afterAll(() => app[Symbol.asyncDispose]())
beforeEach(() => {
  hashes = 0
})

const next = 'violet harbour 93 lantern'
type Door = [name: string, status: number, right: string, send: (password: string) => Promise<{ status: number }>]
/** With what each answers to a password as it should be. */
const doors: Door[] = [
  ['sign-up', 202, next, (password) => app.call('POST', '/auth/sign-up', { body: { email: 'long@example.org', password } })],
  ['sign-in', 200, testPassword, (password) => app.call('POST', '/auth/sign-in', { body: { email: person.email, password } })],
  ['reset-password', 204, next, (newPassword) => app.call('POST', '/auth/reset-password', { body: { flowId, code, newPassword } })],
  ['step-up/finish', 200, testPassword, (password) => app.call('POST', '/auth/step-up/finish', { token: person.token, body: { challengeId, password } })],
  ["the console's sign-in form", 200, testPassword, (password) => visitor.post('/sign-in', { email: moderator.email, password })],
  ['change-password as the current one', 204, testPassword, (currentPassword) => app.call('POST', '/auth/change-password', { token: person.token, body: { currentPassword, newPassword: next } })],
  ['change-password as the new one', 204, 'copper meadow 58 whistle', (newPassword) => app.call('POST', '/auth/change-password', { token: person.token, body: { currentPassword: next, newPassword } })],
]
const lengths: [string, number, number][] = [
  ['a megabyte', 1_048_576, 413],
  ['fifty thousand characters, which a body may hold', 50_000, 422],
]

/** Every row of every table that a password leads to. */
const everything = () =>
  Promise.all(['users', 'sessions', 'refresh_tokens', 'email_flows', 'auth_challenges', 'guess_throttles', 'known_devices', 'audit_log'].map(async (table) => [table, await app.deps.sql`select * from ${app.deps.sql(table)} row order by row::text`]))

test.each(lengths.flatMap(([what, length, status]) => doors.map(([door, , , send]) => ({ what, length, status, door, send }))))('a password of $what is refused at $door without a hash, and no row is changed', async ({ length, status, send }) => {
  const before = await everything()
  expect((await send('Xq7-'.repeat(length / 4))).status).toBe(status)
  expect(hashes).toBe(0)
  expect(await everything()).toEqual(before)
})

test.each(doors)('%s, last of all with a password as it should be, answers %i and looks at it', async (_door, status, right, send) => {
  expect((await send(right)).status).toBe(status)
  expect(hashes).toBeGreaterThan(0)
})
