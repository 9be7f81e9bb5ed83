import { base32 } from 'oslo/encoding'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { apiBase, restProcedures } from '../../http/rest.ts'
import { roleMay } from '../../kit/permissions.ts'
import type { Meta } from '../../kit/procedure.ts'
import { appRouter } from '../../router.ts'
import type { Person } from '../../test/actors.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { addPasskey } from '../../test/authenticator.ts'
import { visitConsole } from '../../test/console-visitor.ts'
import { mailTo } from '../../test/mails.ts'
import { ask } from '../../test/raw-http.ts'
import { approveTitle, offerTitle } from '../../test/titles.ts'
import { makeTorrent } from '../../test/torrents.ts'
import { findLiveLink } from '../playback/links.ts'
import { readTicket } from '../playback/tickets.ts'
import { insertTotp } from './totp-factor.ts'
import { totpCode, totpStep } from './totp.ts'

let app: TestApp
let now = new Date()
beforeAll(async () => {
  app = await startTestApp({ jobs: true, settings: { RATE_LIMIT_FACTOR: '1000' }, overrides: { now: () => now } })
})
afterAll(() => app[Symbol.asyncDispose]())
beforeEach(() => {
  now = new Date()
})

type Definition = { _def: { type: 'query' | 'mutation'; meta?: Meta } }
const procedures = Object.entries(appRouter._def.procedures as unknown as Record<string, Definition>).map(([name, { _def }]) => ({ name, type: _def.type, meta: _def.meta ?? {} }))
const forPeople = ({ meta: { permission } }: { meta: Meta }) => permission !== 'public' && permission !== 'ingest:write'

/** Enrols by the API, with the token that the person has. */
async function enrol({ token }: Person) {
  const { body } = await app.call('POST', '/users/me/mfa/totp', { token })
  const secret = base32.decode(body.secret as string)
  return app.call('POST', '/users/me/mfa/totp/confirm', { token, body: { code: await totpCode(secret, totpStep(now)) } })
}

describe('staff without a second factor (control A9)', () => {
  test('may do what is listed here, and no other procedure', () => {
    expect(procedures.filter(({ meta }) => meta.beforeEnrolment).map(({ name }) => name).sort()).toEqual([
      'auth.signOut',
      'factors.beginPasskey',
      'factors.beginStepUp',
      'factors.beginTotp',
      'factors.confirmTotp',
      'factors.finishPasskey',
      'factors.finishStepUp',
      'factors.listPasskeys',
      'factors.state',
      'users.me',
    ])
  })

  test('are refused by every other procedure, over REST and /trpc alike, also those that anyone signed in may call', async () => {
    const { token } = await app.as.unenrolledModerator()
    const asked = procedures.filter((procedure) => forPeople(procedure) && !procedure.meta.beforeEnrolment)
    expect(asked.length).toBeGreaterThan(10)
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    for (const { name, type, meta } of asked) {
      const answer = type === 'query' ? await ask(app.baseUrl, `/trpc/${name}`, { headers: { authorization: headers.authorization } }) : await ask(app.baseUrl, `/trpc/${name}`, { method: 'POST', headers, body: '{}' })
      const mayOtherwise = roleMay('moderator', meta.permission ?? 'public')
      expect([name, answer.status, answer.body.error.data.code]).toEqual([name, 403, mayOtherwise ? 'mfa_enrolment_required' : 'permission_denied'])
    }
    for (const { name, rest: { method, path } } of restProcedures().filter((procedure) => asked.some(({ name }) => name === procedure.name))) {
      const url = apiBase + path.replaceAll(/\{\w+\}/g, '6f1e4a52-0f6a-4b57-9d4c-8f6d0b1c2d3e')
      const withBody = method === 'POST' || method === 'PUT' || method === 'PATCH'
      const answer = await ask(app.baseUrl, url, { method, headers: withBody ? headers : { authorization: headers.authorization }, ...(withBody ? { body: '{}' } : {}) })
      expect([name, answer.status]).toEqual([name, 403])
    }
  })

  test('read their account, enrol, and go on with the token that they have', async () => {
    const person = await app.as.unenrolledModerator()
    expect((await app.call('GET', '/users/me', { token: person.token })).status).toBe(200)
    expect((await app.call('GET', '/users/me/mfa', { token: person.token })).body.required).toBe(true)
    expect((await app.call('GET', '/admin/torrents', { token: person.token })).body.code).toBe('mfa_enrolment_required')
    expect((await enrol(person)).body.recoveryCodes).toHaveLength(10)
    expect((await app.call('GET', '/admin/torrents', { token: person.token })).status).toBe(200)
    const refreshed = await app.call('POST', '/auth/refresh', { body: { refreshToken: person.refreshToken } })
    expect((await app.call('GET', '/admin/torrents', { token: refreshed.body.tokens.accessToken })).status).toBe(200)
  })

  test('a passkey enrols as well', async () => {
    const person = await app.as.unenrolledModerator()
    await addPasskey(app, person)
    expect((await app.call('GET', '/admin/torrents', { token: person.token })).status).toBe(200)
  })

  test('a session that did not prove the factor there is proves it first', async () => {
    const person = await app.as.unenrolledModerator()
    // one that the enrolment did not end, because it was opened in the same moment
    await app.deps.db.transaction((tx) => insertTotp(app.deps, tx, { userId: person.userId, confirmedAt: now }))
    const refused = await app.call('GET', '/admin/torrents', { token: person.token })
    expect([refused.status, refused.body.code, refused.body.methods]).toEqual([403, 'step_up_required', ['totp']])
  })

  test('play nothing, even by a link that is there', async () => {
    const moderator = await app.as.moderator()
    const { infoHash, base64 } = makeTorrent({ files: [{ path: 'film.mp4', sizeBytes: 1_000 }] })
    const id = await offerTitle(app, { infoHash, torrentFile: Buffer.from(base64, 'base64') })
    await approveTitle(app, id, moderator.token)
    const viewer = await app.as.user()
    const { body } = await app.call('POST', `/torrents/${id}/files/0/playback`, { token: viewer.token })
    const ticket = readTicket(app.deps.keys, (body.url as string).split('/').at(-2) ?? '') ?? expect.fail('no ticket')
    expect(await findLiveLink(app.deps, ticket)).not.toBeNull()
    await app.deps.sql`update users set role = 'moderator' where id = ${viewer.userId}`
    expect(await findLiveLink(app.deps, ticket)).toBeNull()
    expect((await ask(app.baseUrl, new URL(body.url as string).pathname)).body.code).toBe('playback_link_ended')
  })

  test('see no page of the console but where they add one', async () => {
    const person = await app.as.unenrolledModerator()
    const visitor = visitConsole(app.baseUrl)
    await visitor.signIn(person)
    for (const path of ['/', '/titles']) {
      const { status, headers: { location } } = await visitor.get(path)
      expect([status, String(location).split('?')[0]]).toEqual([302, '/account/security'])
    }
    await enrol(person)
    expect((await visitor.get('/')).status).toBe(302)
    await visitor.signIn({ ...person, secondFactor: async () => ({ method: 'recovery_code', code: 'wrong-code' }) })
    expect((await visitor.get('/')).status).toBe(302)
  })

  test('never are without their last one', async () => {
    const moderator = await app.as.moderator()
    const before = await app.deps.sql`select id, removed_at from totp_factors where user_id = ${moderator.userId}`
    const refused = await app.call('DELETE', '/users/me/mfa/totp', { token: moderator.token })
    expect([refused.status, refused.body.code]).toEqual([409, 'factor_required'])
    expect(await app.deps.sql`select id, removed_at from totp_factors where user_id = ${moderator.userId}`).toEqual(before)
    const { passkey } = await addPasskey(app, moderator)
    expect((await app.call('DELETE', '/users/me/mfa/totp', { token: moderator.token })).status).toBe(204)
    expect((await app.call('DELETE', `/users/me/passkeys/${passkey.id}`, { token: moderator.token })).body.code).toBe('factor_required')
  })

  test('of two removals at once one stays', async () => {
    const moderator = await app.as.moderator()
    const { passkey } = await addPasskey(app, moderator)
    const answers = await Promise.all([app.call('DELETE', '/users/me/mfa/totp', { token: moderator.token }), app.call('DELETE', `/users/me/passkeys/${passkey.id}`, { token: moderator.token })])
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 409])
  })
})

describe('a reset of the factors (control A9)', () => {
  test('ends the sessions, is told by mail, and leads to enrolment again', async () => {
    const [admin, moderator] = [await app.as.admin(), await app.as.moderator()]
    expect((await app.call('POST', `/admin/users/${moderator.userId}/reset-mfa`, { token: admin.token })).status).toBe(204)
    await expect.poll(async () => (await app.call('GET', '/users/me', { token: moderator.token })).body.code).toBe('session_ended')
    expect(await mailTo(app.dataDir, moderator.email, 'How you sign in was changed')).toContain('reset')
    const again = await app.as.userAgain(moderator)
    expect((await app.call('GET', '/admin/torrents', { token: again.token })).body.code).toBe('mfa_enrolment_required')
    const [row] = await app.deps.sql`select actor_kind, target_kind from audit_log where action = 'user.reset_factors' order by id desc limit 1`
    expect(row).toEqual({ actor_kind: 'user', target_kind: 'user' })
  })

  test('is never of one’s own, nor without a fresh proof, and nothing is changed', async () => {
    const [admin, moderator] = [await app.as.admin(), await app.as.moderator()]
    const factors = () => app.deps.sql`select id, removed_at from totp_factors where user_id in (${admin.userId}, ${moderator.userId}) order by id`
    const before = await factors()
    expect((await app.call('POST', `/admin/users/${admin.userId}/reset-mfa`, { token: admin.token })).status).toBe(404)
    now = new Date(now.getTime() + 6 * 60_000)
    expect((await app.call('POST', `/admin/users/${moderator.userId}/reset-mfa`, { token: admin.token })).body.code).toBe('step_up_required')
    expect(await factors()).toEqual(before)
  })
})

test('what demands a fresh proof (control A10) is listed here', () => {
  expect(procedures.filter(({ meta }) => meta.stepUp).map(({ name }) => name).sort()).toEqual([
    'apiKeys.create',
    'apiKeys.rotate',
    'auth.changeEmail',
    'auth.changePassword',
    'factors.beginPasskey',
    'factors.beginTotp',
    'factors.newRecoveryCodes',
    'factors.removePasskey',
    'factors.removeTotp',
    'factors.reset',
    'invites.create',
    'users.delete',
    'users.exportState',
    'users.requestExport',
    'users.setRole',
  ])
})
