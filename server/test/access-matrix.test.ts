import { initTRPC } from '@trpc/server'
import Fastify from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { demandPermissions } from '../http/declared.ts'
import { openApiDocument } from '../http/openapi.ts'
import { apiBase, restProcedures } from '../http/rest.ts'
import type { Meta } from '../kit/procedure.ts'
import { appRouter } from '../router.ts'
import { actorNames, procedureCases, routeCases, type ActorName, type Credentials, type World } from './access-table.ts'
import { startTestApp, type TestApp } from './app.ts'
import { standingClock } from './clock.ts'
import { answerDifferences, type OpenApi } from './openapi-rules.ts'
import { ask } from './raw-http.ts'
import { approveTitle, offerTitle } from './titles.ts'
import { makeTorrent } from './torrents.ts'

let app: TestApp
let world: World & { ticket: string; asset: string }
let keyOfBatch: string
let otherKey: string
let tables: string[]

beforeAll(async () => {
  app = await startTestApp({ jobs: true, engine: true, overrides: standingClock(), settings: { RATE_LIMIT_FACTOR: '1000', SWARM_TIMEOUT_SECONDS: '1' } })
  const moderator = await app.as.moderator()
  const someone: World['someone'] = (role) => app.as[role]()
  const offer = () => {
    const { infoHash, base64 } = makeTorrent({ files: [{ path: 'film.bin', sizeBytes: 1_000 }, { path: 'empty.txt', sizeBytes: 0 }, { path: 'film.en.srt', sizeBytes: 10 }] })
    return offerTitle(app, { infoHash, torrentFile: Buffer.from(base64, 'base64') })
  }
  const [approved, pending, takenDown] = [await offer(), await offer(), await offer()]
  for (const id of [approved, takenDown]) await approveTitle(app, id, moderator.token)
  await app.call('POST', `/admin/torrents/${takenDown}/takedown`, { token: moderator.token, body: { reason: 'rights' } })

  keyOfBatch = await app.as.apiKey()
  otherKey = await app.as.apiKey()
  const batch = await app.call('POST', '/ingest/batches', { apiKey: keyOfBatch, body: { source: 'test', items: [{ title: 'x', torrentFile: makeTorrent().base64 }] } })
  const link = await app.call('POST', `/torrents/${approved}/files/1/playback`, { token: moderator.token })
  const page = await ask(app.baseUrl, '/sign-in')
  world = {
    app,
    moderator,
    someone,
    titles: { approved, pending, takenDown },
    batchId: batch.body.batchId,
    ticket: link.body.url.split('/').at(-2),
    asset: /\/assets\/([^"' ]+)/.exec(page.text)?.[1] ?? expect.fail('the sign-in page has no asset'),
  }
  const found = await app.deps.sql<{ name: string }[]>`select tablename as name from pg_tables where schemaname = 'public'`
  // counters and the log of refusals are written when something is refused
  tables = found.map(({ name }) => name).filter((name) => !['rate_limits', 'guess_throttles', 'live_streams', 'audit_log'].includes(name))
})
afterAll(() => app[Symbol.asyncDispose]())

const people = new Map<ActorName, Promise<Credentials>>()
async function credentialsOf(actor: ActorName, fresh = false): Promise<Credentials> {
  if (actor === 'anonymous') return {}
  if (actor === 'apiKey') return { apiKey: keyOfBatch }
  if (actor === 'otherKey') return { apiKey: otherKey }
  const person = (!fresh && people.get(actor)) || world.someone(actor)
  if (!fresh) people.set(actor, person)
  return { token: (await person).token ?? '' }
}
const headersOf = ({ token, apiKey }: Credentials): Record<string, string> => ({ ...(token ? { authorization: `Bearer ${token}` } : {}), ...(apiKey ? { 'x-api-key': apiKey } : {}) })

/** What is in every table but the counters and the audit log; a key's last use may be noted by a refused call. */
async function snapshot(): Promise<unknown[]> {
  // mails of what made the row's world go out by jobs: theirs must not end between two looks
  await expect.poll(async () => app.deps.sql`select 1 from graphile_worker.jobs where task_identifier = 'mail.send'`, { timeout: 10_000, interval: 20 }).toHaveLength(0)
  const contents = tables.map((name) => `select '${name}' || coalesce(md5(string_agg(row::text, '' order by row::text)), '') from (select (to_jsonb(t) - 'last_used_at') as row from "${name}" t) rows`)
  const waiting = `select 'jobs' || coalesce(string_agg(task_identifier, '' order by task_identifier), '') from graphile_worker.jobs`
  return [...(await app.deps.sql.unsafe([...contents, waiting].join(' union all ')))]
}

const document = openApiDocument() as OpenApi
const json = { 'content-type': 'application/json' }
const rest = new Map(restProcedures().map((procedure) => [procedure.name, procedure.rest]))
type Kind = { _def: { type: 'query' | 'mutation'; meta?: Meta; output?: unknown } }
const procedures = appRouter._def.procedures as unknown as Record<string, Kind>

function callRest(name: string, input: Record<string, unknown>, credentials: Credentials) {
  const { method, path } = rest.get(name) ?? expect.fail(`${name} has no REST face`)
  const left = { ...input }
  const url = path.replaceAll(/\{(\w+)\}/g, (_whole, key: string) => {
    const value = String(left[key])
    delete left[key]
    return value
  })
  const inQuery = method === 'GET' || method === 'DELETE'
  const query = inQuery ? `?${new URLSearchParams(Object.entries(left).map(([key, value]) => [key, String(value)])).toString()}` : ''
  return ask(app.baseUrl, `${apiBase}${url}${query}`, { method, headers: { ...headersOf(credentials), ...(inQuery ? {} : json) }, ...(inQuery ? {} : { body: JSON.stringify(left) }) })
}

function callTrpc(name: string, input: unknown, credentials: Credentials) {
  const headers = headersOf(credentials)
  return procedures[name]?._def.type === 'query'
    ? ask(app.baseUrl, `/trpc/${name}${input === undefined ? '' : `?input=${encodeURIComponent(JSON.stringify(input))}`}`, { headers })
    : ask(app.baseUrl, `/trpc/${name}`, { method: 'POST', headers: { ...headers, ...json }, body: JSON.stringify(input ?? {}) })
}

/** No job that an earlier call left is still at work: what it writes would look like the doing of the next call. */
const settled = () => expect.poll(() => app.deps.sql`select 1 from graphile_worker.jobs where locked_at is not null or (attempts = 0 and run_at <= now())`, { timeout: 10_000 }).toHaveLength(0)

/** Calls it, and sees to it that what was refused has changed nothing. */
async function expectStatus(call: () => ReturnType<typeof ask>, expected: number) {
  if (expected >= 400) await settled()
  const before = expected >= 400 ? await snapshot() : null
  const answer = await call()
  expect(answer.status, answer.text.slice(0, 300)).toBe(expected)
  if (before !== null) expect(await snapshot()).toEqual(before)
  return answer
}

test('every procedure has its rows, and no row is of a procedure that is gone', () => {
  expect(Object.keys(procedureCases).sort()).toEqual(Object.keys(procedures).sort())
})

test('every procedure declares what it answers', () => {
  expect(Object.entries(procedures).filter(([, { _def }]) => !(_def.output instanceof z.ZodType)).map(([name]) => name)).toEqual([])
})

test('every route has its rows, and no row is of a route that is gone', () => {
  const ofProcedures = new Set([...rest.values()].flatMap(({ method, path }) => [method, ...(method === 'GET' ? ['HEAD'] : [])].map((one) => `${one} ${apiBase}${path.replaceAll(/\{(\w+)\}/g, ':$1')}`)))
  const raw = app.declaredRoutes.map(({ method, url }) => `${method} ${url}`).filter((route) => !ofProcedures.has(route))
  expect(Object.keys(routeCases).sort()).toEqual([...new Set(raw)].sort())
})

const cases = Object.entries(procedureCases).flatMap(([procedure, rows]) => rows.flatMap((row) => actorNames.map((actor) => [procedure, row.name, actor, row] as const)))

describe('by the REST route, answered as documented', () => {
  test.each(cases.filter(([procedure]) => rest.has(procedure)))('%s (%s) as %s', async (procedure, _name, actor, { input, expected, ends }) => {
    const [given, credentials] = [await input?.(world), await credentialsOf(actor, ends)]
    const { status, body, headers } = await expectStatus(() => callRest(procedure, (given ?? {}) as Record<string, unknown>, credentials), expected[actor])
    const { method = '', path = '' } = rest.get(procedure) ?? {}
    // whatever is answered, the document says so
    expect(answerDifferences(document, { method, path: apiBase + path, status, contentType: headers['content-type'], body })).toEqual([])
  })
})

describe('by /trpc', () => {
  test.each(cases)('%s (%s) as %s', async (procedure, _name, actor, { input, expected, ends }) => {
    const [given, credentials] = [await input?.(world), await credentialsOf(actor, ends)]
    await expectStatus(() => callTrpc(procedure, given, credentials), expected[actor] < 300 ? 200 : expected[actor])
  })
})

describe('routes that are no procedures', () => {
  const rows = Object.entries(routeCases).flatMap(([route, list]) => list.flatMap((row) => actorNames.map((actor) => [route, row.name, actor, row] as const)))
  test.each(rows)('%s (%s) as %s', async (route, _name, actor, { path, headers, body, expected }) => {
    const credentials = await credentialsOf(actor)
    const method = route.split(' ')[0] ?? 'GET'
    await expectStatus(() => ask(app.baseUrl, path(world), { method, headers: { ...headersOf(credentials), ...headers }, ...(body === undefined ? {} : { body }) }), expected[actor])
  })
})

describe('with the catalogue made public', () => {
  test('anyone browses what is approved; playing still needs an account', async () => {
    await using open = await startTestApp({ database: app.database, dataDir: app.dataDir, settings: { CATALOGUE_PUBLIC: 'on' } })
    const status = async (path: string, method = 'GET') => (await ask(open.baseUrl, `${apiBase}${path}`, { method })).status
    expect(await status('/torrents/latest')).toBe(200)
    expect(await status('/torrents/search?q=title')).toBe(200)
    expect(await status(`/torrents/${world.titles.approved}`)).toBe(200)
    expect(await status(`/torrents/${world.titles.pending}`)).toBe(404)
    expect(await status(`/torrents/${world.titles.approved}/files/0/playback`, 'POST')).toBe(401)
    expect(await status('/admin/torrents')).toBe(401)
  })
})

describe('default deny: what declares no permission does not start', () => {
  const t = initTRPC.meta<Meta>().create()
  test('a procedure', () => {
    const planted = t.router({ fine: t.procedure.meta({ permission: 'public' }).query(() => 1), planted: t.procedure.query(() => 1) })
    expect(() => demandPermissions(Fastify(), planted)).toThrow('The procedure planted declares no permission.')
  })

  test('a procedure with a permission that there is not', () => {
    const planted = t.router({ planted: t.procedure.meta({ permission: 'everything' as never }).query(() => 1) })
    expect(() => demandPermissions(Fastify(), planted)).toThrow('The procedure planted declares no permission.')
  })

  test.each<[string, object]>([
    ['nothing declared', {}],
    ['null', { config: { permission: null } }],
    ['one that there is not', { config: { permission: 'everything' } }],
  ])('a route with %s', async (_what, options) => {
    const planted = Fastify()
    demandPermissions(planted)
    expect(() => planted.get('/planted', options, () => 1)).toThrow('The route GET /planted declares no permission.')
    await planted.close()
  })

  test('a route in a scope of its own', async () => {
    const planted = Fastify()
    demandPermissions(planted)
    planted.register(async (scope) => void scope.post('/planted', () => 1))
    await expect(planted.ready()).rejects.toThrow('The route POST /planted declares no permission.')
  })
})
