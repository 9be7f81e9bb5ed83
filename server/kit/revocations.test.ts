import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { connect } from '../../db/client.ts'
import { cuttable, type Cuttable } from '../test/cuttable.ts'
import { createTestDatabase, type TestDatabase } from '../test/database.ts'
import { createLog } from './log.ts'
import { announce, hearOwnCommits, listenForRevocations, type Revocation, type Revocations } from './revocations.ts'

let database: TestDatabase
let admin: postgres.Sql
const open: AsyncDisposable[] = []
beforeAll(async () => {
  database = await createTestDatabase()
  admin = postgres(database.urls.superuser, { max: 2 })
})
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]()
})
afterAll(async () => {
  await admin.end()
  await database[Symbol.asyncDispose]()
})

const silent = createLog('silent', { write: () => undefined })
type Node = { revocations: Revocations; db: ReturnType<typeof connect>['db']; sql: ReturnType<typeof connect>['sql'] }

async function startNode(url = database.urls.app): Promise<Node> {
  const { db, sql, close } = connect(url, { max: 3, applicationName: 'revocations-test' })
  open.push({ [Symbol.asyncDispose]: close })
  const revocations = await listenForRevocations({ db, sql, now: () => new Date(), newId: randomUUID, log: silent })
  open.push(revocations)
  await expect.poll(() => revocations.live()).toBe(true)
  return { revocations, db, sql }
}

async function newSession(): Promise<string> {
  const [userId, publicId] = [randomUUID(), randomUUID()]
  await admin`insert into users (id, pseudonym, email_lookup, email_sealed, role, password_hash, created_at)
    values (${userId}, ${randomUUID()}, ${Buffer.from(userId)}, ${Buffer.from('sealed')}, 'user', 'x', now())`
  await admin`insert into sessions (id, public_id, user_id, kind, created_at, expires_at, absolute_expires_at, authenticated_at, methods, last_seen_at)
    values (${publicId}, ${publicId}, ${userId}, 'app', now(), now() + interval '1 day', now() + interval '1 day', now(), '{password}', now())`
  return publicId
}
/** As a node does it: the row and its announcement in one transaction. */
const end = ({ db }: Pick<Node, 'db'>, id: string) =>
  db.transaction(async (tx) => {
    await tx.execute(`update sessions set ended_at = now() where public_id = '${id}'`)
    await announce(tx, { kind: 'session', id })
  })
/** Cuts the connections that listen, as an operator or a failing network would. */
const dropListeners = async () =>
  (await admin`select pg_terminate_backend(pid) as ended from pg_stat_activity where application_name = 'revocations-test' and query ilike 'listen%'`).length

test('a session that one node ends is ended on the other, without a question to the database', async () => {
  const [here, there] = [await startNode(), await startNode()]
  const id = await newSession()
  expect(await here.revocations.sessionEnded(id)).toBe(false)
  await end(there, id)
  await expect.poll(() => here.revocations.sessionEnded(id), { timeout: 10_000, interval: 20 }).toBe(true)
  // from memory: the row says otherwise now
  await admin`update sessions set ended_at = null where public_id = ${id}`
  expect(await here.revocations.sessionEnded(id)).toBe(true)
})

test('an end that is rolled back ends nothing', async () => {
  const node = await startNode()
  const [id, other] = [await newSession(), await newSession()]
  await expect(
    node.db.transaction(async (tx) => {
      await announce(tx, { kind: 'session', id })
      throw new Error('rolled back')
    }),
  ).rejects.toThrow('rolled back')
  // notifications arrive in order, so when this one is here the other would be, too
  await end(node, other)
  await expect.poll(() => node.revocations.sessionEnded(other)).toBe(true)
  expect(await node.revocations.sessionEnded(id)).toBe(false)
})

test('listeners are told of sessions, titles and links, until they unsubscribe', async () => {
  const node = await startNode()
  const heard: Revocation[] = []
  const unsubscribe = node.revocations.subscribe((revocation) => heard.push(revocation))
  const torrent = { kind: 'torrent', id: randomUUID() } as const
  await node.db.transaction((tx) => announce(tx, torrent))
  await expect.poll(() => heard).toEqual([torrent])
  unsubscribe()
  const last = { kind: 'session', id: randomUUID() } as const
  await node.db.transaction((tx) => announce(tx, last))
  await expect.poll(() => node.revocations.sessionEnded(last.id)).toBe(true)
  expect(heard).toEqual([torrent])
})

test.each(['not json', '{"kind":"planet","id":"x"}', '{}', 'null', ''])('a notification that makes no sense (%j) is passed over', async (payload) => {
  const node = await startNode()
  await node.sql.notify('revocations', payload)
  const id = await newSession()
  await end(node, id)
  await expect.poll(() => node.revocations.sessionEnded(id)).toBe(true)
})

test('with its connection ended by force, a node learns within a second what ended meanwhile', async () => {
  const [here, there] = [await startNode(), await startNode()]
  const before = await newSession()
  expect(await here.revocations.sessionEnded(before)).toBe(false)
  expect(await dropListeners()).toBeGreaterThanOrEqual(2)
  await end(there, before)
  await expect.poll(() => here.revocations.sessionEnded(before), { timeout: 10_000, interval: 20 }).toBe(true)
  // and it hears again
  await expect.poll(() => here.revocations.live(), { timeout: 5_000 }).toBe(true)
  const after = await newSession()
  await end(there, after)
  await expect.poll(() => here.revocations.sessionEnded(after), { timeout: 10_000, interval: 20 }).toBe(true)
})

test('without the channel memory is not trusted: the database is asked, and when it cannot say either, nobody gets in', async () => {
  const relay: Cuttable = await cuttable(database.urls.app)
  const there = await startNode()
  const here = await startNode(relay.url)
  open.push(relay)
  const [ended, going] = [await newSession(), await newSession()]
  expect(await here.revocations.sessionEnded(ended)).toBe(false)

  relay.cut()
  await end(there, ended)
  await expect.poll(() => here.revocations.live(), { timeout: 10_000, interval: 20 }).toBe(false)
  await expect(here.revocations.sessionEnded(ended)).rejects.toThrow()

  relay.restore()
  // asked of the database at first, from memory once the channel is back: the same answer all the time
  await expect.poll(() => here.revocations.sessionEnded(ended).catch(() => 'unknown'), { timeout: 10_000, interval: 20 }).toBe(true)
  expect(await here.revocations.sessionEnded(going)).toBe(false)
  await expect.poll(() => here.revocations.live(), { timeout: 10_000 }).toBe(true)
  expect(await here.revocations.sessionEnded(ended)).toBe(true)
  expect(await here.revocations.sessionEnded(going)).toBe(false)
})

test('a node that starts later knows what has ended', async () => {
  const first = await startNode()
  const id = await newSession()
  await end(first, id)
  const second = await startNode()
  await admin`update sessions set ended_at = null where public_id = ${id}`
  expect(await second.revocations.sessionEnded(id)).toBe(true)
})

test('where the database is asked, an unknown session counts as ended', async () => {
  const node = await startNode()
  const going = await newSession()
  await dropListeners()
  await expect.poll(() => node.revocations.live(), { interval: 1 }).toBe(false)
  expect(await node.revocations.sessionEnded(randomUUID())).toBe(true)
  expect(await node.revocations.sessionEnded(going)).toBe(false)
})

test('a lost connection is distrusted at once, long before silence would tell', async () => {
  const node = await startNode()
  expect(await dropListeners()).toBeGreaterThanOrEqual(1)
  const droppedAt = performance.now()
  await expect.poll(() => node.revocations.live(), { interval: 1 }).toBe(false)
  expect(performance.now() - droppedAt).toBeLessThan(300)
})

test('the node that ends a session knows it when its transaction has committed, and not when it was rolled back', async () => {
  const { db, revocations } = await startNode()
  hearOwnCommits(db, revocations)
  const [id, kept] = [await newSession(), await newSession()]
  await end({ db }, id)
  // no await between the commit and the question but its own
  expect(await revocations.sessionEnded(id)).toBe(true)
  const rolledBack = db.transaction(async (tx) => {
    await announce(tx, { kind: 'session', id: kept })
    throw new Error('rolled back')
  })
  await expect(rolledBack).rejects.toThrow('rolled back')
  expect(await revocations.sessionEnded(kept)).toBe(false)
})
