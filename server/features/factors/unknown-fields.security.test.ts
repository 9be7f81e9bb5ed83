import { base32 } from 'oslo/encoding'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Person } from '../../test/actors.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { addPasskey, createAuthenticator } from '../../test/authenticator.ts'
import { totpCode, totpStep } from './totp.ts'

/** Mass assignment (control B1): what the body of a proof may hold is listed, and nothing in it says whose or what the account is. */

let app: TestApp
const now = new Date()
let person: Person
beforeAll(async () => {
  app = await startTestApp({ settings: { RATE_LIMIT_FACTOR: '1000' }, overrides: { now: () => now } })
  person = await app.as.user()
})
afterAll(() => app[Symbol.asyncDispose]())

type Door = { path: string; token?: string; body: Record<string, unknown> }
const post = ({ path, token, body }: Door, more: object = {}) => app.call('POST', path, { token, body: { ...body, ...more } })

/** Each as it would be taken: a right proof, of someone new. */
const doors: [string, () => Promise<Door>][] = [
  ['mfa/verify', async () => {
    const moderator = await app.as.moderator()
    const { body } = await app.call('POST', '/auth/sign-in', { body: { email: moderator.email, password: moderator.password } })
    return { path: '/auth/mfa/verify', body: { challengeId: body.mfa.challengeId, ...(await moderator.secondFactor?.()) } }
  }],
  ['passkey/finish', async () => {
    const { authenticator } = await addPasskey(app, await app.as.user())
    const { body } = await app.call('POST', '/auth/passkey/begin')
    return { path: '/auth/passkey/finish', body: { challengeId: body.challengeId, assertion: authenticator.get(body.options as string) } }
  }],
  ['step-up/finish', async () => {
    const { token, password } = await app.as.user()
    const { body } = await app.call('POST', '/auth/step-up/begin', { token, body: { method: 'password' } })
    return { path: '/auth/step-up/finish', token, body: { challengeId: body.challengeId, password } }
  }],
  ['change-password', async () => {
    const { token, password } = await app.as.user()
    return { path: '/auth/change-password', token, body: { currentPassword: password, newPassword: 'violet harbour 93 lantern' } }
  }],
  ['passkeys/finish', async () => {
    const { token } = await app.as.user()
    const { body } = await app.call('POST', '/users/me/passkeys/begin', { token })
    return { path: '/users/me/passkeys/finish', token, body: { challengeId: body.challengeId, name: 'Key', attestation: createAuthenticator(app.baseUrl).create(body.options as string) } }
  }],
  ['totp/confirm', async () => {
    const { token } = await app.as.user()
    const { body } = await app.call('POST', '/users/me/mfa/totp', { token })
    return { path: '/users/me/mfa/totp/confirm', token, body: { code: await totpCode(base32.decode(body.secret as string), totpStep(now)) } }
  }],
]

const tables = ['users', 'sessions', 'refresh_tokens', 'email_flows', 'auth_challenges', 'totp_factors', 'recovery_codes', 'passkeys', 'known_devices', 'audit_log']
const everything = () => Promise.all(tables.map(async (table) => [table, await app.deps.sql`select * from ${app.deps.sql(table)} row order by row::text`]))

describe.each(doors)('%s', (_name, ready) => {
  test('refuses each unknown field by its name, changes no row, and takes the same proof without it', async () => {
    const door = await ready()
    const before = await everything()
    for (const [field, value] of [['role', 'admin'], ['emailVerified', true], ['userId', person.userId]] as const) {
      const { status, body } = await post(door, { [field]: value })
      expect([status, body.code, body.errors.map(({ path }: { path: string }) => path)]).toEqual([422, 'unknown_field', [field]])
    }
    expect(await everything()).toEqual(before)
    expect([200, 204]).toContain((await post(door)).status)
    expect(await everything()).not.toEqual(before)
  })
})
