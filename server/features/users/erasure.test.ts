import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { opensTo } from '../../kit/mail.ts'
import { testPassword, type Person } from '../../test/actors.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { codeOf, mailTo, openOutbox } from '../../test/mails.ts'
import { sessionOf } from '../../test/session-of.ts'
import { createUser } from '../auth/create-user.ts'
import { exportDocument } from './export-document.ts'
import { insertUser, lookupOf } from './users.ts'
import { tendAccounts } from './erasure.ts'

let app: TestApp
let superuser: postgres.Sql
let now = new Date()
const settings = { RATE_LIMIT_FACTOR: '100' }
beforeAll(async () => {
  app = await startTestApp({ settings, overrides: { now: () => now } })
  superuser = postgres(app.database.urls.superuser, { max: 1, onnotice: () => undefined })
})
afterAll(async () => {
  await superuser.end()
  await app[Symbol.asyncDispose]()
})
beforeEach(() => {
  now = new Date()
})
const laterDays = (days: number) => (now = new Date(now.getTime() + days * 86_400_000))
const me = async (token: string) => (await app.call('GET', '/users/me', { token })).body.code as string | undefined
const signIn = ({ email, password }: Pick<Person, 'email' | 'password'>) => app.call('POST', '/auth/sign-in', { body: { email, password } })
const remove = ({ token }: Person) => app.call('DELETE', '/users/me', { token })
const tend = () => tendAccounts(app.deps, {})
const isErased = async ({ userId }: Pick<Person, 'userId'>) => (await app.deps.sql`select erased_at is not null as erased from users where id = ${userId}`)[0]?.['erased'] as boolean
const actionsOn = async (pseudonym: string) => (await app.deps.sql`select action from audit_log where target_id = ${pseudonym} order by id`).map(({ action }) => action as string)
const pseudonymOf = async ({ userId }: Pick<Person, 'userId'>) => (await app.deps.sql`select pseudonym from users where id = ${userId}`)[0]?.['pseudonym'] as string

/** Every row of every table, system catalogues apart, as text; bytes as hex. */
async function dump(): Promise<{ table: string; row: string }[]> {
  const tables = await superuser<{ name: string }[]>`
    select format('%I.%I', table_schema, table_name) as name from information_schema.tables
    where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')`
  const rows = await Promise.all(tables.map(async ({ name }) => (await superuser.unsafe<{ row: string }[]>(`select to_jsonb(t)::text as row from ${name} t`)).map(({ row }) => ({ table: name, row }))))
  return rows.flat()
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
/** Columns hold bytes, keys of counters text. */
const spellings = (bytes: Uint8Array) => [hex(bytes), Buffer.from(bytes).toString('base64url')]

/** Mails in the queue to an address. */
const waitingFor = async (address: string) => (await superuser<{ payload: unknown }[]>`select payload from graphile_worker._private_jobs`).filter(({ payload }) => opensTo(app.deps.sealer, payload) === address)
/** Which tables hold any of it. */
const naming = async (...identifying: string[]) => (await dump()).flatMap(({ table, row }) => identifying.filter((one) => row.includes(one)).map((one) => ({ table, one })))

const device = { name: 'Ann’s very own phone', platform: 'android' }
/** Someone with a row in every table that can hold one of them. */
async function someoneWithEverything() {
  const person = await app.as.user()
  const { userId, email } = person
  const { sql, sealer } = app.deps
  const { body } = await app.call('POST', '/auth/sign-in', { body: { email, password: testPassword, device } })
  const token = body.tokens.accessToken as string
  await app.call('PATCH', '/users/me', { token, body: { name: 'Ann Autumn' } })
  await app.call('POST', '/users/me/export', { token })
  await app.call('POST', '/auth/sign-up', { body: { email, password: 'a strangers passphrase 71', name: 'Ann Stranger' } })
  const [hash, credential] = [Buffer.from(sealer.lookup('test', userId)), Buffer.from(sealer.lookup('credential', userId))]
  await sql`insert into known_devices (id, user_id, token_hash, name, platform, created_at, last_seen_at) values (gen_random_uuid(), ${userId}, ${hash}, ${device.name}, 'android', now(), now())`
  await sql`update sessions set device_id = (select id from known_devices where user_id = ${userId} limit 1), network = '203.0.113.0/24', methods = '{password,totp}' where user_id = ${userId}`
  await sql`insert into totp_factors (id, user_id, secret_sealed, created_at, confirmed_at) values (gen_random_uuid(), ${userId}, ${hash}, now(), now())`
  await sql`insert into recovery_codes (id, user_id, code_hash, created_at) values (gen_random_uuid(), ${userId}, ${hash}, now())`
  await sql`insert into passkeys (id, user_id, credential_id, public_key, counter, transports, backed_up, name, created_at) values (gen_random_uuid(), ${userId}, ${credential}, ${hash}, 7, '{usb}', false, 'Ann’s passkey', now())`
  await sql`insert into auth_challenges (id, kind, user_id, session_id, session_kind, device_name, tries_left, created_at, expires_at)
    select gen_random_uuid(), 'step_up', user_id, public_id, 'app', ${device.name}, 5, now(), now() from sessions where user_id = ${userId} limit 1`
  await sql`insert into invites (id, code_hash, created_by, created_at, expires_at, used_by) values (gen_random_uuid(), ${Buffer.from(sealer.lookup('invite', userId))}, ${userId}, now(), now(), ${userId})`
  await sql`insert into guess_throttles (key, failures, last_failure_at) values (${Buffer.from(sealer.lookup('guesses/account', email))}, 3, now()) on conflict do nothing`
  const film = app.deps.newId()
  await sql`insert into torrents (id, info_hash, title, category_id, source, state, trackers, web_seeds, created_at) values (${film}, ${hex(sealer.lookup('film', userId)).slice(0, 40)}, 'Ann’s film', 'films', 'x', 'pending', '{}', '{}', now())`
  await sql`insert into torrent_files (torrent_id, index, path, size_bytes, mime_type) values (${film}, 0, 'a.mp4', 1, 'video/mp4')`
  await sql`insert into favorites (user_id, torrent_id, added_at) values (${userId}, ${film}, now())`
  await sql`insert into watch_history (user_id, torrent_id, file_index, position_seconds, duration_seconds, watched_at) values (${userId}, ${film}, 0, 1, 2, now())`
  await sql`insert into user_preferences (user_id, audio_language) values (${userId}, 'fr')`
  await app.deps.db.transaction((tx) => app.deps.mailer.queue(tx, { to: email, subject: 'waiting', text: 'still' }))
  const sessions = (await sql<{ id: string }[]>`select public_id as id from sessions where user_id = ${userId}`).map(({ id }) => id)
  // the people of tests share one hash
  const passwordHash = await app.deps.passwords.hash(testPassword)
  await sql`update users set password_hash = ${passwordHash} where id = ${userId}`
  const identifying = [email, 'Ann Autumn', 'Ann Stranger', 'own phone', 'Ann’s passkey', '203.0.113', passwordHash, ...spellings(lookupOf(app.deps, email)), hex(credential), hex(hash), hex(sealer.lookup('guesses/account', email))]
  return { ...person, token, sessions, identifying, pseudonym: await pseudonymOf(person) }
}
type Everything = Awaited<ReturnType<typeof someoneWithEverything>>

async function expectForgotten({ userId, email, pseudonym, sessions, identifying }: Everything) {
  expect(await naming(...identifying)).toEqual([])
  const rows = await dump()
  // no row of a log leads to the account, not by way of a session either
  const ofLog = rows.filter(({ row }) => row.includes(pseudonym))
  expect(ofLog.length).toBeGreaterThan(0)
  for (const { row } of rows.filter(({ row: text }) => text.includes(userId))) for (const link of [pseudonym, ...sessions]) expect(row).not.toContain(link)
  expect(rows.filter(({ table, row }) => /\.(favorites|watch_history|user_preferences)$/.test(table) && row.includes(userId))).toEqual([])
  const mails = await app.deps.sql<{ payload: { id: string; sealed: string } }[]>`select payload from graphile_worker._private_jobs where payload::jsonb ? 'sealed'`
  for (const { payload } of mails) expect(app.deps.sealer.openText('mail', payload.id, Buffer.from(payload.sealed, 'base64'))).not.toContain(email)
}

describe('deletion', () => {
  test('ends every session, is told by mail, and is undone by signing in before the time is over', async () => {
    await using working = await startTestApp({ jobs: true, settings, database: app.database, dataDir: app.dataDir, overrides: { now: () => now } })
    const person = await app.as.user()
    const elsewhere = await app.as.userAgain(person)
    const { status, body } = await remove(person)
    expect([status, body.eraseAfter]).toEqual([202, new Date(now.getTime() + 14 * 86_400_000).toISOString()])
    for (const { token } of [person, elsewhere]) await expect.poll(() => me(token), { timeout: 1_000 }).toBe('session_ended')
    await mailTo(working.dataDir, person.email, 'Your account will be erased')

    laterDays(13)
    expect((await signIn({ ...person, password: 'not the password' })).status).toBe(401)
    expect((await signIn(person)).status).toBe(200)
    await mailTo(working.dataDir, person.email, 'Your account is kept')
    laterDays(2)
    await tend()
    expect(await isErased(person)).toBe(false)
    expect((await actionsOn(await pseudonymOf(person))).filter((action) => action.startsWith('user.'))).toEqual(['user.delete', 'user.keep'])
  })

  test('nothing is erased a moment before its time', async () => {
    const person = await app.as.user()
    await remove(person)
    laterDays(13.9)
    await tend()
    expect(await isErased(person)).toBe(false)
    laterDays(0.2)
    await tend()
    expect(await isErased(person)).toBe(true)
  })

  test('of two admins who leave at the same time, one stays: the last admin cannot go', async () => {
    const [one, other] = [await app.as.admin(), await app.as.admin()]
    const answers = await Promise.all([remove(one), remove(other)])
    expect(answers.map(({ status, body }) => (status === 409 ? body.code : status)).sort()).toEqual([202, 'last_admin'])
    const [left] = await app.deps.sql`select count(*)::int as n from users where role = 'admin' and erase_after is null`
    expect(left?.['n']).toBe(1)
  })

  test('who signs in while the erasure runs is either kept or erased, never both', async () => {
    for (let round = 0; round < 6; round++) {
      const person = await app.as.user()
      await remove(person)
      laterDays(15)
      const [{ status, body }] = await Promise.all([signIn(person), tend()])
      const erased = await isErased(person)
      expect([status, erased]).toEqual(erased ? [401, true] : [200, false])
      if (!erased) expect(await me(body.tokens.accessToken)).toBeUndefined()
      expect((await readdir(join(app.dataDir, 'erasures'))).includes(person.userId)).toBe(erased)
    }
  })
})

describe('erasure (control C7)', () => {
  test('leaves nothing in any table that says who it was, and nothing that leads from the audit log to the account', async () => {
    const person = await someoneWithEverything()
    const before = (await dump()).map(({ row }) => row).join('\n')
    // all of it was there to be found; the address itself only sealed
    expect(person.identifying.filter((one) => !before.includes(one))).toEqual([person.email])
    expect((await remove(person)).status).toBe(202)
    laterDays(15)
    await tend()
    expect(await isErased(person)).toBe(true)
    await expectForgotten(person)
    // the log itself stays, under a name that means nobody
    expect(await actionsOn(person.pseudonym)).toEqual(expect.arrayContaining(['user.update', 'user.export', 'user.delete', 'user.erase']))
    await tend()
    await expectForgotten(person)
    expect((await signIn(person)).body.code).toBe('invalid_credentials')
  })

  test('leaves nothing of an earlier address, of the sign-up, nor of the mails that were asked for', async () => {
    const { database, dataDir } = app
    const from = { 'x-forwarded-for': '198.51.100.9' }
    const [old, next] = ['old.name@example.org', 'next.name@example.org']
    let passwordHash: string
    let userId: string
    {
      await using working = await startTestApp({ jobs: true, settings: { ...settings, TRUSTED_PROXIES: '127.0.0.1' }, database, dataDir, overrides: { now: () => now } })
      const outbox = openOutbox(working)
      const { body: begun } = await working.call('POST', '/auth/sign-up', { body: { email: old, password: testPassword, name: 'Ann Winter' }, headers: from })
      ;[{ hash: passwordHash = '' } = {}] = await app.deps.sql<{ hash: string }[]>`select password_hash as hash from email_flows where id = ${begun.flowId as string}`
      const { body } = await working.call('POST', '/auth/verify-email', { body: { flowId: begun.flowId as string, code: codeOf(await outbox.next(old)) } })
      userId = body.user.id
      const [used] = await app.deps.sql`select user_id, name, password_hash from email_flows where id = ${begun.flowId as string}`
      expect(used).toEqual({ user_id: userId, name: null, password_hash: null })
      await working.call('POST', '/auth/sign-up', { body: { email: old, password: 'a strangers passphrase 71', name: 'Ann Stranger' }, headers: from })
      const { body: moving } = await working.call('POST', '/auth/change-email', { token: body.tokens.accessToken, body: { newEmail: next }, headers: from })
      const code = codeOf(await outbox.next(next))
      expect((await working.call('POST', '/auth/change-email/confirm', { token: body.tokens.accessToken, body: { flowId: moving.flowId as string, code } })).status).toBe(204)
      const counters = (await app.deps.sql<{ key: string }[]>`select key from rate_limits where key like 'codes%'`).map(({ key }) => key)
      expect(counters.length).toBeGreaterThanOrEqual(2)
      for (const key of counters) expect(key).not.toContain('198.51.100')
      expect((await working.call('DELETE', '/users/me', { token: body.tokens.accessToken })).status).toBe(202)
    }
    // the move left nothing of the earlier address, with whatever was begun there
    expect(await naming('Ann Stranger', ...spellings(lookupOf(app.deps, old)))).toEqual([])
    const identifying = ['Ann Winter', 'Ann Stranger', passwordHash, ...[old, next].flatMap((email) => spellings(lookupOf(app.deps, email)))]
    const sealedRows = async () => (await app.deps.sql`select count(*)::int as n from email_flows where user_id = ${userId} or email_lookup in (${Buffer.from(lookupOf(app.deps, old))}, ${Buffer.from(lookupOf(app.deps, next))})`)[0]?.['n'] as number
    expect(await sealedRows()).toBe(1)
    laterDays(15)
    await tend()
    expect(await naming(...identifying)).toEqual([])
    expect(await sealedRows()).toBe(0)
  })

  test.each([
    ['had signed up', 'left.signed-up@example.org', async (old: string) => {
      const passwordHash = await app.deps.passwords.hash(testPassword)
      const userId = await app.deps.db.transaction((tx) => insertUser(app.deps, tx, { email: old, name: null, locale: 'en', role: 'user', passwordHash }))
      const lookup = Buffer.from(lookupOf(app.deps, old))
      const [id, sealed] = [crypto.randomUUID(), (flow: string) => Buffer.from(app.deps.sealer.seal('column', `email_flows/${flow}`, old))]
      await app.deps.sql`insert into email_flows (id, kind, user_id, email_lookup, email_sealed, locale, tries_left, created_at, expires_at, used_at) values (${id}, 'sign_up', ${userId}, ${lookup}, ${sealed(id)}, 'en', 4, now(), now(), now())`
    }],
    ['was made by the operator', 'left.made@example.org', async (old: string) => void (await createUser(app.as.operator(), { email: old, password: testPassword, role: 'user' }))],
  ])('what strangers begin later with an address that was left is theirs: of someone who %s', async (_how, old, make) => {
    await make(old)
    const next = `next.${old}`
    let userId: string
    let links: string[]
    {
      await using working = await startTestApp({ jobs: true, settings, database: app.database, dataDir: app.dataDir, overrides: { now: () => now } })
      const { body } = await working.call('POST', '/auth/sign-in', { body: { email: old, password: testPassword } })
      const token = body.tokens.accessToken as string
      userId = body.user.id
      links = [userId, await pseudonymOf({ userId }), sessionOf({ token })]
      const { body: moving } = await working.call('POST', '/auth/change-email', { token, body: { newEmail: next } })
      const code = codeOf(await openOutbox(working).next(next))
      expect((await working.call('POST', '/auth/change-email/confirm', { token, body: { flowId: moving.flowId as string, code } })).status).toBe(204)
      expect(await naming(...spellings(lookupOf(app.deps, old)))).toEqual([])
      expect((await exportDocument(app.deps, userId))?.includes(`"${old}"`)).toBe(false)
      expect((await working.call('DELETE', '/users/me', { token })).status).toBe(202)
    }
    laterDays(15)
    const password = 'a strangers passphrase 71'
    const { body: begun } = await app.call('POST', '/auth/sign-up', { body: { email: old, password, name: 'New Owner' } })
    const theirs = () => app.deps.sql`select * from email_flows where id = ${begun.flowId as string}`
    const before = await theirs()
    await tend()
    expect(await isErased({ userId })).toBe(true)
    expect(await theirs()).toEqual(before)
    // nor do they lead to who had the address before
    expect(await naming(...spellings(lookupOf(app.deps, next)))).toEqual([])
    const ofAddress = (await dump()).filter(({ row }) => spellings(lookupOf(app.deps, old)).some((one) => row.includes(one)))
    expect(ofAddress.length).toBeGreaterThan(0)
    for (const { row } of ofAddress) for (const link of links) expect(row).not.toContain(link)

    await using working = await startTestApp({ jobs: true, settings, database: app.database, dataDir: app.dataDir, overrides: { now: () => now } })
    const code = codeOf(await openOutbox(working).next(old, 'Your sign-up code'))
    const verified = await working.call('POST', '/auth/verify-email', { body: { flowId: begun.flowId as string, code } })
    expect([verified.status, verified.body.user.name]).toEqual([200, 'New Owner'])
    expect(verified.body.user.id).not.toBe(userId)
  })

  test('an erasure leaves alone what others began with an address that is theirs', async () => {
    const [leaving, other] = [await app.as.user(), await app.as.user()]
    await app.call('POST', '/auth/change-email', { token: leaving.token, body: { newEmail: other.email } })
    await remove(leaving)
    laterDays(15)
    await app.call('POST', '/auth/forgot-password', { body: { email: other.email } })
    const theirs = () => app.deps.sql`select * from email_flows where user_id = ${other.userId}`
    const before = await theirs()
    expect(before).toHaveLength(1)
    await tend()
    expect(await isErased(leaving)).toBe(true)
    expect(await theirs()).toEqual(before)
  })

  test('nor does it touch what strangers begin with an address to which the person only meant to move', async () => {
    const person = await app.as.user()
    const meant = 'perhaps.mine@example.org'
    expect((await app.call('POST', '/auth/change-email', { token: person.token, body: { newEmail: meant } })).status).toBe(202)
    await remove(person)
    laterDays(15)
    const { body } = await app.call('POST', '/auth/sign-up', { body: { email: meant, password: 'a strangers passphrase 71', name: 'New Owner' } })
    const theirs = async () => [await app.deps.sql`select * from email_flows where id = ${body.flowId as string}`, await app.deps.sql`select * from rate_limits where key like 'codes%' order by key`, await waitingFor(meant)]
    const before = await theirs()
    expect(before[2]).toHaveLength(2)
    await tend()
    expect(await isErased(person)).toBe(true)
    expect(await theirs()).toEqual(before)
    expect(await app.deps.sql`select 1 from email_flows where user_id = ${person.userId}`).toHaveLength(0)
  })

  test('the address may become another person', async () => {
    const person = await app.as.user()
    await remove(person)
    laterDays(15)
    await tend()
    const passwordHash = await app.deps.passwords.hash('a new passphrase of mine 5')
    const anew = await app.deps.db.transaction((tx) => insertUser(app.deps, tx, { email: person.email, name: null, locale: 'en', role: 'user', passwordHash }))
    expect(anew).not.toBeNull()
    expect(anew).not.toBe(person.userId)
    expect((await signIn({ email: person.email, password: 'a new passphrase of mine 5' })).body.user.id).toBe(anew)
    await tend()
    expect((await signIn({ email: person.email, password: 'a new passphrase of mine 5' })).status).toBe(200)
  })

  test('is applied again to a database restored from an older backup, before a server answers', async () => {
    const person = await someoneWithEverything()
    const tables = ['users', 'sessions', 'refresh_tokens', 'known_devices', 'totp_factors', 'recovery_codes', 'passkeys', 'auth_challenges', 'email_flows', 'invites', 'data_exports', 'guess_throttles']
    for (const table of tables) await superuser.unsafe(`create table backup_${table} as table ${table}`)
    await remove(person)
    laterDays(15)
    await tend()
    expect((await readdir(join(app.dataDir, 'erasures'))).includes(person.userId)).toBe(true)

    await superuser.begin(async (sql) => {
      await sql`set local session_replication_role = replica`
      for (const table of tables) {
        await sql.unsafe(`delete from ${table}`)
        const columns = (await sql<{ name: string }[]>`select column_name as name from information_schema.columns where table_name = ${table} and is_generated = 'NEVER' and table_schema = 'public'`).map(({ name }) => name).join(', ')
        await sql.unsafe(`insert into ${table} (${columns}) select ${columns} from backup_${table}`)
        await sql.unsafe(`drop table backup_${table}`)
      }
    })
    expect(await isErased(person)).toBe(false)
    await using restored = await startTestApp({ settings, database: app.database, dataDir: app.dataDir, overrides: { now: () => now } })
    expect(restored.deps.now()).toBe(now)
    expect(await isErased(person)).toBe(true)
    await expectForgotten(person)
  })

  test('is written down by every node, for its owner only', async () => {
    const person = await app.as.user()
    await remove(person)
    laterDays(15)
    await tend()
    const folder = join(app.dataDir, 'erasures')
    expect([(await stat(folder)).mode & 0o777, (await stat(join(folder, person.userId))).mode & 0o777, (await stat(join(folder, person.userId))).size]).toEqual([0o700, 0o600, 0])
    // another node, or one that stopped before it had written
    await rm(folder, { recursive: true })
    await tend()
    expect(await readdir(folder)).toContain(person.userId)
  })
})
