import { getTableColumns, getTableName, is } from 'drizzle-orm'
import { getTableConfig, PgTable } from 'drizzle-orm/pg-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import * as schema from '../../../db/schema/index.ts'
import type { Person } from '../../test/actors.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { exportDocument, sectionOfTable } from './export-document.ts'
import { tendAccounts } from './erasure.ts'

let app: TestApp
let now = new Date()
beforeAll(async () => {
  app = await startTestApp({ jobs: true, settings: { RATE_LIMIT_FACTOR: '100' }, overrides: { now: () => now } })
})
afterAll(() => app[Symbol.asyncDispose]())
beforeEach(() => {
  now = new Date()
})
const laterHours = (hours: number) => (now = new Date(now.getTime() + hours * 3_600_000))
const state = async ({ token }: { token: string }) => (await app.call('GET', '/users/me/export', { token })).body as { state: string; link: string | null; expiresAt: string | null }
const request = ({ token }: { token: string }) => app.call('POST', '/users/me/export', { token })
async function madeFor(person: Person): Promise<string> {
  expect((await request(person)).status).toBe(202)
  await expect.poll(async () => (await state(person)).state, { timeout: 10_000 }).toBe('ready')
  return (await state(person)).link ?? expect.fail('no link')
}
const codeOf = async (link: string) => ((await (await fetch(link)).json()) as { code: string }).code

describe('a copy of one’s data (control C7)', () => {
  test('is made by a job and fetched once by its link, which names its person’s facts and no secret', async () => {
    const person = await app.as.user()
    await app.call('PATCH', '/users/me', { token: person.token, body: { name: 'Ann Autumn' } })
    expect(await state(person)).toEqual({ state: 'none', link: null, expiresAt: null })
    const link = await madeFor(person)
    expect((await state(person)).link).toBe(link)

    expect((await fetch(link, { method: 'HEAD' })).status).toBe(200)
    const answer = await fetch(link)
    expect([answer.status, answer.headers.get('cache-control'), answer.headers.get('content-disposition')]).toEqual([200, 'no-store', 'attachment; filename="my-data.json"'])
    const text = await answer.text()
    expect(JSON.parse(text)).toMatchObject({
      profile: { id: person.userId, email: person.email, name: 'Ann Autumn', role: 'user' },
      sessions: [{ kind: 'app', methods: ['password'], endedAt: null }],
      history: expect.arrayContaining([expect.objectContaining({ by: 'you', action: 'user.update', target: 'you' })]),
    })
    expect(await codeOf(link)).toBe('export_link_ended')
    expect((await fetch(link, { method: 'HEAD' })).status).toBe(403)
    expect(await state(person)).toMatchObject({ state: 'fetched', link: null })
    expect(await app.deps.sql`select 1 from audit_log where action = 'user.export_fetch' and target_id = (select pseudonym::text from users where id = ${person.userId})`).toHaveLength(1)
  })

  test('of twenty who fetch at the same time one gets it, and the row is empty', async () => {
    const person = await app.as.user()
    const link = await madeFor(person)
    const answers = await Promise.all(Array.from({ length: 20 }, async () => (await fetch(link)).status))
    expect(answers.sort()).toEqual([200, ...Array.from({ length: 19 }, () => 403)])
    expect(await app.deps.sql`select sealed, token_hash from data_exports where user_id = ${person.userId}`).toEqual([{ sealed: null, token_hash: null }])
  })

  test('stands sealed, its link only as a hash, and neither in the log', async () => {
    const person = await app.as.user()
    const link = await madeFor(person)
    const token = link.split('/').at(-1) ?? ''
    const [row] = await app.deps.sql<{ sealed: Buffer; hash: Buffer }[]>`select sealed, token_hash as hash from data_exports where user_id = ${person.userId}`
    const stored = `${row?.sealed.toString('latin1')} ${row?.hash.toString('latin1')} ${row?.hash.toString('base64url')}`
    expect(stored.length).toBeGreaterThan(500)
    for (const hidden of [person.email, token, 'profile']) expect(stored).not.toContain(hidden)
    await fetch(link)
    expect(JSON.stringify(app.logLines)).not.toContain(token)
  })

  test('a link that was cut or made up opens nothing', async () => {
    const link = await madeFor(await app.as.user())
    for (const bad of [link.slice(0, -1), `${link}A`, link.replace(/[^/]+$/, 'A'.repeat(43)), link.replace(/[^/]+$/, '%00')]) expect((await fetch(bad)).status).toBeGreaterThanOrEqual(400)
    expect((await fetch(link)).status).toBe(200)
  })

  test('is made once a day, also for those who ask at the same time', async () => {
    const person = await app.as.user()
    const answers = await Promise.all(Array.from({ length: 5 }, () => request(person)))
    expect(answers.map(({ status }) => status).sort()).toEqual([202, 429, 429, 429, 429])
    expect(Number(answers.find(({ status }) => status === 429)?.headers.get('retry-after'))).toBeGreaterThan(86_000)
    laterHours(25)
    expect((await request(await app.as.userAgain(person))).status).toBe(202)
  })

  test('nobody’s after a day: the link is dead, and the row emptied by the hour', async () => {
    const person = await app.as.user()
    const link = await madeFor(person)
    laterHours(25)
    expect(await codeOf(link)).toBe('export_link_ended')
    expect(await state(await app.as.userAgain(person))).toMatchObject({ state: 'expired', link: null })
    await tendAccounts(app.deps, {})
    expect(await app.deps.sql`select sealed from data_exports where user_id = ${person.userId}`).toEqual([{ sealed: null }])
  })
})

describe('what is in it', () => {
  const tables = (Object.values(schema) as unknown[]).filter((value): value is PgTable => is(value, PgTable))
  const refersToPeople = (table: PgTable) =>
    getTableName(table) === 'users' || 'userId' in getTableColumns(table) || getTableConfig(table).foreignKeys.some((key) => getTableName(key.reference().foreignTable) === 'users')

  test('every table that refers to people has its section, and no section is of a table that is gone', async () => {
    expect(tables.filter(refersToPeople).map((table) => getTableName(table)).sort()).toEqual(Object.keys(sectionOfTable).sort())
    const document = JSON.parse((await exportDocument(app.deps, (await app.as.user()).userId)) ?? '{}') as object
    for (const section of Object.values(sectionOfTable)) expect(document).toHaveProperty(section)
  })

  test('a row of each shows up, without secrets and without others', async () => {
    const [person, other] = [await app.as.user(), await app.as.user()]
    const { sql } = app.deps
    const secret = Buffer.from('a secret of 32 bytes, told nobody')
    for (const { userId, name } of [{ ...person, name: 'mine' }, { ...other, name: 'theirs' }]) {
      await sql`insert into known_devices (id, user_id, token_hash, name, created_at, last_seen_at) values (gen_random_uuid(), ${userId}, sha256(${userId}::text::bytea), ${`device ${name}`}, now(), now())`
      await sql`insert into totp_factors (id, user_id, secret_sealed, created_at) values (gen_random_uuid(), ${userId}, ${secret}, now())`
      await sql`insert into recovery_codes (id, user_id, code_hash, created_at) values (gen_random_uuid(), ${userId}, ${secret}, now())`
      await sql`insert into passkeys (id, user_id, credential_id, public_key, counter, transports, backed_up, name, created_at) values (gen_random_uuid(), ${userId}, sha256(${userId}::text::bytea), ${secret}, 0, '{usb}', false, ${`passkey ${name}`}, now())`
      await sql`insert into auth_challenges (id, kind, user_id, session_kind, device_name, webauthn_challenge, tries_left, created_at, expires_at) values (gen_random_uuid(), 'step_up', ${userId}, 'app', ${`challenge ${name}`}, ${secret}, 5, now(), now())`
    }
    await app.call('POST', '/auth/sign-up', { body: { email: person.email, password: 'a strangers passphrase 71', name: 'Stranger' } })
    const text = (await exportDocument(app.deps, person.userId)) ?? ''
    const document = JSON.parse(text) as { factors: Record<string, unknown[]>; mailedCodes: object[] }
    for (const told of ['device mine', 'passkey mine', 'challenge mine']) expect(text).toContain(told)
    expect(Object.values(document.factors).map((list) => list.length)).toEqual([1, 1, 1])
    expect(document.mailedCodes).toEqual([expect.objectContaining({ kind: 'sign_up', email: person.email })])
    for (const hidden of ['theirs', 'Stranger', other.userId, other.email, '$argon2', secret.toString(), secret.toString('base64').slice(0, 20), secret.toString('hex')]) expect(text).not.toContain(hidden)
  })
})
