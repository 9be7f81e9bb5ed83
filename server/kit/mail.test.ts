import { randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { connect } from '../../db/client.ts'
import { readConfig } from '../config.ts'
import { selfSignedCertificate } from '../test/certificate.ts'
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
const depsWith = (smtpUrl?: string): Deps =>
  ({ ...readConfig({ DATA_DIR: dataDir, DATABASE_URL: database.urls.app, ...(smtpUrl ? { SMTP_URL: smtpUrl } : {}) }), sealer, now: () => at, log: createLog('silent', { write: () => undefined }) }) as unknown as Deps
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

test('a payload that was altered, or sealed elsewhere, sends nothing', async () => {
  const { id, sealed } = payload()
  await expect(sendMail(depsWith(), { id: randomUUID(), sealed })).rejects.toThrow()
  await expect(sendMail({ ...depsWith(), sealer: createSealer(randomBytes(32)) }, { id, sealed })).rejects.toThrow()
  await expect(sendMail(depsWith(), { id })).rejects.toThrow()
  expect(await outbox()).toEqual([])
})

/** As much of RFC 5321 as a client needs to hand over one mail. */
function speakSmtp(socket: Socket, received: string[]): void {
  let inData = false
  let buffered = ''
  socket.on('error', () => undefined)
  socket.write('220 test ESMTP\r\n')
  socket.on('data', (chunk) => {
    buffered += chunk.toString()
    for (let end = buffered.indexOf('\r\n'); end >= 0; end = buffered.indexOf('\r\n')) {
      const line = buffered.slice(0, end)
      buffered = buffered.slice(end + 2)
      received.push(line)
      if (inData) {
        if (line !== '.') continue
        inData = false
        socket.write('250 taken\r\n')
      } else if (line === 'DATA') {
        inData = true
        socket.write('354 go on\r\n')
      } else socket.write(line === 'QUIT' ? '221 bye\r\n' : '250 fine\r\n')
    }
  })
}
async function withServer(server: Server, work: (port: number) => Promise<void>) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await work((server.address() as AddressInfo).port)
  } finally {
    const closed = once(server, 'close')
    server.close()
    await closed
  }
}

test('with a mail server it is handed over, and the outbox stays empty', async () => {
  const received: string[] = []
  await withServer(createServer((socket) => speakSmtp(socket, received)), async (port) => {
    await sendMail(depsWith(`smtp://127.0.0.1:${port}`), payload())
  })
  expect(received).toContain('RCPT TO:<ann@example.org>')
  expect(received.join('\n')).toContain('Your code is 12345678')
  expect(await outbox()).toEqual([])
})

test('a mail server whose certificate does not verify gets nothing', async () => {
  const received: string[] = []
  await withServer(createTlsServer(selfSignedCertificate(), (socket) => speakSmtp(socket, received)), async (port) => {
    await expect(sendMail(depsWith(`smtps://127.0.0.1:${port}`), payload())).rejects.toThrow(/self-signed/)
  })
  expect(received).toEqual([])
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
