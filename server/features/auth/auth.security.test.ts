import { generateKeyPair, importJWK, SignJWT, type JWTPayload } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { completeSetUp, makeSetupLink } from './set-up.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { standingClock } from '../../test/clock.ts'
import type { Person } from '../../test/actors.ts'

let app: TestApp
let person: Person
beforeAll(async () => {
  app = await startTestApp()
  person = await app.as.user()
})
afterAll(() => app[Symbol.asyncDispose]())

const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as JWTPayload
const me = (token: string) => app.call('GET', '/users/me', { token })
const rename = (token: string, name: string) => app.call('PATCH', '/users/me', { token, body: { name } })
const rowOf = ({ userId }: Person) => app.deps.sql`select * from users where id = ${userId}`

async function forged(change: { header?: Record<string, unknown>; claims?: JWTPayload; key?: CryptoKey | Uint8Array }): Promise<string> {
  const key = app.deps.keys.signing()
  return new SignJWT({ ...claimsOf(person.token), ...change.claims })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: key.id, ...change.header })
    .sign(change.key ?? key.privateKey)
}

describe('access tokens (control A1)', () => {
  test('the pair of claims and key that the forgeries below start from is accepted', async () => {
    expect((await me(await forged({}))).status).toBe(200)
    expect((await rename(await forged({}), 'Ada')).body.name).toBe('Ada')
    expect((await rowOf(person))[0]?.['name']).toBe('Ada')
  })

  test('are refused when any of it is wrong, and change nothing', async () => {
    const now = Math.floor(Date.now() / 1000)
    const stranger = (await generateKeyPair('ES256')).privateKey
    const rsa = (await generateKeyPair('RS256')).privateKey
    const otherKeys = await app.deps.sql<{ id: string; kind: string }[]>`select id, kind from keys where kind <> 'access_token' order by kind`
    expect(otherKeys.map(({ kind }) => kind)).toEqual(['column', 'csrf', 'cursor', 'lookup', 'playback_ticket'])
    const { publicJwk } = app.deps.keys.signing()
    const confused = new TextEncoder().encode(JSON.stringify(publicJwk))
    const bare = (header: object) => `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${person.token.split('.')[1] ?? ''}.`
    const forgeries: Record<string, string> = {
      'alg none': bare({ alg: 'none', typ: 'at+jwt', kid: publicJwk.kid }),
      'HMAC with the public key': await forged({ header: { alg: 'HS256' }, key: confused }),
      "a stranger's key": await forged({ key: stranger }),
      'an unknown kid': await forged({ header: { kid: crypto.randomUUID() } }),
      'a kid that is a path': await forged({ header: { kid: '../../etc/passwd' } }),
      'no kid': bare({ alg: 'ES256', typ: 'at+jwt' }),
      'RS256 by an RSA key': await forged({ header: { alg: 'RS256' }, key: rsa }),
      'another type': await forged({ header: { typ: 'JWT' } }),
      'another audience': await forged({ claims: { aud: 'another' } }),
      'another issuer': await forged({ claims: { iss: 'https://elsewhere.example' } }),
      'not yet valid': await forged({ claims: { nbf: now + 600 } }),
      'issued in the future': await forged({ claims: { iat: now + 600, exp: now + 1200 } }),
      'issued long ago, valid for long': await forged({ claims: { iat: now - 86_400, exp: now + 86_400 } }),
      'no session': await forged({ claims: { sid: undefined } }),
      'a role of its own': await forged({ claims: { ['role']: 'root' } }),
      'an altered signature': `${person.token.slice(0, -4)}AAAA`,
    }
    for (const claim of ['sub', 'jti', 'iat', 'nbf', 'exp', 'auth_time', 'amr', 'role']) forgeries[`no ${claim}`] = await forged({ claims: { [claim]: undefined } })
    // signed by the right key: the id alone leads to another
    for (const { id, kind } of otherKeys) forgeries[`the kid of the ${kind} key`] = await forged({ header: { kid: id } })
    const before = await rowOf(person)
    for (const [what, token] of Object.entries(forgeries)) {
      for (const { status, body } of [await me(token), await rename(token, 'Mallory')]) expect([what, status, body.code]).toEqual([what, 401, 'access_token_invalid'])
    }
    expect(await rowOf(person)).toEqual(before)
    const { status, body } = await me(await forged({ claims: { iat: now - 1000, nbf: now - 1000, exp: now - 100 } }))
    expect([status, body.code]).toEqual([401, 'access_token_expired'])
  })

  describe('are good five seconds beyond both ends, for clocks that differ', () => {
    const second = 1_000
    const issued = Math.floor(Date.now() / second) * second
    const expiry = issued + 15 * 60 * second
    const edges: [string, number, number, string | undefined][] = [
      ['4.999 s after exp', expiry + 4_999, 200, undefined],
      ['5 s after exp', expiry + 5_000, 401, 'access_token_expired'],
      ['5 s before nbf', issued - 5_000, 200, undefined],
      ['5.001 s before nbf', issued - 5_001, 401, 'access_token_invalid'],
    ]
    let clocked: TestApp
    const { now, set } = standingClock(new Date(issued))
    beforeAll(async () => {
      clocked = await startTestApp({ settings: { RATE_LIMIT_FACTOR: '100' }, overrides: { now } })
    })
    afterAll(() => clocked[Symbol.asyncDispose]())

    test.each(edges)('%s', async (_when, at, status, code) => {
      set(new Date(issued))
      const [unseen, seen] = [await clocked.as.user(), await clocked.as.user()]
      expect([claimsOf(unseen.token).nbf, claimsOf(unseen.token).exp]).toEqual([issued / second, expiry / second])
      expect((await clocked.call('GET', '/users/me', { token: seen.token })).status).toBe(200)
      set(new Date(at))
      // the signature of the second was verified before: its times are looked at all the same
      for (const { token } of [unseen, seen]) {
        const answer = await clocked.call('GET', '/users/me', { token })
        expect([answer.status, answer.body.code]).toEqual([status, code])
      }
    })
  })

  test('verify with the published keys', async () => {
    const { keys } = (await (await fetch(`${app.baseUrl}/.well-known/jwks.json`)).json()) as { keys: JsonWebKey[] }
    expect(keys).toHaveLength(1)
    expect(keys[0]).not.toHaveProperty('d')
    await expect(importJWK(keys[0] as never, 'ES256')).resolves.toBeTruthy()
  })
})

describe('mass assignment', () => {
  test.each(['role', 'emailVerified', 'bannedAt'])('sign-up refuses the field %s', async (field) => {
    const before = await app.deps.sql`select count(*)::int as n from email_flows`
    const { status, body } = await app.call('POST', '/auth/sign-up', { body: { email: 'x@example.org', password: 'correct horse battery staple 7', [field]: 'admin' } })
    expect([status, body.code, body.errors[0].path]).toEqual([422, 'unknown_field', field])
    expect(await app.deps.sql`select count(*)::int as n from email_flows`).toEqual(before)
  })
})

describe('ban', () => {
  test('ends every session at once, and only a right password learns of it', async () => {
    const victim = await app.as.user()
    const moderator = await app.as.moderator()
    expect((await app.call('POST', `/admin/users/${victim.userId}/ban`, { token: moderator.token, body: { reason: 'spam' } })).status).toBe(204)
    expect((await me(victim.token)).body.code).toBe('session_ended')
    const { email, password } = victim
    expect((await app.call('POST', '/auth/sign-in', { body: { email, password } })).body.code).toBe('account_banned')
    expect((await app.call('POST', '/auth/sign-in', { body: { email, password: 'wrong' } })).body.code).toBe('invalid_credentials')
  })

  test('is not for users, nor against staff by moderators, nor against oneself', async () => {
    const [user, other, moderator, admin] = [await app.as.user(), await app.as.user(), await app.as.moderator(), await app.as.admin()]
    const ban = (token: string, userId: string) => app.call('POST', `/admin/users/${userId}/ban`, { token, body: { reason: 'x' } })
    expect((await ban(user.token, other.userId)).status).toBe(403)
    expect((await ban(moderator.token, admin.userId)).status).toBe(404)
    expect((await ban(moderator.token, moderator.userId)).status).toBe(404)
    expect((await ban(admin.token, admin.userId)).status).toBe(404)
    expect(await app.deps.sql`select id from users where banned_at is not null and id in ${app.deps.sql([other.userId, moderator.userId, admin.userId])}`).toHaveLength(0)
  })
})

describe('the first admin', () => {
  test('is made by one link, once, even by ten at the same time', async () => {
    await using fresh = await startTestApp()
    const link = await makeSetupLink(fresh.deps)
    const token = link.url.split('/').at(-1) ?? ''
    const complete = (n: number) =>
      fetch(`${fresh.baseUrl}/trpc/auth.completeSetUp`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ token, email: `admin${n}@example.org`, password: 'correct horse battery staple 7' }) })
    const statuses = (await Promise.all(Array.from({ length: 10 }, (_, n) => complete(n)))).map(({ status }) => status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(1)
    expect(statuses.filter((status) => status === 403)).toHaveLength(9)
    expect(await fresh.deps.sql`select id from users`).toHaveLength(1)
    await expect(makeSetupLink(fresh.deps)).rejects.toMatchObject({ code: 'admin_exists' })
  })

  test('is not made by a link that is an hour old', async () => {
    const { now, later } = standingClock()
    await using fresh = await startTestApp({ overrides: { now } })
    const token = (await makeSetupLink(fresh.deps)).url.split('/').at(-1) ?? ''
    later({ seconds: 3600.001 })
    await expect(completeSetUp(fresh.as.operator(), { token, email: 'a@example.org', password: 'correct horse battery staple 7' })).rejects.toMatchObject({ code: 'setup_link_ended' })
    expect(await fresh.deps.sql`select id from users`).toHaveLength(0)
  })
})
