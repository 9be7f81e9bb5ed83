import { randomBytes, randomUUID } from 'node:crypto'
import { SignJWT, jwtVerify } from 'jose'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect } from '../../db/client.ts'
import { createTestDatabase, type TestDatabase } from '../test/database.ts'
import { loadKeys } from './keys.ts'
import { createLog } from './log.ts'
import type { Revocation } from './revocations.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database[Symbol.asyncDispose]())

const secret = randomBytes(32)
const silent = createLog('silent', { write: () => undefined })
const kinds = ['playback_ticket', 'cursor', 'csrf'] as const

/** A node of the deployment, with its own pool. */
async function withNode<T>(work: (deps: Parameters<typeof loadKeys>[0]) => Promise<T>, { operatorSecret = secret, now = () => new Date() } = {}): Promise<T> {
  const { db, close } = connect(database.urls.app, { max: 3 })
  try {
    return await work({ db, log: silent, now, newId: randomUUID, randomBytes, revocations: { live: () => true, subscribe: () => () => true }, operatorSecrets: () => Promise.resolve([operatorSecret]) })
  } finally {
    await close()
  }
}

const rows = async () => {
  const sql = postgres(database.urls.superuser, { max: 1 })
  try {
    return [...(await sql<{ id: string; kind: string; sealed: Buffer; retired_at: Date | null }[]>`select id, kind, sealed, retired_at from keys order by created_at, id`)]
  } finally {
    await sql.end()
  }
}
const change = async (statement: string) => {
  const sql = postgres(database.urls.superuser, { max: 1 })
  await sql.unsafe(statement).finally(() => sql.end())
}

test('nodes that start at the same time end up with the same keys, one of each kind', async () => {
  const rings = await Promise.all(Array.from({ length: 4 }, () => withNode((deps) => loadKeys(deps))))
  const shown = rings.map((keys) => ({ signing: keys.signing().id, macs: kinds.map((kind) => [keys.mac(kind).id, Buffer.from(keys.mac(kind).secret).toString('hex')]) }))
  for (const one of shown) expect(one).toEqual(shown[0])
  expect((await rows()).map(({ kind }) => kind).sort()).toEqual(['access_token', 'column', 'csrf', 'cursor', 'lookup', 'playback_ticket'])
})

test('every kind has a key of its own', async () => {
  const secrets = await withNode(async (deps) => {
    const keys = await loadKeys(deps)
    return kinds.map((kind) => Buffer.from(keys.mac(kind).secret).toString('hex'))
  })
  expect(new Set(secrets).size).toBe(kinds.length)
  for (const one of secrets) expect(one).toHaveLength(64)
})

test('at rest no key can be read: neither the private key nor a MAC secret', async () => {
  const [keys, stored] = await Promise.all([withNode((deps) => loadKeys(deps)), rows()])
  for (const { sealed } of stored) {
    expect(sealed.includes('"d"')).toBe(false)
    for (const kind of kinds) expect(sealed.includes(Buffer.from(keys.mac(kind).secret))).toBe(false)
  }
})

test('another operator secret opens nothing, and changes nothing', async () => {
  const before = await rows()
  await expect(withNode((deps) => loadKeys(deps), { operatorSecret: randomBytes(32) })).rejects.toThrow()
  expect(await rows()).toEqual(before)
})

test('a sealed key moved to another row does not open', async () => {
  const stored = await rows()
  const [one, other] = stored.filter(({ kind }) => kind === 'cursor' || kind === 'csrf')
  await change(`update keys set sealed = '\\x${other?.sealed.toString('hex')}' where id = '${one?.id}'`)
  await expect(withNode((deps) => loadKeys(deps))).rejects.toThrow()
  await change(`update keys set sealed = '\\x${one?.sealed.toString('hex')}' where id = '${one?.id}'`)
  await withNode((deps) => loadKeys(deps))
})

test('public keys are public: no private part, ES256, named', async () => {
  const keys = await withNode((deps) => loadKeys(deps))
  const published = keys.publicKeys()
  expect(published).toHaveLength(1)
  expect(published[0]).toEqual({ kty: 'EC', crv: 'P-256', x: expect.any(String), y: expect.any(String), kid: keys.signing().id, alg: 'ES256', use: 'sig' })
})

test('after a rotation by another node the new key signs, the old one still verifies, and a dropped one no longer does', async () => {
  let now = new Date()
  await withNode(
    async (deps) => {
      const here = await loadKeys(deps)
      const old = here.signing()
      const token = await new SignJWT({}).setProtectedHeader({ alg: 'ES256', kid: old.id }).sign(old.privateKey)

      await change(`update keys set retired_at = now() - interval '1 second' where kind = 'access_token'`)
      const rotated = await withNode((other) => loadKeys(other))
      expect(rotated.signing().id).not.toBe(old.id)
      await jwtVerify(token, (await rotated.verifying(old.id))?.publicKey ?? expect.unreachable(), { algorithms: ['ES256'] })
      expect(rotated.publicKeys().map(({ kid }) => kid)).toEqual(expect.arrayContaining([old.id, rotated.signing().id]))

      // this node has not heard yet; a token of the new key makes it look
      now = new Date(now.getTime() + 5_000)
      expect(await here.verifying(rotated.signing().id)).not.toBeNull()
      expect(here.signing().id).toBe(rotated.signing().id)

      await change(`delete from keys where id = '${old.id}'`)
      expect(await withNode(async (other) => (await loadKeys(other)).verifying(old.id))).toBeNull()
    },
    { now: () => now },
  )
})

test('a retired key never signs, not even where it is the newest', async () => {
  const before = await withNode((deps) => loadKeys(deps))
  await change(`update keys set retired_at = now() - interval '1 second' where id = '${before.signing().id}'`)
  await change(`update keys set created_at = now() + interval '1 hour' where id = '${before.signing().id}'`)
  const after = await withNode((deps) => loadKeys(deps))
  expect(after.signing().id).not.toBe(before.signing().id)
})

test('ids that nobody has made do not make the node ask the database each time', async () => {
  let asked = 0
  await withNode(async (deps) => {
    const keys = await loadKeys({ ...deps, now: () => new Date('2026-01-01') })
    const counting = new Proxy(deps.db, { get: (target, property, receiver) => (property === 'select' && (asked += 1), Reflect.get(target, property, receiver) as unknown) })
    const watched = await loadKeys({ ...deps, db: counting, now: () => new Date('2026-01-01') })
    asked = 0
    for (let i = 0; i < 50; i += 1) expect(await watched.verifying(randomUUID())).toBeNull()
    expect(keys.signing().id).toBe(watched.signing().id)
  })
  expect(asked).toBe(0)
})

test('a node that could not read of a drop verifies nothing until it can', async () => {
  await withNode(async (deps) => {
    let tell = (): unknown => expect.unreachable('it listens')
    let cut = false
    const db = new Proxy(deps.db, {
      get(target, property, receiver) {
        if (cut && property === 'select') throw new Error('the database is away')
        return Reflect.get(target, property, receiver) as unknown
      },
    })
    const revocations = { live: () => true, subscribe: (listener: (told: Revocation) => void) => ((tell = () => listener({ kind: 'keys', id: 'any' })), () => true) }
    await using keys = await loadKeys({ ...deps, db, revocations })
    const { id } = keys.signing()
    const unchanged = (await rows()).find((row) => row.id === id)?.sealed.toString('hex')
    cut = true
    await change(`update keys set sealed = '' where id = '${id}'`)
    tell()
    // also the first, which comes while the read is still on its way
    for (let i = 0; i < 3; i += 1) await expect(keys.verifying(id)).rejects.toThrow('away')
    cut = false
    expect(await keys.verifying(id)).toBeNull()
    await change(`update keys set sealed = '\\x${unchanged}' where id = '${id}'`)
  })
})
