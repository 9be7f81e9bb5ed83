import { randomUUID } from 'node:crypto'
import { insertUser } from '../features/users/users.ts'
import type { Role } from '../kit/permissions.ts'
import { testPassword, type Person } from './actors.ts'
import type { TestApp } from './app.ts'
import { addPasskey } from './authenticator.ts'
import { codeIn, mailTo } from './mails.ts'
import { sessionOf } from './session-of.ts'
import { approveTitle, offerTitle } from './titles.ts'
import { makeTorrent } from './torrents.ts'

/** Who calls. `otherKey` is an API key that owns nothing of what is asked for; it stands for "somebody else" where keys own things. */
export const actorNames = ['anonymous', 'user', 'moderator', 'admin', 'apiKey', 'otherKey'] as const
export type ActorName = (typeof actorNames)[number]
export type Credentials = { token?: string; apiKey?: string }
/** What the rows stand on. */
export type World = {
  app: TestApp
  titles: { approved: string; pending: string; takenDown: string }
  batchId: string
  moderator: Person
  someone(role: Role): Promise<Person>
}

/** Status by actor; 2xx is "may". */
type Expected = Record<ActorName, number>
const everyone = (status: number): Expected => ({ anonymous: status, user: status, moderator: status, admin: status, apiKey: status, otherKey: status })
const signedIn = (status: number): Expected => ({ ...everyone(status), anonymous: 401, apiKey: 401, otherKey: 401 })
const staff = (status: number): Expected => ({ ...signedIn(status), user: 403 })
const keys = (owner: number, other = owner): Expected => ({ ...everyone(401), apiKey: owner, otherKey: other })

export type ProcedureCase = {
  name: string
  /** The call ends the caller's session. */
  ends?: true
  input?: (world: World) => unknown
  expected: Expected
}

const password = 'a long and odd passphrase 9'
const pending = async ({ app }: World) => {
  // nothing that plays: jobs would ask swarms that are not there for what is in it
  const { infoHash, base64 } = makeTorrent({ files: [{ path: 'notes.txt', sizeBytes: 1_000 }] })
  return offerTitle(app, { infoHash, torrentFile: Buffer.from(base64, 'base64') })
}
const approved = async (world: World) => {
  const id = await pending(world)
  await approveTitle(world.app, id, world.moderator.token)
  return id
}
/** The id of a stream that somebody else may have. */
const othersStream = async ({ app, someone, titles }: World) => {
  const { userId, token } = await someone('user')
  await app.call('POST', `/torrents/${titles.approved}/files/0/playback`, { token })
  const [link] = await app.deps.sql<{ id: string }[]>`select id from playback_links where user_id = ${userId}`
  return { streamId: `${link?.id}.0` }
}
const newEmail = () => `${randomUUID()}@example.org`

/** The code of a sign-up, from the mail that waits to go out. */
async function begunSignUp({ app }: World) {
  const email = newEmail()
  const { body } = await app.call('POST', '/auth/sign-up', { body: { email, password } })
  return { flowId: body.flowId as string, code: codeIn(await mailTo(app.dataDir, email)) }
}
async function accountToSignInTo({ app: { deps } }: World) {
  const email = newEmail()
  const passwordHash = await deps.passwords.hash(password)
  await deps.db.transaction((tx) => insertUser(deps, tx, { email, name: null, locale: 'en', role: 'user', passwordHash }))
  return { email, password }
}
/** A sign-in that waits for the second factor, and what proves it. */
async function askedForFactor(app: TestApp) {
  const { email, password, secondFactor } = await app.as.moderator()
  const { body } = await app.call('POST', '/auth/sign-in', { body: { email, password } })
  return { challengeId: body.mfa.challengeId as string, ...(await secondFactor?.()) }
}
async function begunStepUp(app: TestApp, { token }: Person): Promise<string> {
  return (await app.call('POST', '/auth/step-up/begin', { token, body: { method: 'password' } })).body.challengeId
}
async function passkeyAnswer(app: TestApp, person: Person) {
  const { authenticator } = await addPasskey(app, person)
  const { body } = await app.call('POST', '/auth/passkey/begin')
  return { challengeId: body.challengeId as string, assertion: authenticator.get(body.options) }
}
/** A code for a new password, from the mail that waits to go out. */
async function begunReset(world: World) {
  const { email } = await accountToSignInTo(world)
  const { body } = await world.app.call('POST', '/auth/forgot-password', { body: { email } })
  return { flowId: body.flowId as string, code: codeIn(await mailTo(world.app.dataDir, email)), newPassword: 'another long and odd passphrase 8' }
}
/** A change of address that somebody else began, with its code. */
async function othersEmailChange({ app, someone }: World) {
  const { token } = await someone('user')
  const newAddress = newEmail()
  const { body } = await app.call('POST', '/auth/change-email', { token, body: { newEmail: newAddress } })
  return { flowId: body.flowId as string, code: codeIn(await mailTo(app.dataDir, newAddress)) }
}
const madeInvite = async ({ app, someone }: World) => ({ inviteId: (await app.call('POST', '/admin/invites', { token: (await someone('admin')).token, body: {} })).body.id as string })
const madeKey = async ({ app, someone }: World) => ({ apiKeyId: (await app.call('POST', '/admin/api-keys', { token: (await someone('admin')).token, body: { name: 'worker', scopes: ['ingest:write'] } })).body.id as string })
/** Every procedure of the router, at least once. A new one without a row here fails the test. */
export const procedureCases: Record<string, ProcedureCase[]> = {
  'server.info': [{ name: 'anyone', expected: everyone(200) }],

  'auth.signUp': [{ name: 'anyone', input: () => ({ email: newEmail(), password }), expected: everyone(202) }],
  'auth.verifyEmail': [{ name: 'who has the code', input: begunSignUp, expected: everyone(200) }],
  'auth.resendCode': [
    { name: 'a flow', input: async (world) => ({ flowId: (await begunSignUp(world)).flowId }), expected: everyone(202) },
    { name: 'no flow', input: () => ({ flowId: randomUUID() }), expected: everyone(202) },
  ],
  'auth.forgotPassword': [
    { name: 'a known address', input: async (world) => ({ email: (await accountToSignInTo(world)).email }), expected: everyone(202) },
    { name: 'an unknown one', input: () => ({ email: newEmail() }), expected: everyone(202) },
  ],
  'auth.resetPassword': [
    { name: 'who has the code', input: begunReset, expected: everyone(204) },
    { name: 'who has none', input: () => ({ flowId: randomUUID(), code: '00000000', newPassword: password }), expected: everyone(401) },
  ],
  'auth.changeEmail': [{ name: 'to a new address', input: () => ({ newEmail: newEmail() }), expected: signedIn(202) }],
  'auth.confirmEmailChange': [{ name: 'somebody else’s', input: othersEmailChange, expected: everyone(401) }],
  'auth.signIn': [{ name: 'who has the password', input: accountToSignInTo, expected: everyone(200) }],
  'auth.refresh': [{ name: 'who has the token', input: async ({ someone }) => ({ refreshToken: (await someone('user')).refreshToken }), expected: everyone(200) }],
  'auth.signOut': [{ name: 'one’s own session', ends: true, expected: signedIn(204) }],
  'auth.signOutEverywhere': [{ name: 'one’s own sessions', ends: true, expected: signedIn(204) }],
  'auth.changePassword': [
    { name: 'without the current one', ends: true, input: () => ({ currentPassword: 'not the password', newPassword: password }), expected: signedIn(403) },
    { name: 'with the current one', ends: true, input: () => ({ currentPassword: testPassword, newPassword: password }), expected: signedIn(204) },
  ],
  'auth.completeSetUp': [{ name: 'without a link', input: () => ({ token: 'x', email: newEmail(), password }), expected: everyone(403) }],

  'users.me': [{ name: 'oneself', expected: signedIn(200) }],
  'factors.verify': [{ name: 'who proves it', input: ({ app }) => askedForFactor(app), expected: everyone(200) }],
  'factors.beginPasskeySignIn': [{ name: 'anyone', expected: everyone(200) }],
  'factors.finishPasskeySignIn': [
    { name: 'who holds the passkey', input: async ({ app, someone }) => passkeyAnswer(app, await someone('user')), expected: everyone(200) },
    { name: 'without a challenge', input: () => ({ challengeId: randomUUID(), assertion: '{}' }), expected: everyone(401) },
  ],
  'factors.state': [{ name: 'one’s own', expected: signedIn(200) }],
  'factors.beginStepUp': [{ name: 'a method that one lacks', input: () => ({ method: 'passkey' }), expected: signedIn(409) }],
  'factors.finishStepUp': [{ name: 'no challenge of theirs', input: async ({ app, someone }) => ({ challengeId: await begunStepUp(app, await someone('user')), password: testPassword }), expected: signedIn(403) }],
  'factors.beginTotp': [{ name: 'oneself', expected: signedIn(200) }],
  'factors.confirmTotp': [{ name: 'a wrong code', input: () => ({ code: '000000' }), expected: signedIn(403) }],
  'factors.newRecoveryCodes': [{ name: 'who has a factor', expected: { ...signedIn(200), user: 409 } }],
  'factors.removeTotp': [{ name: 'staff keep one', expected: signedIn(409) }],
  'factors.beginPasskey': [{ name: 'oneself', expected: signedIn(200) }],
  'factors.finishPasskey': [{ name: 'no challenge of theirs', input: async ({ app, someone }) => ({ challengeId: (await app.call('POST', '/users/me/passkeys/begin', { token: (await someone('user')).token })).body.challengeId, name: 'Phone', attestation: '{}' }), expected: signedIn(403) }],
  'factors.listPasskeys': [{ name: 'one’s own', expected: signedIn(200) }],
  'factors.removePasskey': [
    { name: 'another’s', input: async ({ app, someone }) => ({ passkeyId: (await addPasskey(app, await someone('user'))).passkey.id }), expected: signedIn(404) },
    { name: 'none', input: () => ({ passkeyId: randomUUID() }), expected: signedIn(404) },
  ],
  'factors.reset': [
    { name: 'a moderator', input: async ({ someone }) => ({ userId: (await someone('moderator')).userId }), expected: { ...staff(403), admin: 204 } },
    { name: 'nobody there', input: () => ({ userId: randomUUID() }), expected: { ...staff(403), admin: 404 } },
  ],
  'users.update': [{ name: 'oneself', input: () => ({ name: 'Ann' }), expected: signedIn(200) }],
  'users.delete': [{ name: 'oneself', ends: true, expected: signedIn(202) }],
  'users.sessions': [{ name: 'one’s own', input: () => ({}), expected: signedIn(200) }],
  'users.revokeSession': [
    { name: 'another’s', input: async ({ someone }) => ({ sessionId: sessionOf(await someone('user')) }), expected: signedIn(404) },
    { name: 'none', input: () => ({ sessionId: randomUUID() }), expected: signedIn(404) },
  ],
  'users.endOtherSessions': [{ name: 'one’s own', ends: true, expected: signedIn(200) }],
  'users.requestExport': [{ name: 'one’s own', ends: true, expected: signedIn(202) }],
  'users.exportState': [{ name: 'one’s own', ends: true, expected: signedIn(200) }],
  'users.unban': [
    { name: 'a banned user', input: async ({ app, moderator, someone }) => {
      const { userId } = await someone('user')
      await app.call('POST', `/admin/users/${userId}/ban`, { token: moderator.token, body: { reason: 'spam' } })
      return { userId }
    }, expected: staff(204) },
    { name: 'one who is not', input: async ({ someone }) => ({ userId: (await someone('user')).userId }), expected: staff(404) },
  ],
  'users.endSessions': [
    { name: 'of a user', input: async ({ someone }) => ({ userId: (await someone('user')).userId }), expected: staff(204) },
    { name: 'of an admin', input: async ({ someone }) => ({ userId: (await someone('admin')).userId }), expected: { ...staff(204), moderator: 404 } },
  ],
  'users.setRole': [
    { name: 'of a user', ends: true, input: async ({ someone }) => ({ userId: (await someone('user')).userId, role: 'moderator' }), expected: { ...staff(403), admin: 204 } },
    { name: 'of nobody', ends: true, input: () => ({ userId: randomUUID(), role: 'moderator' }), expected: { ...staff(403), admin: 404 } },
  ],
  'users.ban': [
    { name: 'a user', input: async ({ someone }) => ({ userId: (await someone('user')).userId, reason: 'spam' }), expected: staff(204) },
    { name: 'a moderator', input: async ({ someone }) => ({ userId: (await someone('moderator')).userId, reason: 'spam' }), expected: { ...staff(204), moderator: 404 } },
    { name: 'an admin', input: async ({ someone }) => ({ userId: (await someone('admin')).userId, reason: 'spam' }), expected: { ...staff(204), moderator: 404 } },
    { name: 'nobody there', input: () => ({ userId: randomUUID(), reason: 'spam' }), expected: staff(404) },
  ],

  'apiKeys.list': [{ name: 'a list', input: () => ({}), expected: { ...staff(403), admin: 200 } }],
  'apiKeys.create': [{ name: 'a key', input: () => ({ name: 'worker', scopes: ['ingest:write'] }), expected: { ...staff(403), admin: 201 } }],
  'apiKeys.rotate': [
    { name: 'a key', input: madeKey, expected: { ...staff(403), admin: 200 } },
    { name: 'none', input: () => ({ apiKeyId: randomUUID() }), expected: { ...staff(403), admin: 404 } },
  ],
  'apiKeys.revoke': [
    { name: 'a key', input: madeKey, expected: { ...staff(403), admin: 204 } },
    { name: 'none', input: () => ({ apiKeyId: randomUUID() }), expected: { ...staff(403), admin: 404 } },
  ],

  'invites.create': [{ name: 'an invite', input: () => ({ days: 1 }), expected: { ...staff(403), admin: 201 } }],
  'invites.list': [{ name: 'a list', input: () => ({}), expected: { ...staff(403), admin: 200 } }],
  'invites.revoke': [
    { name: 'an invite', input: madeInvite, expected: { ...staff(403), admin: 204 } },
    { name: 'none', input: () => ({ inviteId: randomUUID() }), expected: { ...staff(403), admin: 404 } },
  ],

  'catalogue.categories': [{ name: 'anyone', expected: everyone(200) }],
  'catalogue.latest': [{ name: 'a list', input: () => ({}), expected: signedIn(200) }],
  'catalogue.search': [{ name: 'words', input: () => ({ q: 'title' }), expected: signedIn(200) }],
  'catalogue.details': [
    { name: 'an approved title', input: ({ titles }) => ({ torrentId: titles.approved }), expected: signedIn(200) },
    { name: 'a pending title', input: ({ titles }) => ({ torrentId: titles.pending }), expected: signedIn(404) },
    { name: 'a title taken down', input: ({ titles }) => ({ torrentId: titles.takenDown }), expected: signedIn(404) },
  ],

  'library.favorites': [{ name: 'one’s own', input: () => ({}), expected: signedIn(200) }],
  'library.addFavorite': [
    { name: 'an approved title', input: ({ titles }) => ({ torrentId: titles.approved }), expected: signedIn(204) },
    { name: 'a pending title', input: ({ titles }) => ({ torrentId: titles.pending }), expected: signedIn(404) },
    { name: 'a title taken down', input: ({ titles }) => ({ torrentId: titles.takenDown }), expected: signedIn(404) },
  ],
  'library.removeFavorite': [{ name: 'none of theirs', input: ({ titles }) => ({ torrentId: titles.pending }), expected: signedIn(204) }],
  'library.history': [{ name: 'one’s own', input: () => ({}), expected: signedIn(200) }],
  'library.setWatchPoint': [
    { name: 'an approved title', input: ({ titles }) => ({ torrentId: titles.approved, fileIndex: 0, positionSeconds: 1, durationSeconds: 2 }), expected: signedIn(204) },
    { name: 'a pending title', input: ({ titles }) => ({ torrentId: titles.pending, fileIndex: 0, positionSeconds: 1, durationSeconds: 2 }), expected: signedIn(404) },
    { name: 'a title taken down', input: ({ titles }) => ({ torrentId: titles.takenDown, fileIndex: 0, positionSeconds: 1, durationSeconds: 2 }), expected: signedIn(404) },
  ],
  'library.removeWatched': [{ name: 'none of theirs', input: ({ titles }) => ({ torrentId: titles.pending, fileIndex: 0 }), expected: signedIn(204) }],
  'library.deleteHistory': [{ name: 'one’s own', input: () => ({}), expected: signedIn(204) }],
  'library.preferences': [{ name: 'one’s own', expected: signedIn(200) }],
  'library.setPreferences': [{ name: 'one’s own', input: () => ({ theme: 'dark' }), expected: signedIn(200) }],

  'playback.start': [
    { name: 'an approved title', input: ({ titles }) => ({ torrentId: titles.approved, fileIndex: 0 }), expected: signedIn(201) },
    { name: 'a pending title', input: ({ titles }) => ({ torrentId: titles.pending, fileIndex: 0 }), expected: signedIn(404) },
    { name: 'a title taken down', input: ({ titles }) => ({ torrentId: titles.takenDown, fileIndex: 0 }), expected: signedIn(404) },
  ],
  'playback.preview': [
    { name: 'a pending title', input: ({ titles }) => ({ torrentId: titles.pending, fileIndex: 0 }), expected: staff(201) },
    { name: 'a title taken down', input: ({ titles }) => ({ torrentId: titles.takenDown, fileIndex: 0 }), expected: staff(404) },
  ],

  'playback.progress': [
    { name: 'an approved title', input: ({ titles }) => ({ torrentId: titles.approved, fileIndex: 0 }), expected: signedIn(200) },
    { name: 'a pending title', input: ({ titles }) => ({ torrentId: titles.pending, fileIndex: 0 }), expected: signedIn(404) },
    { name: 'a title taken down', input: ({ titles }) => ({ torrentId: titles.takenDown, fileIndex: 0 }), expected: signedIn(404) },
  ],
  'playback.streams': [{ name: 'a list', input: () => ({}), expected: staff(200) }],
  'playback.endStream': [
    { name: 'somebody’s', input: othersStream, expected: staff(204) },
    { name: 'none', input: () => ({ streamId: `${randomUUID()}.0` }), expected: staff(404) },
  ],

  'ingest.create': [{ name: 'a title', input: () => ({ source: 'test', items: [{ title: 'A title', torrentFile: makeTorrent().base64 }] }), expected: keys(202) }],
  'ingest.batch': [
    { name: 'one’s own', input: ({ batchId }) => ({ batchId }), expected: keys(200, 404) },
    { name: 'none', input: () => ({ batchId: randomUUID() }), expected: keys(404) },
  ],

  'moderation.list': [{ name: 'a list', input: () => ({}), expected: staff(200) }],
  'moderation.details': [{ name: 'a pending title', input: ({ titles }) => ({ torrentId: titles.pending }), expected: staff(200) }],
  'moderation.approve': [{ name: 'a pending title', input: async (world) => ({ torrentId: await pending(world) }), expected: staff(200) }],
  'moderation.reject': [{ name: 'a pending title', input: async (world) => ({ torrentId: await pending(world), reason: 'spam' }), expected: staff(200) }],
  'moderation.takeDown': [{ name: 'an approved title', input: async (world) => ({ torrentId: await approved(world), reason: 'rights' }), expected: staff(200) }],
}

export type RouteCase = { name: string; path: (world: World & { ticket: string; asset: string }) => string; headers?: Record<string, string>; body?: string; expected: Expected }

const forged = `/api/v1/stream/${'A'.repeat(43)}/a.mp4`
const form = { 'content-type': 'application/x-www-form-urlencoded' }
/** Every route that is no procedure. The console's own routes declare theirs one by one (server/http/console-routes.test.ts). */
export const routeCases: Record<string, RouteCase[]> = {
  'GET /healthz': [{ name: 'anyone', path: () => '/healthz', expected: everyone(200) }],
  'HEAD /healthz': [{ name: 'anyone', path: () => '/healthz', expected: everyone(200) }],
  'GET /readyz': [{ name: 'anyone', path: () => '/readyz', expected: everyone(200) }],
  'HEAD /readyz': [{ name: 'anyone', path: () => '/readyz', expected: everyone(200) }],
  'GET /api/v1/openapi.json': [{ name: 'anyone', path: () => '/api/v1/openapi.json', expected: everyone(200) }],
  'HEAD /api/v1/openapi.json': [{ name: 'anyone', path: () => '/api/v1/openapi.json', expected: everyone(200) }],
  'GET /.well-known/jwks.json': [{ name: 'anyone', path: () => '/.well-known/jwks.json', expected: everyone(200) }],
  'HEAD /.well-known/jwks.json': [{ name: 'anyone', path: () => '/.well-known/jwks.json', expected: everyone(200) }],
  ...Object.fromEntries(
    ['assetlinks.json', 'apple-app-site-association'].flatMap((name) => ['GET', 'HEAD'].map((method) => [`${method} /.well-known/${name}`, [{ name: 'where no app is named', path: () => `/.well-known/${name}`, expected: everyone(404) }]])),
  ),
  'POST /csp-reports': [{ name: 'anyone', path: () => '/csp-reports', headers: { 'content-type': 'application/csp-report' }, body: '{"csp-report":{"violated-directive":"img-src"}}', expected: everyone(204) }],
  'GET /api/v1/stream/:ticket/:fileName': [
    { name: 'who has the link', path: ({ ticket }) => `/api/v1/stream/${ticket}/empty.txt`, expected: everyone(200) },
    { name: 'who made one up', path: () => forged, expected: everyone(403) },
  ],
  'HEAD /api/v1/stream/:ticket/:fileName': [
    { name: 'who has the link', path: ({ ticket }) => `/api/v1/stream/${ticket}/empty.txt`, expected: everyone(200) },
    { name: 'who made one up', path: () => forged, expected: everyone(403) },
  ],
  ...Object.fromEntries(
    ['GET', 'HEAD'].flatMap((method) => [
      [`${method} /api/v1/playlist/:name`, [
        { name: 'who has the link', path: ({ ticket }) => `/api/v1/playlist/${ticket}.m3u`, expected: everyone(200) },
        { name: 'who made one up', path: () => `/api/v1/playlist/${'A'.repeat(43)}.m3u`, expected: everyone(403) },
      ]],
      [`${method} /api/v1/subtitles/:ticket/:name`, [
        { name: 'of another file than the link’s', path: ({ ticket }) => `/api/v1/subtitles/${ticket}/2.vtt`, expected: everyone(404) },
        { name: 'who made one up', path: () => `/api/v1/subtitles/${'A'.repeat(43)}/2.vtt`, expected: everyone(403) },
      ]],
      // in a stream of events: the rest is said of playback.progress, which decides
      [`${method} /api/v1/torrents/:torrentId/files/:fileIndex/progress`, [
        { name: 'an approved title', path: ({ titles }) => `/api/v1/torrents/${titles.approved}/files/0/progress`, expected: signedIn(200) },
        { name: 'a pending title', path: ({ titles }) => `/api/v1/torrents/${titles.pending}/files/0/progress`, expected: signedIn(404) },
      ]],
    ] satisfies [string, RouteCase[]][]),
  ),
  'GET /api/v1/exports/:token': [{ name: 'who made one up', path: () => `/api/v1/exports/${'A'.repeat(43)}`, expected: everyone(403) }],
  'HEAD /api/v1/exports/:token': [{ name: 'who made one up', path: () => `/api/v1/exports/${'A'.repeat(43)}`, expected: everyone(403) }],
  ...Object.fromEntries(
    ['GET', 'HEAD'].map((method) => [`${method} /api/v1/web-seed/:infoHash/*`, [{ name: 'a title that was not published with a web seed', path: () => `/api/v1/web-seed/${'a'.repeat(40)}/film.bin`, expected: everyone(404) }]]),
  ),
  'GET /assets/:name': [
    { name: 'a file of the console', path: ({ asset }) => `/assets/${asset}`, expected: everyone(200) },
    { name: 'none', path: () => '/assets/..%2f..%2fpackage.json', expected: everyone(404) },
  ],
  'HEAD /assets/:name': [{ name: 'a file of the console', path: ({ asset }) => `/assets/${asset}`, expected: everyone(200) }],
  // the console knows people by its cookie alone: bearer tokens and API keys are nobody there
  'GET /*': [
    { name: 'the sign-in page', path: () => '/sign-in', expected: everyone(200) },
    { name: 'the queue', path: () => '/', expected: everyone(302) },
  ],
  'HEAD /*': [{ name: 'the queue', path: () => '/', expected: everyone(302) }],
  'POST /*': [{ name: 'a form without its token', path: () => '/sign-in', headers: form, body: 'email=a%40example.org&password=x', expected: everyone(403) }],
  // one route for all procedures, each of which is in the table above
  'GET /trpc/:path': [{ name: 'a procedure without a permission to ask for', path: () => '/trpc/server.info', expected: everyone(200) }],
  'POST /trpc/:path': [{ name: 'no procedure', path: () => '/trpc/no.such', headers: { 'content-type': 'application/json' }, body: '{}', expected: everyone(404) }],
}
