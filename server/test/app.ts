import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildApp } from '../app.ts'
import { readConfig } from '../config.ts'
import { createDeps, type Overrides } from '../deps.ts'
import { EngineError } from '../engine/contract.ts'
import type { EngineClient } from '../engine/client.ts'
import { resumePublications } from '../features/publishing/publishing.ts'
import type { DeclaredRoute } from '../http/types.ts'
import { jobHandlers } from '../jobs.ts'
import { startJobs } from '../kit/jobs.ts'
import { createLog } from '../kit/log.ts'
import { createActors, type Actors } from './actors.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'
import { openOutbox, type Outbox } from './mails.ts'

export type AppOptions = {
  /** Settings as in the environment, over the test's own. */
  settings?: Record<string, string>
  /** Two apps on one database are two nodes. */
  database?: TestDatabase
  /** Folder shared by nodes: the operator secret lies there. */
  dataDir?: string
  /** Starts the real engine process; without it, whatever needs the engine answers 503. */
  engine?: boolean
  /** Works jobs (mails, metadata) as the running server does, but none by the clock: whoever compares rows would see them change in the wrong minute. */
  jobs?: boolean
  overrides?: Overrides
}

export type TestApp = AsyncDisposable & {
  baseUrl: string
  deps: Awaited<ReturnType<typeof createDeps>>
  database: TestDatabase
  dataDir: string
  /** Every route with the permission it declares. */
  declaredRoutes: readonly DeclaredRoute[]
  /** Log lines so far, parsed. */
  logLines: Record<string, unknown>[]
  /** People and machines that call this app. */
  as: Actors
  /** The mails that it sent, with `jobs`. */
  outbox: Outbox
  /** A call of the REST API; `path` begins after /api/v1. */
  call(method: string, path: string, options?: CallOptions): Promise<Answer>
}

export type CallOptions = { token?: string | undefined; apiKey?: string | undefined; body?: unknown; headers?: Record<string, string>; raw?: boolean }
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into answers of every shape
export type Answer = { status: number; headers: Headers; body: any }

/** The whole server on a free port of loopback, over a database of its own. */
export async function startTestApp(options: AppOptions = {}): Promise<TestApp> {
  await using made = new AsyncDisposableStack()
  const database = options.database ?? made.use(await createTestDatabase())
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'torrent-streamer-test-')))
  if (!options.dataDir) made.defer(() => rm(dataDir, { recursive: true, force: true }))

  const { config, secrets } = readConfig({ PORT: '0', DATA_DIR: dataDir, DATABASE_URL: database.urls.app, ALLOW_PRIVATE_PEERS: 'on', SWARM_TIMEOUT_SECONDS: '5', ...options.settings })
  const logLines: Record<string, unknown>[] = []
  const log = createLog('debug', { write: (line) => void logLines.push(JSON.parse(line) as Record<string, unknown>) })
  const deps = made.use(await createDeps(config, secrets, { log, ...(options.engine ? {} : { engine: absentEngine }), ...options.overrides }))
  const app = await buildApp(deps)
  made.defer(() => app.close())
  const address = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
  const baseUrl = `${config.tls ? 'https' : 'http'}://localhost:${address.port}`
  deps.setPublicUrl(baseUrl)
  if (options.jobs) {
    const runner = await startJobs(deps, jobHandlers)
    made.defer(() => runner.stop())
    if (options.engine) await resumePublications(deps)
  }

  const call: TestApp['call'] = async (method, path, { token, apiKey, body, headers, raw } = {}) => {
    const response = await fetch(`${baseUrl}/api/v1${path}`, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(apiKey ? { 'x-api-key': apiKey } : {}),
        ...headers,
      },
      ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : text }
  }
  const closing = made.move()
  return { baseUrl, declaredRoutes: app.declaredRoutes, deps, database, dataDir, logLines, call, as: createActors(deps, call), outbox: openOutbox({ dataDir, deps }), [Symbol.asyncDispose]: () => closing.disposeAsync() }
}

const absent = () => Promise.reject(new EngineError('unavailable', 'This test runs without an engine.'))
const absentEngine: EngineClient = {
  dataDir: '/nonexistent',
  alive: () => false,
  listening: () => null,
  open: absent,
  metadata: absent,
  warm: absent,
  buffered: absent,
  stage: absent,
  publish: absent,
  discard: absent,
  seed: absent,
  remove: absent,
  evict: absent,
  stats: absent,
  reader: () => {
    throw new EngineError('unavailable', 'This test runs without an engine.')
  },
  [Symbol.asyncDispose]: () => Promise.resolve(),
}
