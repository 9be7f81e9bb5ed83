import { afterAll, beforeAll, expect, it, test } from 'vitest'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { createApiKey, findApiKey, listApiKeys, revokeApiKey, rotateApiKey } from './api-keys.ts'

let app: TestApp
let clock = Date.parse('2026-03-01T12:00:00Z')
beforeAll(async () => {
  app = await startTestApp({ overrides: { now: () => new Date(clock) } })
})
afterAll(() => app[Symbol.asyncDispose]())

const hour = 3_600_000
const make = (more: { trusted?: boolean; lifeMs?: number } = {}) =>
  createApiKey(app.as.operator(), { name: 'worker', scopes: ['ingest:write'], trusted: more.trusted ?? false, expiresAt: new Date(clock + (more.lifeMs ?? hour)) })
const rowOf = async (id: string) => (await app.deps.sql`select * from api_keys where id = ${id}`)[0]

it('makes a key that stands for what it was made for', async () => {
  const { id, key } = await make({ trusted: true })
  expect(key).toMatch(/^tsk_[\w-]{43}$/)
  expect(await findApiKey(app.deps, key)).toEqual({ kind: 'api_key', keyId: id, scopes: ['ingest:write'], trusted: true, sources: null, requestsPerMinute: null })
  expect(await app.deps.sql`select action, actor_kind, target_id from audit_log where action = 'api_key.create' and target_id = ${id}`).toEqual([{ action: 'api_key.create', actor_kind: 'operator', target_id: id }])
})

it('keeps no key, only its hash (control A15)', async () => {
  const { id, key } = await make()
  const row = await rowOf(id)
  expect(row?.['key_hash']).toHaveLength(32)
  const everything = JSON.stringify([row, await app.deps.sql`select * from audit_log`, app.logLines])
  expect(everything).not.toContain(key)
  expect(everything).not.toContain(key.slice(4))
})

test.each<[string, { scopes?: []; expiresAt?: Date }, string]>([
  ['no scope', { scopes: [] }, 'scopes'],
  ['an end in the past', { expiresAt: new Date(0) }, 'expiresAt'],
  ['no date', { expiresAt: new Date(NaN) }, 'expiresAt'],
])('makes none with %s', async (_what, wrong, path) => {
  const count = async () => (await app.deps.sql`select count(*) from api_keys`)[0]
  const before = await count()
  const wanted = createApiKey(app.as.operator(), { name: 'worker', scopes: ['ingest:write'], trusted: false, expiresAt: new Date(clock + hour), ...wrong })
  await expect(wanted).rejects.toMatchObject({ status: 422, errors: [{ path }] })
  expect(await count()).toEqual(before)
})

it('finds no key that has expired or was revoked', async () => {
  const { id, key } = await make({ lifeMs: 10_000 })
  clock += 9_999
  expect(await findApiKey(app.deps, key)).not.toBeNull()
  clock += 1
  expect(await findApiKey(app.deps, key)).toBeNull()
  clock -= 1
  await app.deps.sql`update api_keys set revoked_at = now() where id = ${id}`
  expect(await findApiKey(app.deps, key)).toBeNull()
})

const auditOfRevoking = (id: string) => app.deps.sql`select actor_kind, target_kind, details from audit_log where action = 'api_key.revoke' and target_id = ${id}`

it('revokes a key once, also when asked by ten at the same time, and leaves the others', async () => {
  const { id, key } = await make()
  const other = await make()
  const answers = await Promise.all(Array.from({ length: 10 }, () => revokeApiKey(app.as.operator(), id)))
  expect(answers.filter(({ changed }) => changed)).toHaveLength(1)
  expect(await findApiKey(app.deps, key)).toBeNull()
  expect(await findApiKey(app.deps, other.key)).not.toBeNull()
  expect(await auditOfRevoking(id)).toEqual([{ actor_kind: 'operator', target_kind: 'api_key', details: {} }])
  // the day it ended stays the first
  const since = new Date(clock)
  clock += hour / 2
  expect(await revokeApiKey(app.as.operator(), id)).toEqual({ name: 'worker', revokedAt: since, changed: false })
  expect(Date.parse(String((await rowOf(id))?.['revoked_at']))).toBe(since.getTime())
  expect(await auditOfRevoking(id)).toHaveLength(1)
})

it('revokes none that does not exist', async () => {
  const absent = '00000000-0000-4000-8000-000000000000'
  await expect(revokeApiKey(app.as.operator(), absent)).rejects.toMatchObject({ status: 404 })
  expect(await auditOfRevoking(absent)).toEqual([])
})

it('lists keys with what became of them, the oldest first, and never with their hashes', async () => {
  clock += 1
  const made = new Date(clock)
  const { id, key } = await make({ trusted: true })
  clock += 1_000
  await findApiKey(app.deps, key)
  await revokeApiKey(app.as.operator(), id)
  const used = new Date(clock)
  const listed = await listApiKeys(app.deps)
  expect(listed.at(-1)).toEqual({ id, name: 'worker', scopes: ['ingest:write'], trusted: true, createdAt: made, expiresAt: new Date(made.getTime() + hour), lastUsedAt: used, revokedAt: used })
  expect(listed.map(({ createdAt }) => createdAt.getTime())).toEqual(listed.map(({ createdAt }) => createdAt.getTime()).sort((a, b) => a - b))
})

it('finds none for anything but the whole key', async () => {
  const { key } = await make()
  for (const presented of ['', 'tsk_', key.slice(0, -1), `${key}a`, key.toUpperCase(), key.slice(4), ` ${key}`, `${key}\n`, "tsk_' or ''='", 'tsk_' + '\u0000'.repeat(43)]) {
    expect([presented, await findApiKey(app.deps, presented)]).toEqual([presented, null])
  }
})

const rotate = (apiKeyId: string, overlapHours: number) => rotateApiKey(app.as.operator(), { apiKeyId, overlapHours })

it('rotates: the new one is good at once, the old one for the overlap, and both are the same key', async () => {
  const { id, key } = await make({ lifeMs: 100 * hour, trusted: true })
  const { key: next, previousExpiresAt } = await rotate(id, 2)
  expect(previousExpiresAt).toBe(new Date(clock + 2 * hour).toISOString())
  const same = { kind: 'api_key', keyId: id, scopes: ['ingest:write'], trusted: true, sources: null, requestsPerMinute: null }
  expect([await findApiKey(app.deps, key), await findApiKey(app.deps, next)]).toEqual([same, same])
  clock += 2 * hour
  expect([await findApiKey(app.deps, key), await findApiKey(app.deps, next)]).toEqual([null, same])
  await revokeApiKey(app.as.operator(), id)
  expect(await findApiKey(app.deps, next)).toBeNull()
  expect(await app.deps.sql`select details from audit_log where action = 'api_key.rotate' and target_id = ${id}`).toEqual([{ details: { overlapHours: 2 } }])
  expect(JSON.stringify(await app.deps.sql`select * from audit_log`)).not.toContain(next)
})

it('rotated again, it forgets the one before the last; without an overlap the last, too; and none outlives the key', async () => {
  const { id, key: first } = await make()
  const { key: second, previousExpiresAt } = await rotate(id, 100)
  expect(previousExpiresAt).toBe(new Date(clock + hour).toISOString())
  const { key: third } = await rotate(id, 100)
  const live = async (...keys: string[]) => Promise.all(keys.map(async (key) => (await findApiKey(app.deps, key)) !== null))
  expect(await live(first, second, third)).toEqual([false, true, true])
  const { key: fourth } = await rotate(id, 0)
  expect(await live(second, third, fourth)).toEqual([false, false, true])
  clock += hour
  expect(await live(fourth)).toEqual([false])
  await expect(rotate(id, 1)).rejects.toMatchObject({ status: 404 })
})

it('of ten rotations at the same time those that win follow each other, and the last secret is good', async () => {
  const { id } = await make({ lifeMs: 100 * hour })
  const done = await Promise.allSettled(Array.from({ length: 10 }, () => rotate(id, 1)))
  const won = done.flatMap((one) => (one.status === 'fulfilled' ? [one.value.key] : []))
  for (const one of done) if (one.status === 'rejected') expect(one.reason).toMatchObject({ status: 409 })
  expect(won.length).toBeGreaterThan(0)
  const good = await Promise.all(won.map(async (key) => (await findApiKey(app.deps, key)) !== null))
  expect(good.filter(Boolean).length).toBe(Math.min(2, won.length))
  expect(await app.deps.sql`select from audit_log where action = 'api_key.rotate' and target_id = ${id}`).toHaveLength(won.length)
})

it('notes the use, once a minute at most', async () => {
  const { id, key } = await make()
  const lastUsed = async () => Date.parse(String((await rowOf(id))?.['last_used_at']))
  const first = clock
  await findApiKey(app.deps, key)
  expect(await lastUsed()).toBe(first)
  clock = first + 59_000
  await findApiKey(app.deps, key)
  expect(await lastUsed()).toBe(first)
  clock = first + 61_000
  await findApiKey(app.deps, key)
  expect(await lastUsed()).toBe(first + 61_000)
  // a refused use is none
  await app.deps.sql`update api_keys set revoked_at = now() where id = ${id}`
  clock = first + 600_000
  await findApiKey(app.deps, key)
  expect(await lastUsed()).toBe(first + 61_000)
})
