import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Person } from '../test/actors.ts'
import { startTestApp, type TestApp } from '../test/app.ts'
import { ask, talk } from '../test/raw-http.ts'

let app: TestApp
let user: Person
beforeAll(async () => {
  app = await startTestApp({ settings: { RATE_LIMIT_FACTOR: '100' } })
  user = await app.as.user()
})
afterAll(() => app[Symbol.asyncDispose]())

const json = { 'content-type': 'application/json' }
const lineOf = (requestId: unknown) => app.logLines.find((line) => line['requestId'] === requestId && line['msg'] === 'request')
const logged = async (path: string, options: Parameters<typeof ask>[2] = {}) => {
  const { headers } = await ask(app.baseUrl, path, options)
  await expect.poll(() => lineOf(headers['x-request-id'])).toBeDefined()
  return lineOf(headers['x-request-id']) ?? {}
}

describe('one line a request (control E1)', () => {
  test('says what was asked, by whom, what came of it and how long it took', async () => {
    const line = await logged('/api/v1/users/me?', { headers: { authorization: `Bearer ${user.token}`, 'x-request-id': 'app-17' } })
    expect(line).toEqual({
      severity: 'info',
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      msg: 'request',
      requestId: expect.stringMatching(/^[\da-f-]{36}$/),
      clientRequestId: 'app-17',
      method: 'GET',
      route: '/api/v1/users/me',
      status: 200,
      ms: expect.any(Number),
      userId: user.userId,
    })
  })

  test('names routes by their pattern, so that neither ids nor tickets nor searches are in it', async () => {
    expect(await logged('/api/v1/torrents/search?q=private')).toMatchObject({ route: '/api/v1/torrents/search', status: 401 })
    expect(await logged(`/api/v1/stream/${'A'.repeat(43)}/film.mp4`)).toMatchObject({ route: '/api/v1/stream/:ticket/:fileName', status: 403 })
    expect(await logged('/api/v1/users/me/%zz')).toMatchObject({ status: 400 })
    expect(JSON.stringify(app.logLines)).not.toMatch(/private|AAAAA|%zz/)
  })

  test('names an API key by its id', async () => {
    const apiKey = await app.as.apiKey()
    expect(await logged('/api/v1/ingest/batches', { method: 'POST', headers: { ...json, 'x-api-key': apiKey }, body: '{}' })).toMatchObject({ apiKeyId: expect.stringMatching(/^[\da-f-]{36}$/), status: 422 })
  })

  test('cannot be broken into two by what a client sends', async () => {
    const before = app.logLines.length
    await ask(app.baseUrl, '/api/v1/nothing%0a%7B%22severity%22:%22fatal%22%7D', { headers: { 'user-agent': 'x {"severity":"fatal"}' } })
    await talk(app.baseUrl, 'GET /a\u2028{"severity":"fatal"} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    await expect.poll(() => app.logLines.length).toBeGreaterThan(before)
    expect(app.logLines.map(({ severity }) => severity)).not.toContain('fatal')
  })

  test('is not written as an error for what clients do wrong', async () => {
    for (const [path, options] of [['/api/v1/nothing', {}], ['/api/v1/auth/sign-in', { method: 'POST', headers: json, body: '{' }], ['/trpc/no.such', {}], ['/csp-reports', { method: 'POST', headers: { 'content-type': 'application/csp-report' }, body: 'x' }]] as const) await logged(path, options)
    expect(app.logLines.filter(({ severity }) => severity === 'error' || severity === 'fatal')).toEqual([])
  })
})

describe('secrets', () => {
  const mark = 'Zq7MARKzq7'
  const marked = (rest: string) => `${mark}${rest}`

  test('of none that was sent anywhere is there a trace in the log, faults of the server included', async () => {
    const admin = postgres(app.database.urls.superuser, { max: 1, onnotice: () => undefined })
    const send = async (path: string, body: unknown, headers: Record<string, string> = {}, method = 'POST') => {
      await ask(app.baseUrl, path, { method, headers: { ...json, ...headers }, ...(method === 'GET' ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }) })
      if (path.startsWith('/api/v1/auth')) await ask(app.baseUrl, `/trpc/auth.${path.split('/').at(-1)?.replaceAll(/-(\w)/g, (_dash, letter: string) => letter.toUpperCase())}`, { method, headers: { ...json, ...headers }, body: typeof body === 'string' ? body : JSON.stringify(body) })
    }
    const drive = async () => {
      await send('/api/v1/auth/sign-up', { email: `ann.${crypto.randomUUID()}.${mark}@example.org`, password: marked(' long enough 99'), name: mark })
      await send('/api/v1/auth/sign-in', { email: marked('@example.org'), password: marked('!') })
      await send('/api/v1/auth/sign-in', { email: user.email, password: marked('!') })
      await send('/api/v1/auth/sign-in', `{"email":"${mark}","password":"${mark}`)
      await send('/api/v1/auth/sign-in', { email: user.email, [mark]: mark })
      await send('/api/v1/auth/verify-email', { flowId: crypto.randomUUID(), code: mark })
      await send('/api/v1/auth/refresh', { refreshToken: mark })
      await send('/api/v1/users/me', '', { authorization: `Bearer ${mark}` }, 'GET')
      await send('/api/v1/users/me', '', { authorization: `Basic ${mark}` }, 'GET')
      await send('/api/v1/ingest/batches', {}, { 'x-api-key': `tsk_${mark}${'A'.repeat(33)}` })
      await send('/sign-in', '', { cookie: `session=${mark}; other=${mark}` }, 'GET')
      await ask(app.baseUrl, '/sign-in', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded', cookie: `csrf=${mark}` }, body: `email=${mark}&password=${mark}&csrf=${mark}` })
      await send(`/api/v1/stream/${mark}${'A'.repeat(33)}/${mark}.mp4`, '', {}, 'GET')
      await send(`/set-up/${mark}`, '', {}, 'GET')
      await send(`/api/v1/torrents/search?q=${mark}`, '', { authorization: `Bearer ${user.token}` }, 'GET')
      await send(`/${mark}?token=${mark}`, '', { 'x-request-id': `"${mark}"` }, 'GET')
    }
    try {
      await drive()
      // the same with the database failing, when errors carry their queries
      await admin.unsafe(`create function fail() returns trigger language plpgsql as $$ begin raise exception 'planted'; end $$`)
      for (const table of ['email_flows', 'audit_log', 'sessions']) await admin.unsafe(`create trigger planted before insert or update on ${table} for each row execute function fail()`)
      await drive()
      const faults = () => app.logLines.filter(({ severity }) => severity === 'error').map((line) => JSON.stringify(line))
      // sign-up and sign-in, by both doors: with the query in the log, without what it held
      await expect.poll(() => faults().filter((line) => line.includes('insert into \\"email_flows\\"')).length).toBe(2)
      expect(faults().filter((line) => line.includes('insert into audit_log')).length).toBeGreaterThanOrEqual(2)
    } finally {
      await admin.unsafe('drop function if exists fail cascade')
      await admin.end()
    }
    // what was searched for is a person's business, too
    const lines = app.logLines.map((line) => JSON.stringify(line))
    expect(lines.length).toBeGreaterThan(40)
    expect(lines.filter((line) => line.includes(mark))).toEqual([])
    expect(lines.filter((line) => line.includes(user.token) || line.includes(user.refreshToken) || line.includes(user.password) || line.includes(user.email))).toEqual([])
  })
})
