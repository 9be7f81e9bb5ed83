import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Authenticator } from '../../../scripts/demo/authenticator.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { codeOf, openOutbox } from '../../test/mails.ts'
import { lookupOf, maskEmail } from './users.ts'

let app: TestApp
let superuser: postgres.Sql
beforeAll(async () => {
  app = await startTestApp({ jobs: true, settings: { RATE_LIMIT_FACTOR: '100', TRUSTED_PROXIES: '127.0.0.1' } })
  superuser = postgres(app.database.urls.superuser, { max: 1, onnotice: () => undefined })
})
afterAll(async () => {
  await superuser.end()
  await app[Symbol.asyncDispose]()
})

type Cell = { column: string; text: string }

/** Every value of every table, those of the job queue too, as text; bytes as the characters that they would be. */
async function dump(): Promise<Cell[]> {
  const columns = await superuser<{ schema: string; table: string; name: string; type: string }[]>`
    select table_schema as schema, table_name as table, column_name as name, udt_name as type
    from information_schema.columns join information_schema.tables using (table_catalog, table_schema, table_name)
    where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')`
  const cells: Cell[] = []
  for (const { schema, table, name, type } of columns) {
    const as = superuser.unsafe(type === 'bytea' ? 'encode(value, \'hex\')' : 'value::text')
    const rows = await superuser<{ text: string }[]>`select ${as} as text from (select ${superuser(name)} as value from ${superuser(schema)}.${superuser(table)}) t where value is not null`
    cells.push(...rows.map(({ text }) => ({ column: `${schema}.${table}.${name}`, text: type === 'bytea' ? Buffer.from(text, 'hex').toString('latin1') : text })))
  }
  return cells
}

const email = 'Quillfeather.77@example.org'
const address = '203.0.113.77'
const address6 = '2001:db8:aa:bb::77'
/** An address of mail; any IPv4 address but a /24; the IPv6 address, or its /64. */
const telling = [/quillfeather/i, /@example\.org/i, /(?<![\d.])\d{1,3}(\.\d{1,3}){3}(?!\.?\d)(?!\/24)/, /2001:0?db8:0*aa:0*bb/i]
const loggedPerson = [/quillfeather/i, /203\.0\.113\.77/, /2001:0?db8:0*aa:0*bb/i]
const columnsThatTell = (cells: Cell[]) => [...new Set(cells.filter(({ text }) => telling.some((what) => what.test(text))).map(({ column }) => column))]

describe('what is kept about people (control C5)', () => {
  test('neither a column nor the log holds an address of mail in clear or a whole one of the network, whatever the person does', async () => {
    const outbox = openOutbox(app)
    const post = async (path: string, body: object | undefined, { token, from = address, status }: { token?: string; from?: string; status: number }) => {
      const answer = await app.call('POST', path, { token, body, headers: { 'x-forwarded-for': from } })
      expect([path, answer.status, answer.body?.code]).toEqual([path, status, undefined])
      return answer.body
    }
    const steps: string[] = []
    const told = async (step: string) => {
      steps.push(step)
      expect([step, columnsThatTell(await dump())]).toEqual([step, []])
      expect(app.logLines.filter((line) => loggedPerson.some((what) => what.test(JSON.stringify(line))))).toEqual([])
    }
    const password = 'eleven quiet harbours at dusk'
    const device = { name: 'Phone', platform: 'android' }

    const { flowId } = await post('/auth/sign-up', { email, password, name: 'Ann' }, { status: 202 })
    await told('sign-up, not verified')
    const verified = await post('/auth/verify-email', { flowId, code: codeOf(await outbox.next(email.toLowerCase(), 'Your sign-up code')), device }, { status: 200 })
    const userId = verified.user.id as string
    await told('sign-up')
    const refused = await app.call('POST', '/auth/sign-in', { body: { email, password: 'not the password' }, headers: { 'x-forwarded-for': address } })
    expect(refused.status).toBe(401)
    const { tokens } = await post('/auth/sign-in', { email, password, device }, { status: 200 })
    await post('/auth/sign-in', { email, password }, { from: address6, status: 200 })
    await told('sign-in')

    const token = tokens.accessToken as string
    const { secret } = await post('/users/me/mfa/totp', undefined, { token, status: 200 })
    const authenticator = new Authenticator(secret)
    await post('/users/me/mfa/totp/confirm', { code: await authenticator.code() }, { token, status: 200 })
    const { mfa } = await post('/auth/sign-in', { email, password, device }, { status: 200 })
    await told('second factor, asked for')
    const proved = await post('/auth/mfa/verify', { challengeId: mfa.challengeId, method: 'totp', code: await authenticator.code() }, { status: 200 })
    await told('second factor')

    const later = { token: proved.tokens.accessToken as string }
    await post('/users/me/export', undefined, { ...later, status: 202 })
    await expect.poll(async () => (await app.call('GET', '/users/me/export', later)).body.state).toBe('ready')
    await told('export')
    await post('/auth/change-email', { newEmail: `new.${email}` }, { ...later, status: 202 })
    await told('another address, asked for')

    const reset = await post('/auth/forgot-password', { email }, { status: 202 })
    await told('reset, asked for')
    await post('/auth/reset-password', { flowId: reset.flowId, code: codeOf(await outbox.next(email.toLowerCase(), 'Your code for a new password')), newPassword: 'a dozen louder harbours at dawn' }, { status: 204 })
    await told('reset')
    await post(`/admin/users/${userId}/ban`, { reason: 'spam' }, { token: (await app.as.moderator()).token, status: 204 })
    await told('ban')

    // what is looked through holds the person: sealed, hashed and faded
    const cells = await dump()
    const columnsWith = (text: string) => cells.filter((cell) => cell.text.includes(text)).map(({ column }) => column)
    expect(columnsWith(Buffer.from(lookupOf(app.deps, email.toLowerCase())).toString('latin1'))).toContain('public.users.email_lookup')
    expect(columnsWith(userId)).toEqual(expect.arrayContaining(['public.users.id', 'public.sessions.user_id', 'public.data_exports.user_id']))
    expect(columnsWith('203.0.113.0/24')).toContain('public.sessions.network')
    expect(columnsWith('2001:db8:aa::/48')).toContain('public.sessions.network')
    expect(steps).toHaveLength(10)
    expect(app.logLines.some(({ route }) => String(route).includes('/auth/sign-in'))).toBe(true)
  })

  test.each([
    ['an address of mail as text', `insert into probe (a) values ('to Quillfeather.77@EXAMPLE.org')`],
    ['one as bytes', `insert into probe (b) values (convert_to('quillfeather.77@example.org', 'UTF8'))`],
    ['one within JSON', `insert into probe (c) values ('{"was": ["x@example.org"]}')`],
    ['an address of the network within text', `insert into probe (a) values ('read:a:203.0.113.77')`],
    ['one of its own type', `insert into probe (d) values ('203.0.113.77')`],
    ['a /64 of IPv6', `insert into probe (a) values ('a:2001:db8:aa:bb::/64')`],
  ])('the search finds %s', async (_what, planted) => {
    await superuser`create table probe (a text, b bytea, c jsonb, d inet)`
    try {
      await superuser.unsafe(planted)
      expect(columnsThatTell(await dump())).toEqual([expect.stringMatching(/^public\.probe\.[abcd]$/)])
    } finally {
      await superuser`drop table probe`
    }
  })
})

describe('a masked address of mail (control C5)', () => {
  test.each([
    ['ann.autumn@example.org', 'a…@example.org'],
    ['a@example.org', 'a…@example.org'],
    ['"odd@local"@example.org', '"…@example.org'],
    ['éva@example.org', 'é…@example.org'],
  ])('%s is shown as %s', (given, shown) => {
    expect(maskEmail(given)).toBe(shown)
  })

  test('is as long for a long name as for a short one', () => {
    expect(maskEmail(`q${'u'.repeat(60)}@example.org`)).toBe(maskEmail('qu@example.org'))
  })

  test('never shows a second character of the name', () => {
    for (const name of ['xyz', 'x.y+z', 'x'.repeat(64)]) expect(maskEmail(`${name}@example.org`)).toBe('x…@example.org')
  })
})
