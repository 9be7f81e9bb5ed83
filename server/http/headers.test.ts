import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../test/app.ts'
import { ask, talk, type RawAnswer } from '../test/raw-http.ts'

let app: TestApp
let moderator: { token: string }
beforeAll(async () => {
  app = await startTestApp()
  moderator = await app.as.moderator()
})
afterAll(() => app[Symbol.asyncDispose]())

const expected = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'x-xss-protection': '0',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}
function expectHeaders(headers: RawAnswer['headers']) {
  expect(headers).toMatchObject(expected)
  expect(headers['x-request-id']).toMatch(/^[\da-f-]{36}$/)
  expect(headers['permissions-policy']).toContain('camera=()')
  const policy = headers['content-security-policy'] ?? ''
  expect(policy).toContain("default-src 'none'")
  expect(policy).toContain("frame-ancestors 'none'")
  expect(policy).toContain("base-uri 'none'")
  expect(policy).not.toMatch(/unsafe-|\*|https?:/)
  for (const name of ['server', 'x-powered-by', 'strict-transport-security']) expect(headers[name], name).toBeUndefined()
}
const json = { 'content-type': 'application/json' }
const signedIn = () => ({ authorization: `Bearer ${moderator.token}` })

describe('every answer has the headers of control B6', () => {
  test.each<[string, number, () => Promise<RawAnswer>]>([
    ['an answer of the API', 200, () => ask(app.baseUrl, '/api/v1/server')],
    ['a personal answer', 200, () => ask(app.baseUrl, '/api/v1/users/me', { headers: signedIn() })],
    ['an empty answer', 204, () => ask(app.baseUrl, '/csp-reports', { method: 'POST', headers: { 'content-type': 'application/csp-report' }, body: '{"csp-report":{"violated-directive":"img-src"}}' })],
    ['a page', 200, () => ask(app.baseUrl, '/sign-in')],
    ['a redirect to sign in', 302, () => ask(app.baseUrl, '/')],
    ['a public document', 200, () => ask(app.baseUrl, '/api/v1/openapi.json')],
    ['health', 200, () => ask(app.baseUrl, '/healthz')],
    ['unreadiness', 503, () => ask(app.baseUrl, '/readyz')],
    ['a HEAD', 200, () => ask(app.baseUrl, '/api/v1/server', { method: 'HEAD' })],
    ['a bad body', 400, () => ask(app.baseUrl, '/api/v1/auth/sign-in', { method: 'POST', headers: json, body: '{' })],
    ['no credentials', 401, () => ask(app.baseUrl, '/api/v1/users/me')],
    ['a dead link', 403, () => ask(app.baseUrl, `/api/v1/stream/${'A'.repeat(43)}/film.mp4`)],
    ['nothing in the API', 404, () => ask(app.baseUrl, '/api/v1/nothing')],
    ['nothing in /trpc', 404, () => ask(app.baseUrl, '/trpc/nothing')],
    ['nothing in the console', 404, () => ask(app.baseUrl, '/no/such/page')],
    ['a wrong method', 405, () => ask(app.baseUrl, '/api/v1/server', { method: 'DELETE' })],
    ['too large a body', 413, () => ask(app.baseUrl, '/api/v1/auth/sign-in', { method: 'POST', headers: json, body: JSON.stringify({ email: 'x'.repeat(300_000) }) })],
    ['a wrong type of body', 415, () => ask(app.baseUrl, '/api/v1/auth/sign-in', { method: 'POST', headers: { 'content-type': 'text/xml' }, body: '<a/>' })],
    ['a wrong host', 421, () => ask(app.baseUrl, '/api/v1/server', { headers: { host: 'evil.example' } })],
    ['a field that is wrong', 422, () => ask(app.baseUrl, '/api/v1/auth/sign-in', { method: 'POST', headers: json, body: '{}' })],
    ['a path that cannot be decoded', 400, () => ask(app.baseUrl, '/api/v1/torrents/%zz')],
    ['a path that is too long', 404, () => ask(app.baseUrl, `/api/v1/torrents/${'a'.repeat(400)}`)],
  ])('%s (%i)', async (_what, status, answer) => {
    const { status: got, headers, text } = await answer()
    expect(got, text).toBe(status)
    expectHeaders(headers)
    if (status >= 400 && headers['content-type']?.startsWith('application/problem+json')) expect(headers['cache-control']).toBe('no-store')
  })

  test.each([
    ['a request line that is none', 'HELLO\r\n\r\n', 400],
    ['headers that are too large', `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
    ['two different lengths', 'POST /api/v1/auth/sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
    ['a length and chunks (request smuggling)', 'POST /api/v1/auth/sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
  ])('%s', async (_what, bytes, status) => {
    const [head = '', body = ''] = (await talk(app.baseUrl, bytes)).split('\r\n\r\n')
    const [line, ...lines] = head.split('\r\n')
    expect(line).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    const headers = Object.fromEntries(lines.map((one) => one.split(': ') as [string, string]))
    expectHeaders(headers)
    expect(headers).toMatchObject({ 'content-type': 'application/problem+json', 'cache-control': 'no-store', connection: 'close' })
    expect(JSON.parse(body)).toMatchObject({ status, instance: headers['x-request-id'] })
  })
})

describe('caching', () => {
  test('what is personal, or may be, is not stored anywhere', async () => {
    for (const [path, headers] of [['/api/v1/users/me', signedIn()], ['/api/v1/admin/torrents', signedIn()], ['/trpc/users.me', signedIn()], ['/api/v1/users/me', {}], ['/sign-in', {}]] as const) {
      expect((await ask(app.baseUrl, path, { headers })).headers['cache-control'], path).toBe('no-store')
    }
  })
})

describe('request ids', () => {
  test('each answer has one of its own, never the client’s; the log has both', async () => {
    const mine = 'client-chosen-1'
    const [one, two] = [await ask(app.baseUrl, '/api/v1/server', { headers: { 'x-request-id': mine } }), await ask(app.baseUrl, '/api/v1/nothing', { headers: { 'x-request-id': mine } })]
    expect(one.headers['x-request-id']).not.toBe(two.headers['x-request-id'])
    expect(two.body.instance).toBe(two.headers['x-request-id'])
    for (const { headers } of [one, two]) {
      expect(headers['x-request-id']).not.toBe(mine)
      await expect.poll(() => app.logLines.find(({ requestId }) => requestId === headers['x-request-id'])).toMatchObject({ clientRequestId: mine })
    }
  })

  test.each(['two\twords', 'a'.repeat(101), 'é', '"quoted"', '{}'])('a client’s id that is none (%j) is not logged', async (given) => {
    const { headers } = await ask(app.baseUrl, '/api/v1/server', { headers: { 'x-request-id': Buffer.from(given).toString('latin1') } })
    await expect.poll(() => app.logLines.find(({ requestId }) => requestId === headers['x-request-id'])).toBeDefined()
    expect(app.logLines.find(({ requestId }) => requestId === headers['x-request-id'])).not.toHaveProperty('clientRequestId')
  })
})
