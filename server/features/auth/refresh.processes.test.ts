import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { serverEnvironment, startServer, type ServerProcess } from '../../../scripts/setup/server-process.ts'
import { tokenHash } from '../../kit/secret-tokens.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { ask } from '../../test/raw-http.ts'

// Two `server/main.ts`, each a process of its own as in production, on one Postgres (control A3).

let home: string
let beside: TestApp
const servers: ServerProcess[] = []
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'processes-'))
  // makes the people and the operator secret; the two servers answer
  beside = await startTestApp({ dataDir: home, settings: { RATE_LIMIT_FACTOR: '1000' } })
  for (const name of ['one', 'other']) {
    const dataDir = join(home, name)
    await mkdir(dataDir)
    const settings = { PATH: process.env['PATH'], NODE_OPTIONS: process.env['NODE_OPTIONS'], PORT: '0', RATE_LIMIT_FACTOR: '1000', LOG_LEVEL: 'error' }
    const env = serverEnvironment({ NODE_ENV: 'production', ...settings }, { databaseUrl: beside.database.urls.app, dataDir, keysDir: join(home, 'keys') })
    servers.push(await startServer({ env, dataDir, log: 'inherit' }))
  }
}, 90_000)
afterAll(async () => {
  for (const server of servers) await server.stop()
  await beside[Symbol.asyncDispose]()
  await rm(home, { recursive: true, force: true })
}, 60_000)

const post = (server: ServerProcess, path: string, body: object) =>
  ask(server.urls.console, `/api/v1${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

/** Presents the token fifty times at once, to both in turn. */
const fifty = (refreshToken: string) => Promise.all(Array.from({ length: 50 }, (_, i) => post(servers[i % 2] ?? expect.unreachable(), '/auth/refresh', { refreshToken })))
const unspentBeside = (token: string) => beside.deps.sql`
  select token_hash, ended_at from refresh_tokens join sessions on sessions.id = session_id
  where spent_at is null and session_id = (select session_id from refresh_tokens where token_hash = ${tokenHash(token)})`

test('fifty refreshes of one token over two server processes leave one live chain', async () => {
  const { refreshToken } = await beside.as.user()
  const answers = await fifty(refreshToken)
  expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200))
  const successors = [...new Set(answers.map(({ body }) => body.tokens.refreshToken as string))]
  expect(successors).toHaveLength(1)
  expect((await unspentBeside(refreshToken)).map(({ token_hash: hash, ended_at: ended }) => [hash, ended])).toEqual([[tokenHash(successors[0] ?? ''), null]])
})

test('fifty that come after the successor was used end the session, on both processes, with one event', async () => {
  const { refreshToken } = await beside.as.user()
  const [one, other] = servers
  if (!one || !other) return expect.unreachable()
  const { body } = await post(one, '/auth/refresh', { refreshToken })
  const last = await post(other, '/auth/refresh', { refreshToken: body.tokens.refreshToken })
  const codes = (await fifty(refreshToken)).map((answer) => answer.body.code as string)
  expect(codes.filter((code) => code === 'refresh_token_reused')).toHaveLength(1)
  expect(codes.filter((code) => code === 'refresh_token_revoked')).toHaveLength(49)
  for (const server of servers) expect((await post(server, '/auth/refresh', { refreshToken: last.body.tokens.refreshToken })).body.code).toBe('refresh_token_revoked')
  expect(await beside.deps.sql`select 1 from audit_log where action = 'session.refresh_reused'`).toHaveLength(1)
})
