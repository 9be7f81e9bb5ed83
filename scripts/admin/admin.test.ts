/** The real command as a child process, against a real database. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startTestApp, type TestApp } from '../../server/test/app.ts'
import { ownDataFolder } from '../demo/own-instance.ts'

const script = fileURLToPath(new URL('../admin.ts', import.meta.url))
const strong = 'seven brittle lanterns drift'

// each run of the command loads the server's modules: seconds where several things run at once
vi.setConfig({ testTimeout: 60_000 })

let app: TestApp
let sql: postgres.Sql
let emptyDir: string
beforeAll(async () => {
  app = await startTestApp()
  sql = postgres(app.database.urls.owner, { max: 1, onnotice: () => {} })
  emptyDir = await mkdtemp(join(tmpdir(), 'torrent-streamer-admin-'))
})
afterAll(async () => {
  await sql.end()
  await app[Symbol.asyncDispose]()
  await rm(emptyDir, { recursive: true, force: true })
})

type Ran = { code: number; stdout: string; stderr: string }

function admin(args: string[], { input, env = {} }: { input?: string; env?: Record<string, string> } = {}): Promise<Ran> {
  const settings = { DATABASE_URL: app.database.urls.app, DATA_DIR: app.dataDir, PORT: '3999', ...env }
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [script, ...args], { env: { ...process.env, ...settings } }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr })
    })
    child.stdin?.end(input ?? '')
  })
}

/** Asks for JSON and demands success. */
async function adminJson(args: string[], options?: { input?: string }): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await admin([...args, '--json'], options)
  expect(stderr).toBe('')
  expect(code).toBe(0)
  return JSON.parse(stdout) as Record<string, unknown>
}

const auditOf = (action: string) => sql`select actor_kind, action, target_kind, target_id, details from audit_log where action = ${action} order by id`
const counts = async () => (await sql`select (select count(*) from users) as users, (select count(*) from api_keys) as keys, (select count(*) from audit_log) as audit, (select count(*) from setup_links) as links`)[0]
const signIn = (email: string, password: string) => app.call('POST', '/auth/sign-in', { body: { email, password } })

describe('create-user', () => {
  test('makes a password, shows it once, and it signs in with the role', async () => {
    const { code, stdout } = await admin(['create-user', '--email', 'Marguerite@Example.org', '--role', 'moderator', '--name', 'Marguerite'])
    expect(code).toBe(0)
    const password = /shown this once: (\S+)/.exec(stdout)?.[1] ?? ''
    expect(password).toMatch(/^([a-z2-9]{6}-){3}[a-z2-9]{6}$/)
    expect(stdout).not.toContain('marguerite@')
    const session = await signIn('marguerite@example.org', password)
    expect(session.body.user).toMatchObject({ role: 'moderator', name: 'Marguerite' })
    const [row] = (await auditOf('user.create')).slice(-1)
    expect(row).toMatchObject({ actor_kind: 'operator', target_kind: 'user', details: { role: 'moderator', by: 'operator' } })
    expect(JSON.stringify(row)).not.toContain(password)
  })

  test('takes a password from standard input and never repeats it', async () => {
    const made = await admin(['create-user', '--email', 'piped@example.org', '--role', 'user', '--password-stdin', '--json'], { input: `${strong}\n` })
    expect(made.code).toBe(0)
    expect(made.stdout + made.stderr).not.toContain(strong)
    expect(JSON.parse(made.stdout)).toEqual({ userId: expect.any(String), email: 'p…@example.org', role: 'user' })
    expect((await signIn('piped@example.org', strong)).status).toBe(200)
  })

  test('refuses a weak password, an address that is taken, and changes nothing', async () => {
    await adminJson(['create-user', '--email', 'taken@example.org', '--role', 'user'])
    const before = await counts()
    const weak = await admin(['create-user', '--email', 'weak@example.org', '--role', 'user', '--password-stdin'], { input: 'password12345' })
    expect(weak).toMatchObject({ code: 1, stdout: '' })
    expect(weak.stderr).toMatch(/password: is too easy to guess/)
    expect(weak.stderr).not.toContain('password12345')
    const taken = await admin(['create-user', '--email', 'TAKEN@example.org', '--role', 'admin', '--json'])
    expect(taken).toMatchObject({ code: 1, stdout: '' })
    expect(JSON.parse(taken.stderr)).toMatchObject({ error: { code: 'user_exists' } })
    expect(await counts()).toEqual(before)
  })
})

describe('set-role', () => {
  test("changes the role, ends the person's sessions and nobody else's, and is audited", async () => {
    const person = await app.as.user()
    const other = await app.as.user()
    const answer = await adminJson(['set-role', '--email', person.email, '--role', 'moderator'])
    expect(answer).toMatchObject({ userId: person.userId, was: 'user', role: 'moderator', changed: true, endedSessions: 1 })
    await expect.poll(async () => (await app.call('GET', '/users/me', { token: person.token })).body.code, { timeout: 5_000 }).toBe('session_ended')
    expect((await app.call('POST', '/auth/refresh', { body: { refreshToken: person.refreshToken } })).status).toBe(401)
    expect((await app.call('GET', '/users/me', { token: other.token })).status).toBe(200)
    expect((await signIn(person.email, person.password)).body.user.role).toBe('moderator')
    expect((await auditOf('user.set_role')).at(-1)).toMatchObject({ actor_kind: 'operator', details: { from: 'user', to: 'moderator' } })
  })

  test('leaves somebody who has the role already signed in, and writes no row', async () => {
    const person = await app.as.moderator()
    const before = await counts()
    expect(await adminJson(['set-role', '--email', person.email, '--role', 'moderator'])).toMatchObject({ changed: false, endedSessions: 0 })
    expect((await app.call('GET', '/users/me', { token: person.token })).status).toBe(200)
    expect(await counts()).toEqual(before)
  })

  test('says so when nobody has the address', async () => {
    const before = await counts()
    expect(await admin(['set-role', '--email', 'nobody@example.org', '--role', 'admin'])).toMatchObject({ code: 1, stdout: '', stderr: 'There is no such account.\n' })
    expect(await counts()).toEqual(before)
  })
})

describe('invite', () => {
  test('shows a code once that lets somebody in, in the name of an admin', async () => {
    const host = await app.as.admin()
    const made = await adminJson(['invite', '--by', host.email.toUpperCase(), '--days', '3'])
    const code = String(made['code'])
    const [row] = await sql`select created_by, row_to_json(invites)::text as whole from invites where id = ${String(made['id'])}`
    expect(row?.['created_by']).toBe(host.userId)
    expect(row?.['whole']).not.toContain(code)
    expect(Math.round((Date.parse(String(made['expiresAt'])) - Date.now()) / 86_400_000)).toBe(3)
    expect((await auditOf('invite.create')).at(-1)).toMatchObject({ actor_kind: 'operator', target_kind: 'invite', target_id: made['id'], details: { days: 3 } })
    await using node = await startTestApp({ database: app.database, dataDir: app.dataDir, settings: { SIGN_UP_POLICY: 'invite' } })
    const signUp = (inviteCode: string) => node.call('POST', '/auth/sign-up', { body: { email: 'invited@example.org', password: strong, inviteCode } })
    expect((await signUp(code)).status).toBe(202)
    expect((await signUp(`${code}x`)).body.code).toBe('invite_invalid')
  })

  test('is refused in the name of who may not invite, and changes nothing', async () => {
    const person = await app.as.moderator()
    const before = await counts()
    expect(await admin(['invite', '--by', person.email])).toMatchObject({ code: 1, stdout: '', stderr: 'There is no such account that may invite.\n' })
    expect(await sql`select 1 from invites where created_by = ${person.userId}`).toHaveLength(0)
    expect(await counts()).toEqual(before)
  })
})

describe('reset-mfa', () => {
  test('lets the last admin who lost a phone enrol anew: factors and sessions end, by the operator', async () => {
    const person = await app.as.admin()
    expect(await adminJson(['reset-mfa', '--email', person.email])).toEqual({ userId: person.userId, email: 'a…@example.org', endedSessions: 1 })
    await expect.poll(async () => (await app.call('GET', '/users/me', { token: person.token })).body.code, { timeout: 5_000 }).toBe('session_ended')
    const again = await signIn(person.email, person.password)
    expect(again.body).toMatchObject({ status: 'signed_in', mfa: null })
    expect((await app.call('GET', '/admin/torrents', { token: again.body.tokens.accessToken })).body.code).toBe('mfa_enrolment_required')
    expect((await auditOf('user.reset_factors')).at(-1)).toMatchObject({ actor_kind: 'operator', target_kind: 'user' })
  })

  test('says so when nobody has the address, and changes nothing', async () => {
    const before = await counts()
    expect(await admin(['reset-mfa', '--email', 'nobody@example.org'])).toMatchObject({ code: 1, stdout: '', stderr: 'There is no such account.\n' })
    expect(await counts()).toEqual(before)
  })
})

describe('create-api-key', () => {
  test('shows a key once that the API takes, and keeps only its hash', async () => {
    const made = await adminJson(['create-api-key', '--name', 'harvester', '--scope', 'ingest:write', '--expires', '30', '--trusted'])
    const key = String(made['key'])
    const [row] = await sql`select name, scopes, trusted, expires_at, row_to_json(api_keys)::text as whole from api_keys where id = ${String(made['id'])}`
    expect(row).toMatchObject({ name: 'harvester', scopes: ['ingest:write'], trusted: true })
    expect(row?.['whole']).not.toContain(key)
    expect(Math.round((row?.['expires_at'].getTime() - Date.now()) / 86_400_000)).toBe(30)
    // the key passes: what is refused is the empty batch
    expect((await app.call('POST', '/ingest/batches', { apiKey: key, body: {} })).status).toBe(422)
    expect((await app.call('POST', '/ingest/batches', { apiKey: `${key}x`, body: {} })).status).toBe(401)
    expect((await auditOf('api_key.create')).at(-1)).toMatchObject({ actor_kind: 'operator', target_id: made['id'] })
  })
})

describe('revoke-api-key', () => {
  const make = () => adminJson(['create-api-key', '--name', 'leaked', '--scope', 'ingest:write', '--expires', '30'])
  const offer = async (key: unknown) => (await app.call('POST', '/ingest/batches', { apiKey: String(key), body: {} })).status

  test('ends a key for the running service at once, the others live on, and a row says who did it', async () => {
    const [made, other] = [await make(), await make()]
    // both pass: what is refused is the empty batch
    expect([await offer(made['key']), await offer(other['key'])]).toEqual([422, 422])
    expect(await adminJson(['revoke-api-key', '--id', String(made['id'])])).toEqual({ id: made['id'], name: 'leaked', revokedAt: expect.any(String), changed: true })
    expect([await offer(made['key']), await offer(other['key'])]).toEqual([401, 422])
    expect((await auditOf('api_key.revoke')).at(-1)).toMatchObject({ actor_kind: 'operator', target_kind: 'api_key', target_id: made['id'] })
    const before = await counts()
    expect((await admin(['revoke-api-key', '--id', String(made['id'])])).stdout).toMatch(/^The key leaked \(\S+\) was revoked already, at \S+; nothing was changed\.$/m)
    expect(await counts()).toEqual(before)
  })

  test('says so when there is no such key', async () => {
    const before = await counts()
    const absent = await admin(['revoke-api-key', '--id', '00000000-0000-4000-8000-000000000000'])
    expect(absent).toMatchObject({ code: 1, stdout: '', stderr: 'There is no such API key.\n' })
    expect(await counts()).toEqual(before)
  })
})

describe('list-api-keys', () => {
  test('shows what each is for and what became of it, and nothing that lets in', async () => {
    const made = await adminJson(['create-api-key', '--name', 'nightly', '--scope', 'ingest:write', '--expires', '30', '--trusted'])
    const row = async () => ((await adminJson(['list-api-keys']))['keys'] as { id: string }[]).find(({ id }) => id === made['id'])
    const fresh = { id: made['id'], name: 'nightly', scopes: ['ingest:write'], trusted: true, createdAt: expect.any(String), expiresAt: made['expiresAt'], lastUsedAt: null, revokedAt: null }
    expect(await row()).toEqual(fresh)
    await app.call('POST', '/ingest/batches', { apiKey: String(made['key']), body: {} })
    await adminJson(['revoke-api-key', '--id', String(made['id'])])
    expect(await row()).toEqual({ ...fresh, lastUsedAt: expect.any(String), revokedAt: expect.any(String) })
    const { stdout } = await admin(['list-api-keys'])
    expect(stdout).toMatch(new RegExp(`^${String(made['id'])}  made \\S+  revoked \\S+  used \\S+  ingest:write  trusted  nightly$`, 'm'))
    expect(stdout).not.toContain(String(made['key']).slice(4))
  })
})

describe('list-users', () => {
  test('masks e-mail addresses and can ask for a role', async () => {
    const person = await app.as.admin()
    const { users } = (await adminJson(['list-users'])) as { users: { id: string; email: string; role: string }[] }
    expect(users.find(({ id }) => id === person.userId)).toEqual({ id: person.userId, email: 'a…@example.org', role: 'admin', createdAt: expect.any(String), banned: false })
    const { stdout } = await admin(['list-users', '--role', 'admin'])
    expect(stdout).toContain(person.userId)
    expect(stdout).not.toContain(person.email)
    expect(stdout.trim().split('\n').every((row) => row.includes('admin'))).toBe(true)
  })
})

describe('setup-link', () => {
  test('is refused where there is an admin', async () => {
    await sql`update users set role = 'admin' where id = (select id from users limit 1)`
    const before = await counts()
    expect(await admin(['setup-link', '--json'])).toMatchObject({ code: 1, stdout: '' })
    expect(await counts()).toEqual(before)
  })

  test('is made where there is none, for the address people use', async () => {
    await sql`update users set role = 'user'`
    const { url, expiresAt } = await adminJson(['setup-link'])
    expect(url).toMatch(/^http:\/\/localhost:3999\/set-up\/[\w-]{43}$/)
    expect(Date.parse(String(expiresAt))).toBeGreaterThan(Date.now())
    expect((await auditOf('setup_link.create')).at(-1)).toMatchObject({ actor_kind: 'operator' })
    const [link] = await sql`select row_to_json(setup_links)::text as whole from setup_links order by created_at desc limit 1`
    expect(link?.['whole']).not.toContain(String(url).split('/').at(-1))
  })
})

describe('what makes no sense ends with 2 and the usage, and changes nothing', () => {
  test.each([
    ['no verb', []],
    ['an unknown verb', ['destroy']],
    ['a verb of every object', ['constructor']],
    ['a missing option', ['create-user', '--email', 'x@example.org']],
    ['an option of another verb', ['list-users', '--trusted']],
    ['an address that is none', ['create-user', '--email', 'x', '--role', 'user']],
    ['a role that is none', ['create-user', '--email', 'x@example.org', '--role', 'root']],
    ['a password among the arguments', ['create-user', '--email', 'x@example.org', '--role', 'user', '--password', 'hunter2hunter2']],
    ['a password joined to its option', ['create-user', '--email', 'x@example.org', '--role', 'user', '--password=hunter2hunter2']],
    ['a password after the flag', ['create-user', '--email', 'x@example.org', '--role', 'user', '--password-stdin', 'hunter2hunter2']],
    ['a key that never expires', ['create-api-key', '--name', 'x', '--scope', 'ingest:write', '--expires', 'never']],
    ['a key that is no id', ['revoke-api-key', '--id', 'nightly']],
    ['no key to revoke', ['revoke-api-key']],
    ['an invite of nobody', ['invite']],
    ['an invite for ever', ['invite', '--by', 'x@example.org', '--days', '9999']],
    ['a scope that does not exist', ['create-api-key', '--name', 'x', '--scope', 'everything', '--expires', '1']],
    ['an empty standard input', ['create-user', '--email', 'x@example.org', '--role', 'user', '--password-stdin']],
  ])('%s', async (_what, args) => {
    const before = await counts()
    const { code, stdout, stderr } = await admin(args)
    expect(code).toBe(2)
    expect(stdout + stderr).toContain('Usage: npm run --silent admin')
    expect(stdout + stderr).not.toContain('hunter2')
    expect(await counts()).toEqual(before)
  })
})

test('without DATABASE_URL it starts the database of the data folder, if nothing runs it, and ends it again', async () => {
  await using own = await ownDataFolder('admin')
  const env = { DATABASE_URL: '', DATA_DIR: own.dataDir }
  const made = await admin(['create-user', '--email', 'first@example.org', '--role', 'admin', '--json'], { env })
  expect(made).toMatchObject({ code: 0 })
  const listed = await admin(['list-users', '--json'], { env })
  expect(JSON.parse(listed.stdout)).toMatchObject({ users: [{ id: JSON.parse(made.stdout).userId, role: 'admin' }] })
  const { port } = JSON.parse(await readFile(join(own.dataDir, 'postgres.json'), 'utf8')) as { port: number }
  await expect(once(connect(port, '127.0.0.1'), 'connect')).rejects.toThrow('ECONNREFUSED')
})

test('faults of the settings are named, and a database that does not answer is one sentence', async () => {
  const faulty = await admin(['list-users'], { env: { PORT: 'x', LOG_LEVEL: 'loud' } })
  expect(faulty.code).toBe(1)
  expect(faulty.stderr).toMatch(/PORT[\s\S]*LOG_LEVEL/)
  const absent = await admin(['list-users', '--json'], { env: { DATABASE_URL: 'postgres://ts_app:secretword@127.0.0.1:1/x', DATA_DIR: emptyDir } })
  expect(absent.code).toBe(1)
  expect(absent.stderr).not.toContain('secretword')
  expect(absent.stderr.trim().split('\n')).toHaveLength(1)
})
