import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { makeTorrent } from '../../test/torrents.ts'
import { createApiKey, revokeApiKey } from './api-keys.ts'

let app: TestApp
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app[Symbol.asyncDispose]())

it('a key that is revoked while it is used is refused at the next request', async () => {
  const { id, key } = await createApiKey(app.as.operator(), { name: 'worker', scopes: ['ingest:write'], trusted: false, expiresAt: new Date(Date.now() + 60_000) })
  const path = '/ingest/batches/00000000-0000-4000-8000-000000000000'
  expect((await app.call('GET', path, { apiKey: key })).status).toBe(404)
  await revokeApiKey(app.as.operator(), id)
  const answer = await app.call('GET', path, { apiKey: key })
  expect([answer.status, answer.body.code]).toEqual([401, 'api_key_invalid'])
})

it('a key counts in its header alone', async () => {
  const key = await app.as.apiKey()
  const path = '/ingest/batches/00000000-0000-4000-8000-000000000000'
  expect((await app.call('GET', path, { token: key })).status).toBe(401)
  expect((await app.call('GET', path, { headers: { authorization: `Basic ${Buffer.from(`key:${key}`).toString('base64')}` } })).status).toBe(401)
  expect((await app.call('GET', `${path}?apiKey=${key}`)).status).toBe(401)
  expect((await app.call('GET', path, { headers: { cookie: `X-API-Key=${key}` } })).status).toBe(401)
  expect(JSON.stringify(app.logLines)).not.toContain(key)
})

const batch = (source = 'archive') => ({ source, items: [{ title: 'A title', torrentFile: makeTorrent().base64 }] })
/** One made by an admin over the API. */
async function made(wanted: object) {
  const { status, body } = await app.call('POST', '/admin/api-keys', { token: (await app.as.admin()).token, body: { name: 'worker', scopes: ['ingest:write'], ...wanted } })
  expect(status).toBe(201)
  return body as { id: string; key: string; expiresAt: string }
}

it('an admin makes, sees, rotates and ends keys; nobody ever sees one again', async () => {
  const { token } = await app.as.admin()
  const { id, key } = await made({ days: 30, trusted: true, sources: ['archive'] })
  const shown = async () => {
    const answer = await app.call('GET', '/admin/api-keys?limit=100', { token })
    expect(JSON.stringify(answer.body)).not.toMatch(/tsk_|hash/i)
    return (answer.body.items as { id: string; state: string; rotatedAt: string | null; previousExpiresAt: string | null }[]).find((one) => one.id === id)
  }
  expect(await shown()).toMatchObject({ state: 'live', trusted: true, sources: ['archive'], requestsPerMinute: null, rotatedAt: null, lastUsedAt: null })
  const rotated = await app.call('POST', `/admin/api-keys/${id}/rotate`, { token, body: { overlapHours: 1 } })
  expect(rotated.status).toBe(200)
  for (const one of [key, rotated.body.key]) expect((await app.call('POST', '/ingest/batches', { apiKey: one, body: batch() })).status).toBe(202)
  expect(await shown()).toMatchObject({ state: 'live', previousExpiresAt: rotated.body.previousExpiresAt, lastUsedAt: expect.any(String) })
  for (let times = 0; times < 2; times += 1) expect((await app.call('DELETE', `/admin/api-keys/${id}`, { token })).status).toBe(204)
  for (const one of [key, rotated.body.key]) expect((await app.call('POST', '/ingest/batches', { apiKey: one, body: batch() })).status).toBe(401)
  expect(await shown()).toMatchObject({ state: 'revoked' })
  expect((await app.call('POST', `/admin/api-keys/${id}/rotate`, { token, body: {} })).status).toBe(404)
  const actions = await app.deps.sql`select action, actor_kind from audit_log where target_id = ${id} order by id`
  expect(actions.map(({ action, actor_kind }) => [action, actor_kind])).toEqual([['api_key.create', 'user'], ['api_key.rotate', 'user'], ['api_key.revoke', 'user']])
})

it('a key for some sources offers titles under no other name, and what it offered stays out', async () => {
  const { key } = await made({ sources: ['archive', 'museum'], trusted: true })
  const count = async () => (await app.deps.sql`select (select count(*) from torrents) as titles, (select count(*) from ingest_batches) as batches`)[0]
  const before = await count()
  const refused = await app.call('POST', '/ingest/batches', { apiKey: key, body: batch('elsewhere') })
  expect([refused.status, refused.body.code]).toEqual([403, 'source_denied'])
  expect(await count()).toEqual(before)
  expect((await app.call('POST', '/ingest/batches', { apiKey: key, body: batch('museum') })).status).toBe(202)
})

it('a key has the budget that it was given, and shares it with nobody', async () => {
  const [slow, other] = [await made({ requestsPerMinute: 3 }), await made({ requestsPerMinute: 3 })]
  const path = '/ingest/batches/00000000-0000-4000-8000-000000000000'
  const statuses: number[] = []
  for (let times = 0; times < 4; times += 1) statuses.push((await app.call('GET', path, { apiKey: slow.key })).status)
  expect(statuses).toEqual([404, 404, 404, 429])
  expect((await app.call('POST', '/ingest/batches', { apiKey: slow.key, body: batch() })).status).toBe(429)
  const answer = await app.call('GET', path, { apiKey: other.key })
  expect([answer.status, answer.headers.get('ratelimit-policy')]).toEqual([404, '3;w=60'])
})

it.each([
  ['no scope', { scopes: [] }],
  ['a scope that there is not', { scopes: ['admin:all'] }],
  ['no life', { days: 0 }],
  ['a life without end', { days: 100_000 }],
  ['no source at all', { sources: [] }],
  ['a budget of nothing', { requestsPerMinute: 0 }],
  ['a hash of its own', { keyHash: 'x' }],
])('no key is made with %s', async (_what, wrong) => {
  const count = async () => (await app.deps.sql`select count(*) from api_keys`)[0]
  const before = await count()
  expect((await app.call('POST', '/admin/api-keys', { token: (await app.as.admin()).token, body: { name: 'worker', scopes: ['ingest:write'], ...wrong } })).status).toBe(422)
  expect(await count()).toEqual(before)
})

it('no scope of a key opens what is for people', async () => {
  const key = await app.as.apiKey({ trusted: true })
  for (const path of ['/users/me', '/torrents/latest', '/admin/torrents']) expect((await app.call('GET', path, { apiKey: key })).status).toBe(401)
})
