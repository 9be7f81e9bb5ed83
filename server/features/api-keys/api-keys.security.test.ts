import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../../test/app.ts'
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

it('no scope of a key opens what is for people', async () => {
  const key = await app.as.apiKey({ trusted: true })
  for (const path of ['/users/me', '/torrents/latest', '/admin/torrents']) expect((await app.call('GET', path, { apiKey: key })).status).toBe(401)
})
