import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { connect } from '../../db/client.ts'
import { readConfig } from '../config.ts'
import { createTestDatabase, type TestDatabase } from '../test/database.ts'
import type { Deps } from './context.ts'
import { jobs, startJobs } from './jobs.ts'
import { createLog } from './log.ts'
import { createMailer, sendMail, smtpOptions } from './mail.ts'
import { createSealer } from './seal.ts'

let database: TestDatabase
let connection: ReturnType<typeof connect>
let dataDir: string
beforeAll(async () => {
  database = await createTestDatabase()
  connection = connect(database.urls.app, { max: 2 })
})
afterAll(async () => {
  await connection.close()
  await database[Symbol.asyncDispose]()
})
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'mail-'))
})
afterEach(() => rm(dataDir, { recursive: true, force: true }))

const sealer = createSealer(randomBytes(32))
const mailer = createMailer({ sealer, jobs, newId: randomUUID })
const mail = { to: 'ann@example.org', subject: 'Your code', text: 'Your code is 12345678\n' }
const at = new Date('2026-03-04T05:06:07.000Z')
const depsWith = (): Deps =>
  ({ ...readConfig({ DATA_DIR: dataDir, DATABASE_URL: database.urls.app }), sealer, now: () => at, log: createLog('silent', { write: () => undefined }) }) as unknown as Deps
const payload = () => {
  const id = randomUUID()
  return { id, sealed: Buffer.from(sealer.seal('mail', id, JSON.stringify(mail))).toString('base64') }
}
const outbox = () => readdir(join(dataDir, 'outbox')).catch(() => [] as string[])

test('a queued mail waits sealed: the job shows neither the address nor the code', async () => {
  await connection.db.transaction((tx) => mailer.queue(tx, mail))
  const [job] = await connection.sql<{ payload: unknown }[]>`select payload from graphile_worker._private_jobs`
  const text = JSON.stringify(job)
  expect(text).toContain('sealed')
  for (const hidden of ['ann', 'example.org', '12345678', 'Your code']) {
    expect(text).not.toContain(hidden)
    expect(text).not.toContain(Buffer.from(hidden).toString('base64').replace(/=+$/, ''))
  }
  await connection.sql`delete from graphile_worker._private_jobs`
})

test('with a transaction that is rolled back, no mail goes out', async () => {
  const rolledBack = connection.db.transaction(async (tx) => {
    await mailer.queue(tx, mail)
    throw new Error('rolled back')
  })
  await expect(rolledBack).rejects.toThrow('rolled back')
  expect(await connection.sql`select 1 from graphile_worker._private_jobs`).toHaveLength(0)
})

test('without a mail server it lies in the outbox, whole and for its owner only, once the worker has run', async () => {
  const runner = await startJobs(depsWith(), { 'mail.send': sendMail })
  try {
    await connection.db.transaction((tx) => mailer.queue(tx, mail))
    await expect.poll(outbox, { timeout: 10_000 }).toEqual([expect.stringMatching(/^2026-03-04T05-06-07\.000Z-[\w-]+\.eml$/)])
  } finally {
    await runner.stop()
  }
  const file = join(dataDir, 'outbox', (await outbox())[0] ?? '')
  const text = await readFile(file, 'utf8')
  expect(text).toContain('To: ann@example.org')
  expect(text).toContain('Subject: Your code')
  expect(text).toContain('Your code is 12345678')
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect((await stat(join(dataDir, 'outbox'))).mode & 0o777).toBe(0o700)
})

test('one to be dropped waits like any other, and is not sent', async () => {
  await connection.db.transaction((tx) => mailer.queue(tx, { ...mail, dropped: true }))
  const runner = await startJobs(depsWith(), { 'mail.send': sendMail })
  try {
    await expect.poll(() => connection.sql`select 1 from graphile_worker._private_jobs`, { timeout: 10_000 }).toHaveLength(0)
  } finally {
    await runner.stop()
  }
  expect(await outbox()).toEqual([])
})

test('one without hurry is the same job, but for its time and that it wakes nobody', async () => {
  const heard: string[] = []
  const jobsOf = () => connection.sql<Record<string, unknown>[]>`select id, run_at > created_at as later, to_jsonb(j) - '{id,run_at,created_at,updated_at}'::text[] as same from graphile_worker._private_jobs j order by id`
  await connection.sql`delete from graphile_worker._private_jobs`
  const { unlisten } = await connection.sql.listen('jobs:insert', (text) => heard.push(text))
  const given = { id: randomUUID(), sealed: 'AAAA' }
  await connection.db.transaction((tx) => jobs.add(tx, 'mail.send', given))
  await connection.db.transaction((tx) => jobs.addLater(tx, 'mail.send', given))
  const [hurried, later] = await jobsOf()
  expect(later?.['same']).toEqual(hurried?.['same'])
  expect([hurried?.['later'], later?.['later']]).toEqual([false, true])
  await expect.poll(() => heard.length).toBe(1)
  // the worker of a new installation has not begun with this kind yet
  await connection.db.transaction((tx) => jobs.addLater(tx, 'never.added.before', given))
  expect(await jobsOf()).toHaveLength(3)
  await expect.poll(() => heard.length).toBe(2)
  await unlisten()
  await connection.sql`delete from graphile_worker._private_jobs`
})

test('one without hurry is sent too, and not if its transaction is rolled back', async () => {
  const rolledBack = connection.db.transaction(async (tx) => {
    await mailer.queue(tx, mail, { hurry: false })
    throw new Error('rolled back')
  })
  await expect(rolledBack).rejects.toThrow('rolled back')
  await connection.db.transaction((tx) => mailer.queue(tx, mail, { hurry: false }))
  const runner = await startJobs(depsWith(), { 'mail.send': sendMail })
  try {
    await expect.poll(outbox, { timeout: 15_000 }).toHaveLength(1)
    await expect.poll(() => connection.sql`select 1 from graphile_worker._private_jobs`, { timeout: 10_000 }).toHaveLength(0)
  } finally {
    await runner.stop()
  }
})

test('a payload that was altered, or sealed elsewhere, sends nothing', async () => {
  const { id, sealed } = payload()
  await expect(sendMail(depsWith(), { id: randomUUID(), sealed })).rejects.toThrow()
  await expect(sendMail({ ...depsWith(), sealer: createSealer(randomBytes(32)) }, { id, sealed })).rejects.toThrow()
  await expect(sendMail(depsWith(), { id })).rejects.toThrow()
  expect(await outbox()).toEqual([])
})

test.each([
  ['smtp://mail.example.org', { host: 'mail.example.org', port: 587, secure: false, requireTLS: true, ignoreTLS: false }],
  ['smtp://mail.example.org:25?ignoreTLS=true', { port: 25, requireTLS: true, ignoreTLS: false }],
  ['smtp://127.example.org', { requireTLS: true, ignoreTLS: false }],
  ['smtps://ann:a%40b@mail.example.org', { port: 465, secure: true, auth: { user: 'ann', pass: 'a@b' } }],
  ['smtp://localhost:1025', { port: 1025, requireTLS: false, ignoreTLS: true }],
  ['smtp://[::1]:1025', { host: '::1', requireTLS: false }],
])('%s: beyond loopback TLS is a must', (url, expected) => {
  expect(smtpOptions(url)).toMatchObject({ ...expected, tls: { rejectUnauthorized: true, minVersion: 'TLSv1.2' } })
})
