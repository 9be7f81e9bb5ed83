import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Person } from '../test/actors.ts'
import { startTestApp, type TestApp } from '../test/app.ts'
import { ask } from '../test/raw-http.ts'

let app: TestApp
let moderator: Person
let apiKey: string
beforeAll(async () => {
  app = await startTestApp({ settings: { RATE_LIMIT_FACTOR: '100' } })
  moderator = await app.as.moderator()
  apiKey = await app.as.apiKey()
})
afterAll(() => app[Symbol.asyncDispose]())

const json = { 'content-type': 'application/json' }
const post = (path: string, body: string, headers: Record<string, string> = json) => ask(app.baseUrl, `/api/v1${path}`, { method: 'POST', headers, body })
const get = (path: string) => ask(app.baseUrl, `/api/v1${path}`, { headers: { authorization: `Bearer ${moderator.token}` } })
const credentials = { email: 'ann@example.org', password: 'correct horse battery staple' }

describe('methods', () => {
  test.each<[string, string, string]>([
    ['DELETE', '/api/v1/server', 'GET, HEAD'],
    ['POST', '/api/v1/users/me', 'DELETE, GET, HEAD, PATCH'],
    ['GET', '/api/v1/auth/sign-in', 'POST'],
    ['PUT', `/api/v1/admin/torrents/${randomUUID()}/approve`, 'POST'],
    ['OPTIONS', '/api/v1/server', 'GET, HEAD'],
    ['PATCH', '/api/v1/ingest/batches', 'POST'],
    ['POST', `/api/v1/stream/${'A'.repeat(43)}/a.mp4`, 'GET, HEAD'],
    ['POST', '/healthz', 'GET, HEAD'],
    ['DELETE', '/trpc/server.info', 'GET, POST'],
    ['PUT', '/csp-reports', 'POST'],
  ])('%s %s is answered 405 with what is allowed', async (method, path, allow) => {
    const { status, headers, body } = await ask(app.baseUrl, path, { method })
    expect([status, body.code, headers.allow?.split(', ').filter((one) => one !== 'HEAD' || allow.includes('HEAD')).join(', ')]).toEqual([405, 'method_not_allowed', allow])
  })

  test('HEAD is answered wherever GET is: the same status and headers, no body', async () => {
    for (const route of app.declaredRoutes.filter(({ method, url }) => method === 'GET' && !url.startsWith('/trpc'))) {
      const path = route.url.replaceAll(/:\w*[iI]d\b/g, randomUUID()).replaceAll(/:\w+/g, 'x').replace('*', 'sign-in')
      const headers = { authorization: `Bearer ${moderator.token}`, 'x-api-key': apiKey }
      const [got, head] = [await ask(app.baseUrl, path, { headers }), await ask(app.baseUrl, path, { method: 'HEAD', headers })]
      expect([route.url, head.status, head.text, head.headers['content-type']]).toEqual([route.url, got.status, '', got.headers['content-type']])
    }
  })

  test('a method no one has heard of is refused', async () => {
    expect((await ask(app.baseUrl, '/api/v1/server', { method: 'PROPFIND' })).status).toBeGreaterThanOrEqual(404)
  })
})

describe('bodies', () => {
  const refuse = async (body: string, status: number, code: string, headers: Record<string, string> = json) => {
    const answer = await post('/auth/sign-in', body, headers)
    expect([answer.status, answer.body.code], body.slice(0, 60)).toEqual([status, code])
  }

  test.each(['{', '{"email":}', "{'email':'x'}", '{"email":"x"}}', 'email=x', '\u0000', '{"a":1}{"b":2}', '[', '"', 'nul', '\ufeff{', '{"a":"\u0001"}'])('400 malformed for %j', (body) => refuse(body, 400, 'malformed'))

  test.each(['[]', '"text"', '1', 'true', '[{"email":"x"}]'])('422 for JSON that is no object: %s', (body) => refuse(body, 422, 'validation_failed'))

  test('null and nothing are an object without fields', async () => {
    for (const body of ['null', '']) await refuse(body, 422, 'validation_failed')
  })

  test('200,000 levels of brackets cost nothing and are refused, over REST and tRPC alike', async () => {
    for (const deep of ['['.repeat(200_000), '{"a":'.repeat(40_000), `${'['.repeat(100_000)}${']'.repeat(100_000)}`, `{"email":${'[['.repeat(40)}${']]'.repeat(40)}}`]) {
      const started = performance.now()
      await refuse(deep, 400, 'malformed')
      expect(await ask(app.baseUrl, '/trpc/auth.signIn', { method: 'POST', headers: json, body: deep })).toMatchObject({ status: 400 })
      expect(performance.now() - started).toBeLessThan(10_000)
    }
    await refuse(JSON.stringify({ ...credentials, device: { name: '[[[['.repeat(15), platform: 'web' } }), 401, 'invalid_credentials')
  })

  test('keys that reach for prototypes are refused and change none', async () => {
    for (const body of ['{"__proto__":{"polluted":1},"email":"a@b.cd","password":"x"}', '{"constructor":{"prototype":{"polluted":1}}}', '{"device":{"__proto__":{"polluted":1}}}', '{"__pro\\u0074o__":1}']) await refuse(body, 400, 'malformed')
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  test('413 past the limit, whether or not the length is said', async () => {
    const large = JSON.stringify({ ...credentials, email: 'x'.repeat(256 * 1024) })
    await refuse(large, 413, 'too_large')
    await refuse(large, 413, 'too_large', { ...json, 'transfer-encoding': 'chunked' })
    await refuse(JSON.stringify({ ...credentials, email: 'x'.repeat(255 * 1024) }), 422, 'validation_failed')
  })

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/xml', 'application/jsonp', 'image/png'])('415 for %s', (type) => refuse('{}', 415, 'unsupported_media_type', { 'content-type': type }))

  test('a body without a type is refused too', async () => {
    const { status, body } = await ask(app.baseUrl, '/api/v1/auth/sign-in', { method: 'POST', headers: { 'content-length': '2' }, body: '{}' })
    expect([status, body.code]).toEqual([415, 'unsupported_media_type'])
  })

  test('application/json may say its charset', async () => {
    expect((await post('/auth/sign-in', JSON.stringify(credentials), { 'content-type': 'application/json; charset=utf-8' })).body.code).toBe('invalid_credentials')
  })
})

describe('fields', () => {
  test('an unknown one is told by name', async () => {
    expect(await post('/auth/sign-in', JSON.stringify({ ...credentials, remember: true, role: 'admin' }))).toMatchObject({
      status: 422,
      body: { code: 'unknown_field', errors: [{ path: 'remember', message: 'is not a known field' }, { path: 'role', message: 'is not a known field' }] },
    })
    expect(await post('/auth/sign-in', JSON.stringify({ ...credentials, device: { name: 'x', platform: 'web', os: 1 } }))).toMatchObject({ status: 422, body: { code: 'unknown_field', errors: [{ path: 'device.os' }] } })
  })

  test.each<[string, unknown, string]>([
    ['a number for text', { ...credentials, email: 5 }, 'email'],
    ['text for an object', { ...credentials, device: 'phone' }, 'device'],
    ['null for text', { ...credentials, password: null }, 'password'],
    ['a list for text', { ...credentials, password: ['x'] }, 'password'],
    ['an unknown kind', { ...credentials, device: { name: 'x', platform: 'toaster' } }, 'device.platform'],
    ['nothing at all', {}, 'email'],
    ['text too long', { ...credentials, password: 'x'.repeat(129) }, 'password'],
    ['control characters', { ...credentials, device: { name: 'a\u0000b', platform: 'web' } }, 'device.name'],
  ])('%s: 422 that names the field', async (_what, body, path) => {
    const answer = await post('/auth/sign-in', JSON.stringify(body))
    expect([answer.status, answer.body.code]).toEqual([422, 'validation_failed'])
    expect(answer.body.errors.map((error: { path: string }) => error.path)).toContain(path)
  })

  test('a field of the path cannot be given again in the body', async () => {
    const id = randomUUID()
    const answer = await app.call('POST', `/admin/users/${id}/ban`, { token: moderator.token, body: { reason: 'x', userId: randomUUID() } })
    expect([answer.status, answer.body.code, answer.body.errors]).toEqual([422, 'unknown_field', [{ path: 'userId', message: 'is not a known field' }]])
  })

  test('what stands where nothing is read is told', async () => {
    for (const [method, path, body] of [['POST', '/auth/sign-in?next=/', JSON.stringify(credentials)], ['GET', '/users/me?fields=all', undefined], ['GET', '/server?x', undefined], ['POST', `/auth/sign-out`, '{"all":true}'], ['GET', `/torrents/${randomUUID()}?torrentId=${randomUUID()}`, undefined]] as const) {
      const answer = await ask(app.baseUrl, `/api/v1${path}`, { method, headers: { authorization: `Bearer ${moderator.token}`, ...(body ? json : {}) }, ...(body ? { body } : {}) })
      expect([path, answer.status, answer.body.code]).toEqual([path, 422, 'unknown_field'])
    }
    // and the sign-out has not happened
    expect((await get('/users/me')).status).toBe(200)
  })
})

describe('the query and the path are read strictly', () => {
  test.each(['abc', '1e2', '0x10', '10.0', ' 10', '+10', '010', '', '-5', '101', '0', '9'.repeat(20), 'NaN', 'Infinity', '1_0', 'true', '１０'])('limit=%j is refused by name', async (limit) => {
    const { status, body } = await get(`/torrents/latest?limit=${encodeURIComponent(limit)}`)
    expect([status, body.code, body.errors?.[0].path]).toEqual([422, 'validation_failed', 'limit'])
  })

  test('a right one is taken', async () => {
    for (const limit of ['1', '20', '100']) expect((await get(`/torrents/latest?limit=${limit}`)).status).toBe(200)
  })

  test('a repeated key, or one with brackets, is not a list', async () => {
    expect(await get('/torrents/latest?limit=1&limit=2')).toMatchObject({ status: 422, body: { code: 'validation_failed', errors: [{ path: 'limit', message: 'must be given once' }] } })
    for (const query of ['limit[]=1', 'limit[$gt]=1', '__proto__[x]=1', 'constructor=1']) expect(await get(`/torrents/latest?${query}`), query).toMatchObject({ status: 422, body: { code: 'unknown_field' } })
  })

  test('unknown keys are told', async () => {
    expect(await get('/torrents/latest?page=2')).toMatchObject({ status: 422, body: { code: 'unknown_field', errors: [{ path: 'page', message: 'is not a known field' }] } })
  })

  test('an unknown value of an enumeration is told', async () => {
    for (const query of ['timeframe=year', 'timeframe=', 'timeframe=DAY']) expect(await get(`/torrents/latest?${query}`)).toMatchObject({ status: 422, body: { errors: [{ path: 'timeframe' }] } })
  })

  test.each(['x', '1', "' or 1=1 --", '../..', '%00', `${randomUUID()}x`, 'null'])('an id that is none (%s) is a 422 by name, never a 500', async (id) => {
    const { status, body } = await get(`/torrents/${encodeURIComponent(id)}`)
    expect([status, body.errors?.[0].path]).toEqual([422, 'torrentId'])
  })

  test('a number in the path is read like one in the query', async () => {
    for (const index of ['x', '1.0', '-1', '1e1', '0x1', '99999999999999999999']) {
      const { status, body } = await app.call('POST', `/torrents/${randomUUID()}/files/${index}/playback`, { token: moderator.token })
      expect([index, status, body.errors?.[0].path]).toEqual([index, 422, 'fileIndex'])
    }
  })

  test('an altered cursor is a 422 by name', async () => {
    expect(await get('/torrents/latest?cursor=AAAA')).toMatchObject({ status: 422, body: { errors: [{ path: 'cursor' }] } })
  })

  test('text with a NUL, lone surrogates or overlong UTF-8 never becomes a 500', async () => {
    for (const q of ['a%00b', '%ED%A0%80', '%C0%AF', '%F0%9F%98', '%', '%E0%80%AF', '\\', '"', "'", '%27%3B--', '%F0%9F%91%A9%E2%80%8D%F0%9F%91%A7']) expect((await get(`/torrents/search?q=${q}`)).status, q).toBeLessThan(500)
  })
})

describe('headers that are read', () => {
  test.each(['Basic YTpi', 'Bearer', 'Bearer ', 'Bearer a b', 'bearer  x', 'Token x', `Bearer ${'x'.repeat(5_000)}`, 'Bearer é'])('Authorization: %s is an invalid token', async (authorization) => {
    const { status, body, headers } = await ask(app.baseUrl, '/api/v1/users/me', { headers: { authorization: Buffer.from(authorization).toString('latin1') } })
    expect([status, body.code, headers['www-authenticate']]).toEqual([401, 'access_token_invalid', 'Bearer realm="torrent-streamer", error="invalid_token"'])
  })

  test('with nothing, the challenge asks for a token', async () => {
    expect(await ask(app.baseUrl, '/api/v1/users/me')).toMatchObject({ status: 401, body: { code: 'access_token_missing' }, headers: { 'www-authenticate': 'Bearer realm="torrent-streamer"' } })
  })

  test.each(['x'.repeat(201), 'é'])('an Idempotency-Key that cannot be kept whole (%j) is refused, not cut', async (key) => {
    const { status, body } = await ask(app.baseUrl, '/api/v1/ingest/batches', { method: 'POST', headers: { ...json, 'x-api-key': apiKey, 'idempotency-key': Buffer.from(key).toString('latin1') }, body: JSON.stringify({ source: 'x', items: [{ title: 'x' }] }) })
    expect([status, body.errors[0].path]).toEqual([422, 'Idempotency-Key'])
    expect(await app.deps.sql`select 1 from ingest_batches`).toHaveLength(0)
  })
})
