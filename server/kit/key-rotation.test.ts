import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { settings } from '../config.ts'
import { tendAccounts } from '../features/users/erasure.ts'
import { startTestApp, type TestApp } from '../test/app.ts'
import { visitConsole } from '../test/console-visitor.ts'
import { mailTo } from '../test/mails.ts'
import { ask } from '../test/raw-http.ts'
import { approveTitle, offerTitle } from '../test/titles.ts'
import { makeTorrent } from '../test/torrents.ts'
import { counts } from './key-kinds.ts'
import { dropKey, listKeys, retireKey, rotateKey, rotateLookup, rotateOperatorSecret } from './key-rotation.ts'
import { layReady, operatorSecrets } from './operator-secret.ts'
import { resealColumns, sealedColumns, sealedWith } from './reseal.ts'
import { createSealer, sealHeader } from './seal.ts'

// Two nodes on one database and one KEYS_DIR (controls A2, C5).

let here: TestApp
let there: TestApp
let now: Date
beforeEach(async () => {
  now = new Date()
  const overrides = { now: () => now }
  here = await startTestApp({ settings: { RATE_LIMIT_FACTOR: '100' }, overrides })
  there = await startTestApp({ database: here.database, dataDir: here.dataDir, settings: { RATE_LIMIT_FACTOR: '100', PUBLIC_URL: here.baseUrl }, overrides })
  for (const node of [here, there]) await expect.poll(() => node.deps.revocations.live()).toBe(true)
})
afterEach(async () => {
  await there[Symbol.asyncDispose]()
  await here[Symbol.asyncDispose]()
})

const later = (seconds: number) => {
  now = new Date(now.getTime() + seconds * 1000)
}
const call = (node: TestApp, method: string, path: string, { token, body }: { token?: string; body?: object } = {}) =>
  ask(node.baseUrl, `/api/v1${path}`, {
    method,
    headers: { host: new URL(here.baseUrl).host, ...(token ? { authorization: `Bearer ${token}` } : {}), ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
const me = async (node: TestApp, token: string) => {
  const { status, body } = await call(node, 'GET', '/users/me', { token })
  return status === 200 ? 'in' : (body.code as string)
}
const kidOf = (token: string) => (JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid: string }).kid
const operator = () => here.as.operator()
const audited = async () => (await here.deps.sql<{ action: string; actor_kind: string }[]>`select action, actor_kind from audit_log where target_kind = 'key' or action = 'key.list' order by id`).map(({ action, actor_kind: actor }) => `${action} by ${actor}`)
const stateOf = async (id: string) => (await listKeys(operator())).find((key) => key.id === id)?.state

test('a rotation of the signing key signs nobody out, and no node needs a restart', async () => {
  const person = await here.as.user()
  const old = kidOf(person.token)
  const { id } = await rotateKey(operator(), 'access_token')
  expect([await stateOf(old), await stateOf(id)]).toEqual(['current', 'next'])
  // until every node has it the old one signs
  expect(kidOf((await here.as.userAgain(person)).token)).toBe(old)

  later(5)
  for (const node of [here, there]) await expect.poll(() => node.deps.keys.signing().id).toBe(id)
  const fresh = await here.as.userAgain(person)
  expect(kidOf(fresh.token)).toBe(id)
  for (const node of [here, there]) {
    expect(await me(node, person.token)).toBe('in')
    expect(await me(node, fresh.token)).toBe('in')
  }
  const published = (await ask(there.baseUrl, '/.well-known/jwks.json', { headers: { host: new URL(here.baseUrl).host } })).body as { keys: { kid: string }[] }
  expect(published.keys.map(({ kid }) => kid)).toEqual([old, id])
  expect(await audited()).toContain('key.rotate by operator')
})

test('a retired signing key verifies until its last token ran out, and no longer', async () => {
  const old = kidOf((await here.as.user()).token)
  const { id } = await rotateKey(operator(), 'access_token')
  later(5 + 59 * 60)
  await expect.poll(() => here.deps.keys.signing().id).toBe(id)
  expect(await here.deps.keys.verifying(old)).not.toBeNull()
  later(60)
  expect(await here.deps.keys.verifying(old)).toBeNull()
  expect(await stateOf(old)).toBe('retired')
})

test('the tokens of a dropped signing key are refused at once on every node, also those that were verified before', async () => {
  const person = await here.as.user()
  const stolen = kidOf(person.token)
  for (const node of [here, there]) expect(await me(node, person.token)).toBe('in')
  const { replacedBy } = await dropKey(operator(), stolen)
  await expect.poll(() => me(there, person.token), { timeout: 1_000, interval: 10 }).toBe('access_token_invalid')
  await expect.poll(() => me(here, person.token), { timeout: 1_000, interval: 10 }).toBe('access_token_invalid')
  // the session lives: its refresh token brings one of the new key
  const refreshed = await call(there, 'POST', '/auth/refresh', { body: { refreshToken: person.refreshToken } })
  expect(kidOf(refreshed.body.tokens.accessToken as string)).toBe(replacedBy)
  expect(await me(here, refreshed.body.tokens.accessToken as string)).toBe('in')
  const [row] = await here.deps.sql`select length(sealed) as length from keys where id = ${stolen}`
  expect(row?.['length']).toBe(0)
  expect(await audited()).toContain('key.drop by operator')
})

test('a node that has lost the channel refuses the tokens of a dropped key within a second, too', async () => {
  const person = await here.as.user()
  expect(await me(there, person.token)).toBe('in')
  const admin = postgres(here.database.urls.superuser, { max: 1 })
  await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query ilike 'listen%'`
  await admin.end()
  await dropKey(operator(), kidOf(person.token))
  for (const node of [here, there]) await expect.poll(() => me(node, person.token), { timeout: 1_000, interval: 10 }).toBe('access_token_invalid')
})

async function offer(): Promise<string> {
  const { infoHash, base64 } = makeTorrent({ files: [{ path: 'film.mp4', sizeBytes: 1_234_567 }] })
  return offerTitle(here, { infoHash, torrentFile: Buffer.from(base64, 'base64') })
}
/** Rotates and waits until every node works with the new key. @returns the ids of both */
async function rotated(kind: 'playback_ticket' | 'csrf'): Promise<{ old: string; id: string }> {
  const old = here.deps.keys.mac(kind).id
  const { id } = await rotateKey(operator(), kind)
  later(5)
  for (const node of [here, there]) await expect.poll(() => node.deps.keys.mac(kind).id).toBe(id)
  return { old, id }
}

test('an old playback link plays on through a rotation of the ticket key, and ends when that key is dropped', async () => {
  const torrentId = await offer()
  await approveTitle(here, torrentId, (await here.as.moderator()).token)
  const { token } = await here.as.user()
  const newLink = async () => new URL((await call(here, 'POST', `/torrents/${torrentId}/files/0/playback`, { token })).body.url as string).pathname
  // HEAD needs no engine
  const look = (node: TestApp, link: string) => ask(node.baseUrl, link, { method: 'HEAD', headers: { host: new URL(here.baseUrl).host } }).then(({ status }) => status)

  const link = await newLink()
  const { old } = await rotated('playback_ticket')
  const fresh = await newLink()
  for (const node of [here, there]) expect([await look(node, link), await look(node, fresh)]).toEqual([200, 200])

  await dropKey(operator(), old)
  for (const node of [here, there]) await expect.poll(() => look(node, link), { timeout: 1_000, interval: 10 }).toBe(403)
  for (const node of [here, there]) expect(await look(node, fresh)).toBe(200)
  expect((await call(here, 'GET', '/users/me', { token })).status).toBe(200)
})

test('a form of the console that is open works through a rotation of its key, and ends when that key is dropped; its session lives on', async () => {
  const visitor = visitConsole(here.baseUrl)
  await visitor.signIn(await here.as.moderator())
  const elsewhere = visitConsole(there.baseUrl, { host: new URL(here.baseUrl).host })
  for (const [name, value] of visitor.cookies) elsewhere.cookies.set(name, value)
  const form = visitor.token()
  const approve = async (node: typeof visitor, csrf: string) => {
    const torrentId = await offer()
    const { status } = await node.post('/?index', { intent: 'approve', torrentId, csrf })
    const [row] = await here.deps.sql<{ state: string }[]>`select state from torrents where id = ${torrentId}`
    return [status, row?.state]
  }

  const { old } = await rotated('csrf')
  for (const node of [visitor, elsewhere]) expect(await approve(node, form)).toEqual([302, 'approved'])
  expect((await visitor.get('/')).status).toBe(200)
  const fresh = visitor.token()
  expect(fresh).not.toBe(form)

  await dropKey(operator(), old)
  await expect.poll(() => [here, there].map(({ deps }) => deps.keys.macs('csrf').length), { timeout: 1_000, interval: 10 }).toEqual([1, 1])
  for (const node of [visitor, elsewhere]) {
    expect(await approve(node, form)).toEqual([403, 'pending'])
    expect(await approve(node, fresh)).toEqual([302, 'approved'])
  }
})

test('a form of a retired key counts as long as the longest session of the console may live', () => {
  const longest = 168
  expect([longest, longest + 1].map((hours) => settings.STAFF_SESSION_HOURS.schema.safeParse(String(hours)).success)).toEqual([true, false])
  const retiredAt = now
  later(longest * 3_600)
  expect(counts({ kind: 'csrf', retiredAt }, now)).toBe(true)
  later(3_600)
  expect(counts({ kind: 'csrf', retiredAt }, now)).toBe(false)
})

test('a key that does not open on a node keeps it from nothing: a dropped one is refused, a new one verifies', async () => {
  const person = await here.as.user()
  for (const node of [here, there]) expect(await me(node, person.token)).toBe('in')
  const admin = postgres(here.database.urls.superuser, { max: 1 })
  await admin`insert into keys (id, kind, sealed, created_at) values (${crypto.randomUUID()}, 'cursor', ${Buffer.alloc(64, 7)}, now())`
  await admin.end()
  const { replacedBy } = await dropKey(operator(), kidOf(person.token))
  for (const node of [here, there]) {
    await expect.poll(() => me(node, person.token), { timeout: 1_000, interval: 10 }).toBe('access_token_invalid')
    await expect.poll(() => node.deps.keys.signing().id).toBe(replacedBy)
  }
  const refreshed = await call(there, 'POST', '/auth/refresh', { body: { refreshToken: person.refreshToken } })
  expect(await me(here, refreshed.body.tokens.accessToken as string)).toBe('in')
})

test('what was sealed stays open through a rotation of the column key; the job seals it again, and only then the old key can be dropped', async () => {
  const person = await here.as.user()
  const old = here.deps.keys.current().id
  await here.deps.db.transaction((tx) => here.deps.mailer.queue(tx, { to: 'waiting@example.org', subject: 'Waiting', text: 'It waits.' }))
  const { id } = await rotateKey(operator(), 'column')
  later(5)
  for (const node of [here, there]) await expect.poll(() => node.deps.keys.current().id).toBe(id)
  expect((await call(there, 'GET', '/users/me', { token: person.token })).body.email).toBe(person.email)
  await expect(dropKey(operator(), old)).rejects.toMatchObject({ code: 'key_in_use' })

  await resealColumns(there.deps, { keyId: id })
  // what is left waits as a mail
  expect(await sealedWith(here.deps.db, old)).toBe(1)
  await expect(dropKey(operator(), old)).rejects.toMatchObject({ code: 'key_in_use' })
  await using worker = await startTestApp({ database: here.database, dataDir: here.dataDir, jobs: true, overrides: { now: () => now } })
  expect(await mailTo(worker.dataDir, 'waiting@example.org')).toContain('It waits.')
  await expect.poll(() => sealedWith(here.deps.db, old)).toBe(0)
  await dropKey(operator(), old)
  expect((await call(there, 'GET', '/users/me', { token: person.token })).body.email).toBe(person.email)
})

test('values of version 1, sealed with the operator secret itself, still open, and their people are found', async () => {
  await using first = await startTestApp()
  const person = await first.as.user()
  // as the first release left it: no keys of these kinds, everything under the operator secret
  const [secret] = await operatorSecrets(join(first.dataDir, 'keys'), true)
  const v1 = createSealer(secret ?? expect.unreachable())
  const admin = postgres(first.database.urls.superuser, { max: 1 })
  await admin`delete from keys where kind in ('column', 'lookup')`
  await admin`update users set email_sealed = ${Buffer.from(v1.seal('column', `users/${person.userId}`, person.email))}, email_lookup = ${Buffer.from(v1.lookup('users.email', person.email))}`
  await admin.end()

  await using updated = await startTestApp({ database: first.database, dataDir: first.dataDir })
  const { body } = await updated.call('POST', '/auth/sign-in', { body: { email: person.email, password: person.password } })
  expect(body.user.email).toBe(person.email)
  const mail = Buffer.from(v1.seal('mail', person.userId, 'waiting'))
  expect(updated.deps.sealer.openText('mail', person.userId, mail)).toBe('waiting')

  // and survive a rotation of that very secret
  await rotateOperatorSecret(updated.as.operator())
  await using rotated = await startTestApp({ database: first.database, dataDir: first.dataDir })
  expect(rotated.deps.sealer.openText('mail', person.userId, mail)).toBe('waiting')
  await expect(dropKey(rotated.as.operator(), 'v1')).rejects.toMatchObject({ code: 'key_in_use' })
  await resealColumns(rotated.deps, { keyId: rotated.deps.keys.current().id })
  await dropKey(rotated.as.operator(), 'v1')
  expect((await rotated.call('POST', '/auth/sign-in', { body: { email: person.email, password: person.password } })).status).toBe(200)
})

test('after a rotation of the lookup key everybody is found by the new one, on both nodes', async () => {
  const person = await here.as.user()
  const before = await here.deps.sql`select email_lookup from users`
  const { id } = await rotateLookup(operator())
  expect(await here.deps.sql`select email_lookup from users`).not.toEqual(before)
  const signIn = (node: TestApp) => call(node, 'POST', '/auth/sign-in', { body: { email: person.email, password: person.password } })
  for (const node of [here, there]) await expect.poll(async () => (await signIn(node)).status, { timeout: 1_000, interval: 50 }).toBe(200)
  expect(await stateOf(id)).toBe('current')
})

test('someone who was erased stops no rotation, neither of the lookup key nor of the column key', async () => {
  const [gone, staying] = [await here.as.user(), await here.as.user()]
  for (const { email } of [gone, staying]) expect((await call(here, 'POST', '/auth/forgot-password', { body: { email } })).status).toBe(202)
  expect((await call(here, 'DELETE', '/users/me', { token: gone.token })).status).toBe(202)
  later(15 * 86_400)
  await tendAccounts(here.deps, {})
  const [emptied] = await here.deps.sql`select count(*)::int as n from email_flows where length(email_sealed) = 0`
  expect(emptied?.['n']).toBe(1)

  await rotateLookup(operator())
  const signIn = () => call(here, 'POST', '/auth/sign-in', { body: { email: staying.email, password: staying.password } })
  await expect.poll(async () => (await signIn()).status, { timeout: 1_000, interval: 50 }).toBe(200)
  const { id } = await rotateKey(operator(), 'column')
  later(5)
  await expect.poll(() => here.deps.keys.current().id).toBe(id)
  await resealColumns(here.deps, { keyId: id })
  const values = await here.deps.sql<{ value: Buffer }[]>`select email_sealed as value from users where email_sealed is not null union all select email_sealed from email_flows where length(email_sealed) > 0`
  expect(values).toHaveLength(2)
  const header = Buffer.from(sealHeader(id))
  for (const { value } of values) expect(value.subarray(0, header.length)).toEqual(header)
  expect((await signIn()).body.user.email).toBe(staying.email)
})

test('a rotation of the operator secret leaves everything readable, on nodes that run and on one that starts', async () => {
  const person = await here.as.user()
  const file = join(here.dataDir, 'keys', 'operator.key')
  const before = await readFile(file, 'utf8')
  const { previous } = await rotateOperatorSecret(operator())
  expect(await readFile(previous, 'utf8')).toBe(before)
  expect(await readFile(file, 'utf8')).not.toBe(before)
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  for (const node of [here, there]) expect(await me(node, person.token)).toBe('in')

  // the nodes read the new file for what they do not hold yet
  const { id } = await rotateKey(operator(), 'access_token')
  later(5)
  await expect.poll(() => there.deps.keys.signing().id).toBe(id)
  await rm(previous)
  await using started = await startTestApp({ database: here.database, dataDir: here.dataDir, settings: { PUBLIC_URL: here.baseUrl }, overrides: { now: () => now } })
  expect(await me(started, person.token)).toBe('in')
})

test.each([
  ['before its commit', 0],
  ['after its commit', 1],
])('a rotation of the operator secret that was interrupted %s leaves a service that starts, and is made whole by the next', async (_when, committed) => {
  const keysDir = join(here.dataDir, 'keys')
  const file = join(keysDir, 'operator.key')
  const old = await readFile(file, 'utf8')
  const other = Buffer.from(here.deps.randomBytes(32))
  if (committed) {
    await rotateOperatorSecret(operator())
    const fresh = await readFile(file, 'utf8')
    await writeFile(`${file}.next`, fresh, { mode: 0o600 })
    await writeFile(file, old, { mode: 0o600 })
  } else await layReady(keysDir, other)

  const person = await here.as.user()
  const node = () => startTestApp({ database: here.database, dataDir: here.dataDir, settings: { PUBLIC_URL: here.baseUrl }, overrides: { now: () => now } })
  {
    await using started = await node()
    expect(await me(started, person.token)).toBe('in')
  }
  await rotateOperatorSecret(operator())
  expect(await operatorSecrets(keysDir, true)).toHaveLength(1)
  await using again = await node()
  expect(await me(again, person.token)).toBe('in')
})

test('the only key of a kind is not retired, and what would be lost is not dropped', async () => {
  for (const { id, kind } of (await listKeys(operator())).filter((key) => key.kind !== 'operator')) {
    await expect(retireKey(operator(), id), kind).rejects.toMatchObject({ code: 'key_in_use' })
    if (kind === 'column' || kind === 'lookup') await expect(dropKey(operator(), id), kind).rejects.toMatchObject({ code: 'key_in_use' })
  }
  await expect(dropKey(operator(), 'nobody-made-this')).rejects.toMatchObject({ code: 'not_found' })
  expect(new Set((await listKeys(operator())).map(({ state }) => state))).toEqual(new Set(['current']))
})

test('a key that is due is said to be', async () => {
  later(91 * 86_400)
  expect((await listKeys(operator())).filter(({ overdue }) => overdue).map(({ kind }) => kind)).toEqual(['access_token'])
  later(700 * 86_400)
  expect((await listKeys(operator())).every(({ overdue }) => overdue)).toBe(true)
})

test('every sealed column of the database is among those that are sealed again', async () => {
  const columns = await here.deps.sql<{ table: string; column: string }[]>`
    select table_name as table, column_name as column from information_schema.columns where table_schema = 'public' and column_name ~ 'sealed'`
  // a key under the operator secret, and a refresh token under its predecessor, are no columns in this sense
  const others = ['keys.sealed', 'refresh_tokens.successor_sealed']
  const found = columns.map(({ table, column }) => `${table}.${column}`).filter((name) => !others.includes(name))
  expect(found.sort()).toEqual(sealedColumns.map(({ table, column }) => `${table}.${column}`).sort())
})
