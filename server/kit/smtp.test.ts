/** The way to a real SMTP server: what is verified, what is retried, what is given up. */
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import PostalMime, { type Email } from 'postal-mime'
import postgres from 'postgres'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { issuedCertificate, selfSignedCertificate } from '../test/certificate.ts'
import { createTestDatabase, type TestDatabase } from '../test/database.ts'
import { startTestApp, type TestApp } from '../test/app.ts'
import type { Mail } from './mail.ts'

const trusted = issuedCertificate()
const elsewheres = issuedCertificate('mail.example.org')
const known = getCACertificates('default')
// what NODE_EXTRA_CA_CERTS does for an operator whose mail server has a certificate of their own authority
beforeAll(() => setDefaultCACertificates([...known, trusted.authority, elsewheres.authority]))
afterAll(() => setDefaultCACertificates(known))

let database: TestDatabase
let admin: postgres.Sql
let dataDir: string
beforeAll(async () => {
  database = await createTestDatabase()
  admin = postgres(database.urls.superuser, { max: 1 })
  dataDir = await mkdtemp(join(tmpdir(), 'smtp-'))
})
afterAll(async () => {
  await admin.end()
  await database[Symbol.asyncDispose]()
  await rm(dataDir, { recursive: true, force: true })
})
beforeEach(() => admin`delete from graphile_worker._private_jobs`.then(() => undefined))

type Taken = { mail: Email; secure: boolean; user: string | undefined; from: string | undefined; to: string[] }

/** smtp-server on loopback. `port` 0 takes a free one. */
async function mailServer(options: SMTPServerOptions = {}, port = 0) {
  const taken: Taken[] = []
  const server = new SMTPServer({
    authOptional: true,
    disableReverseLookup: true,
    disabledCommands: ['STARTTLS'],
    onData(stream, { secure, user, envelope }, done) {
      void buffer(stream).then(PostalMime.parse).then((mail) => {
        taken.push({ mail, secure, user, from: envelope.mailFrom ? envelope.mailFrom.address : undefined, to: envelope.rcptTo.map(({ address }) => address) })
        done()
      }, done)
    },
    ...options,
  })
  // a client that does not trust us hangs up in the middle of TLS
  server.on('error', () => undefined)
  await new Promise<void>((resolve) => void server.listen(port, '127.0.0.1', resolve))
  const address = server.server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { port: address.port, taken, [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(resolve)) }
}
const withTls = { ...{ key: trusted.key, cert: trusted.cert }, disabledCommands: [] }
const startNode = (smtpUrl: string): Promise<TestApp> => startTestApp({ database, dataDir, jobs: true, settings: { SMTP_URL: smtpUrl, MAIL_FROM: 'Films <films@example.org>' } })

const letter: Mail = { to: 'ann@example.org', subject: 'Ein Gruß', text: 'Your code is\n\n    12345678\n', html: '<p>12345678</p>' }
const queue = (node: TestApp, mail: Mail = letter) => node.deps.db.transaction((tx) => node.deps.mailer.queue(tx, mail))
const waiting = () => admin<{ attempts: number; last_error: string | null }[]>`select attempts, last_error from graphile_worker._private_jobs`
/** Until the mail was tried and the job waits for its next time. */
const tried = (times = 1) => expect.poll(waiting, { timeout: 15_000 }).toEqual([{ attempts: times, last_error: expect.any(String) }])
const gone = () => expect.poll(waiting, { timeout: 15_000 }).toEqual([])
/**
 * Instead of waiting the minutes that a failed job waits: its time has come. Only the superuser of the test may write here;
 * the wait itself is graphile-worker's (exponential, 12 attempts, a day in all).
 */
const comeDue = () => admin`update graphile_worker._private_jobs set run_at = now()`
const errorOf = async () => String((await waiting())[0]?.last_error)

describe('a mail server', () => {
  test('is handed the whole mail: sender, recipient, both parts', async () => {
    await using server = await mailServer()
    await using node = await startNode(`smtp://127.0.0.1:${server.port}`)
    await queue(node)
    await gone()
    expect(server.taken).toHaveLength(1)
    expect(server.taken[0]).toMatchObject({
      from: 'films@example.org',
      to: ['ann@example.org'],
      mail: { subject: 'Ein Gruß', from: { name: 'Films', address: 'films@example.org' }, to: [{ name: '', address: 'ann@example.org' }], text: expect.stringMatching(/^Your code is\n\n {4}12345678\n*$/), html: expect.stringContaining('<p>12345678</p>') },
    })
    expect(server.taken[0]?.mail.headers.find(({ key }) => key === 'auto-submitted')?.value).toBe('auto-generated')
    expect(await readdir(join(dataDir, 'outbox')).catch(() => [])).toEqual([])
  })

  test('gets the sign-in of the URL, and nothing without it', async () => {
    const onAuth: SMTPServerOptions['onAuth'] = ({ username, password }, _session, done) => (username === 'films' && password === 'p@ss' ? done(null, { user: username }) : done(new Error('Invalid sign-in')))
    await using server = await mailServer({ ...withTls, secure: true, authOptional: false, onAuth })
    await using right = await startNode(`smtps://films:p%40ss@localhost:${server.port}`)
    await queue(right)
    await gone()
    expect(server.taken).toMatchObject([{ user: 'films', secure: true }])
  })

  test('that does not know the sign-in is tried again, since settings can be mended', async () => {
    const onAuth: SMTPServerOptions['onAuth'] = (_auth, _session, done) => done(Object.assign(new Error('no such user films, said ann@example.org'), { responseCode: 535 }))
    await using server = await mailServer({ ...withTls, secure: true, authOptional: false, onAuth })
    await using node = await startNode(`smtps://films:wrong@localhost:${server.port}`)
    await queue(node)
    await tried()
    expect(await errorOf()).toMatch(/EAUTH after AUTH PLAIN: 535/)
    expect(await errorOf()).not.toMatch(/ann|films|wrong/)
    expect(server.taken).toEqual([])
  })
})

describe('TLS (control C1)', () => {
  test('with a certificate of a trusted authority is spoken', async () => {
    await using server = await mailServer({ ...withTls, secure: true })
    await using node = await startNode(`smtps://localhost:${server.port}`)
    await queue(node)
    await gone()
    expect(server.taken).toMatchObject([{ secure: true, to: ['ann@example.org'] }])
  })

  test.each<[string, SMTPServerOptions, string, RegExp]>([
    ['a self-signed certificate', { ...selfSignedCertificate(), secure: true }, 'smtps://localhost', /self-signed/],
    ['a certificate of another name', { key: elsewheres.key, cert: elsewheres.cert, secure: true }, 'smtps://localhost', /does not match/],
    ['TLS 1.1', { key: trusted.key, cert: trusted.cert, secure: true, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }, 'smtps://localhost', /version|alert|handshake|ETLS|ESOCKET/i],
  ])('with %s is refused: the mail waits, and the server has seen nothing', async (_what, options, url, reason) => {
    await using server = await mailServer(options)
    await using node = await startNode(`${url}:${server.port}`)
    await queue(node)
    await tried()
    expect(await errorOf()).toMatch(reason)
    expect(server.taken).toEqual([])
  })

  // by this name loopback looks like any other machine to the settings
  const elsewhere = '[::ffff:127.0.0.1]'

  test('is demanded outside loopback: without STARTTLS nothing is handed over, the sign-in neither', async () => {
    const signIns: unknown[] = []
    await using server = await mailServer({ allowInsecureAuth: true, onAuth: (auth, _session, done) => (signIns.push(auth), done(null, { user: 'films' })) })
    await using node = await startNode(`smtp://films:secret@${elsewhere}:${server.port}`)
    await queue(node)
    await tried()
    expect(await errorOf()).toMatch(/STARTTLS/)
    expect([server.taken, signIns]).toEqual([[], []])
  })

  test('is begun by STARTTLS outside loopback, with the certificate verified', async () => {
    await using server = await mailServer(withTls)
    await using node = await startNode(`smtp://${elsewhere}:${server.port}`)
    await queue(node)
    await gone()
    expect(server.taken).toMatchObject([{ secure: true }])
  })

  test('by STARTTLS with a self-signed certificate is refused', async () => {
    await using server = await mailServer({ ...selfSignedCertificate(), disabledCommands: [] })
    await using node = await startNode(`smtp://${elsewhere}:${server.port}`)
    await queue(node)
    await tried()
    expect(await errorOf()).toMatch(/self-signed/)
    expect(server.taken).toEqual([])
  })
})

describe('a mail server that is away', () => {
  test('gets every mail once it is back, each once', async () => {
    const free = createServer().listen(0, '127.0.0.1')
    await once(free, 'listening')
    const { port } = free.address() as { port: number }
    await new Promise((resolve) => free.close(resolve))

    await using node = await startNode(`smtp://127.0.0.1:${port}`)
    await queue(node)
    await queue(node, { ...letter, to: 'bob@example.org' })
    const failed = { attempts: 1, last_error: expect.stringMatching(/ECONNREFUSED/) }
    await expect.poll(waiting, { timeout: 15_000 }).toEqual([failed, failed])
    await comeDue()
    await expect.poll(async () => (await waiting()).map(({ attempts }) => attempts), { timeout: 15_000 }).toEqual([2, 2])

    await using server = await mailServer({}, port)
    await comeDue()
    await gone()
    expect(server.taken.flatMap(({ to }) => to).sort()).toEqual(['ann@example.org', 'bob@example.org'])
    expect(server.taken.every(({ mail }) => mail.text?.trim() === letter.text.trim())).toBe(true)
  })

  test('is asked again after a temporary refusal', async () => {
    let greylisted = 0
    const onRcptTo: SMTPServerOptions['onRcptTo'] = (_address, _session, done) => ((greylisted += 1) === 1 ? done(Object.assign(new Error('come back later, ann@example.org'), { responseCode: 451 })) : done())
    await using server = await mailServer({ onRcptTo })
    await using node = await startNode(`smtp://127.0.0.1:${server.port}`)
    await queue(node)
    await tried()
    // what the server said may hold the address, so it stands nowhere
    expect(await errorOf()).toMatch(/RCPT TO: 451/)
    expect(await errorOf()).not.toContain('ann')
    await comeDue()
    await gone()
    expect(server.taken).toHaveLength(1)
  })
})

describe('a refusal for good', () => {
  test.each<[string, SMTPServerOptions]>([
    ['of the recipient', { onRcptTo: (_address, _session, done) => done(Object.assign(new Error('no such user: ann@example.org'), { responseCode: 550 })) }],
    ['of the message', { onData: (stream, _session, done) => void stream.resume().on('end', () => done(Object.assign(new Error('ann@example.org wants no such mail'), { responseCode: 550 }))) }],
  ])('%s is not tried again, and leaves a trace that names nobody', async (_what, options) => {
    await admin`truncate audit_log`
    await using server = await mailServer(options)
    await using node = await startNode(`smtp://127.0.0.1:${server.port}`)
    await queue(node)
    await gone()
    const rows = await admin`select actor_kind, action, details from audit_log`
    expect([...rows]).toEqual([{ actor_kind: 'system', action: 'mail.refuse', details: { mail: expect.any(String), response: 550 } }])
    expect(node.logLines).toContainEqual(expect.objectContaining({ severity: 'warn', response: 550 }))
    expect(JSON.stringify([rows, node.logLines])).not.toContain('ann@')
  })

  test('of the sender is tried again: that is a fault of the settings', async () => {
    await using server = await mailServer({ onMailFrom: (_address, _session, done) => done(Object.assign(new Error('who are you?'), { responseCode: 550 })) })
    await using node = await startNode(`smtp://127.0.0.1:${server.port}`)
    await queue(node)
    await tried()
    expect(await errorOf()).toMatch(/MAIL FROM: 550/)
  })
})
