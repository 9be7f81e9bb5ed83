import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Unavailable } from '../kit/errors.ts'
import type { Person } from './actors.ts'
import { startTestApp, type Answer, type TestApp } from './app.ts'
import { cuttable } from './cuttable.ts'
import { codeIn, mailTo } from './mails.ts'
import { approveTitle, offerTitle } from './titles.ts'
import { makeTorrent } from './torrents.ts'

// Control B13: with something failing underneath, nothing is allowed that was not, nothing half-done stays, nothing internal is told.

let app: TestApp
let admin: postgres.Sql
let moderator: Person
let apiKey: string
const password = 'a long and odd passphrase 9'
beforeAll(async () => {
  app = await startTestApp({ jobs: true, settings: { RATE_LIMIT_FACTOR: '100' } })
  admin = postgres(app.database.urls.superuser, { max: 1, onnotice: () => undefined })
  await admin.unsafe(`create function planted_fault() returns trigger language plpgsql as $$ begin raise exception 'MARK the planted fault'; end $$`)
  moderator = await app.as.moderator()
  apiKey = await app.as.apiKey()
})
afterAll(async () => {
  await admin.end()
  await app[Symbol.asyncDispose]()
})

const tables = ['users', 'email_flows', 'sessions', 'refresh_tokens', 'torrents', 'torrent_files', 'torrent_infos', 'ingest_batches', 'playback_links', 'audit_log']
type Snapshot = { rows: Record<string, string>; jobs: Set<string> }
async function snapshot(): Promise<Snapshot> {
  const digests = tables.map((name) => `select '${name}' as name, coalesce(md5(string_agg(t::text, '' order by t::text)), '') as digest from "${name}" t`)
  const [rows, jobs] = await Promise.all([
    admin.unsafe<{ name: string; digest: string }[]>(digests.join(' union all ')),
    // files of titles taken down meanwhile need no looking into
    admin<{ id: string }[]>`select id::text from graphile_worker.jobs where task_identifier <> 'torrent.examine_file'`,
  ])
  return { rows: Object.fromEntries(rows.map(({ name, digest }) => [name, digest])), jobs: new Set(jobs.map(({ id }) => id)) }
}
/** The tables whose rows are others than before, and `jobs` where one was begun: those of before may end meanwhile. */
async function changesSince(before: Snapshot): Promise<string[]> {
  const { rows, jobs } = await snapshot()
  return [...tables.filter((name) => rows[name] !== before.rows[name]), ...(jobs.isSubsetOf(before.jobs) ? [] : ['jobs'])]
}

/** While it lasts, whatever writes to the table fails. */
async function withFault<T>(table: string, work: () => Promise<T>): Promise<T> {
  await admin.unsafe(`create trigger planted before insert or update on ${table} for each row execute function planted_fault()`)
  try {
    return await work()
  } finally {
    await admin.unsafe(`drop trigger planted on ${table}`)
  }
}
function expectRefusal({ status, body }: Answer, expected = 500) {
  expect([status, body.code]).toEqual([expected, expected === 503 ? 'unavailable' : 'internal'])
  expect(JSON.stringify(body)).not.toMatch(/MARK|planted|trigger|insert|update|stack|127\.0\.0\.1|ECONN/)
}

const newTitle = () => {
  const { infoHash, base64 } = makeTorrent()
  return offerTitle(app, { infoHash, torrentFile: Buffer.from(base64, 'base64') })
}
const approvedTitle = async () => {
  const id = await newTitle()
  await approveTitle(app, id, moderator.token)
  return id
}
const flow = async () => {
  const email = `${randomUUID()}@example.org`
  const { body } = await app.call('POST', '/auth/sign-up', { body: { email, password } })
  return { flowId: body.flowId as string, code: codeIn(await mailTo(app.dataDir, email)) }
}
const asModerator = () => ({ token: moderator.token })

/** Every change of state: what it needs, and the call. */
const changes: Record<string, () => Promise<() => Promise<Answer>>> = {
  'sign-up': async () => () => app.call('POST', '/auth/sign-up', { body: { email: `${randomUUID()}@example.org`, password } }),
  'verification of an address': async () => {
    const body = await flow()
    return () => app.call('POST', '/auth/verify-email', { body })
  },
  'sign-in': async () => {
    const { email, password: right } = await app.as.user()
    return () => app.call('POST', '/auth/sign-in', { body: { email, password: right } })
  },
  refresh: async () => {
    const { refreshToken } = await app.as.user()
    return () => app.call('POST', '/auth/refresh', { body: { refreshToken } })
  },
  'sign-out': async () => {
    const { token } = await app.as.user()
    return () => app.call('POST', '/auth/sign-out', { token })
  },
  ban: async () => {
    const { userId } = await app.as.user()
    return () => app.call('POST', `/admin/users/${userId}/ban`, { ...asModerator(), body: { reason: 'spam' } })
  },
  ingest: async () => () => app.call('POST', '/ingest/batches', { apiKey, body: { source: 'test', items: [{ title: 'x', torrentFile: makeTorrent().base64 }] } }),
  approval: async () => {
    const id = await newTitle()
    return () => app.call('POST', `/admin/torrents/${id}/approve`, { ...asModerator(), body: {} })
  },
  rejection: async () => {
    const id = await newTitle()
    return () => app.call('POST', `/admin/torrents/${id}/reject`, { ...asModerator(), body: { reason: 'spam' } })
  },
  takedown: async () => {
    const id = await approvedTitle()
    return () => app.call('POST', `/admin/torrents/${id}/takedown`, { ...asModerator(), body: { reason: 'rights' } })
  },
  'a playback link': async () => {
    const id = await approvedTitle()
    return () => app.call('POST', `/torrents/${id}/files/0/playback`, asModerator())
  },
  'a preview': async () => {
    const id = await newTitle()
    return () => app.call('POST', `/admin/torrents/${id}/preview`, { ...asModerator(), body: { fileIndex: 0 } })
  },
}

describe('a write that fails leaves nothing half-done', () => {
  /** The table whose row comes last in each transaction, so that there is something to undo. */
  const lastRow: [string, string][] = [
    ['sign-up', 'graphile_worker._private_jobs'],
    ['verification of an address', 'refresh_tokens'],
    ['sign-in', 'refresh_tokens'],
    ['refresh', 'refresh_tokens'],
    ['ban', 'sessions'],
    ['ingest', 'torrents'],
    ['ingest', 'ingest_batches'],
    ['takedown', 'graphile_worker._private_jobs'],
    ['a playback link', 'playback_links'],
  ]
  test.each(lastRow)('%s, with %s failing', async (change, table) => {
    if (change === 'ban') await app.as.user()
    const call = await changes[change]?.()
    const before = await snapshot()
    expectRefusal(await withFault(table, async () => (await call?.()) ?? expect.fail('no such change')))
    expect(await changesSince(before)).toEqual([])
    // and without the fault it can be done after all
    expect((await call?.())?.status).toBeLessThan(300)
    expect(await changesSince(before)).not.toEqual([])
  })
})

describe('no decision without its audit row', () => {
  test.each(['verification of an address', 'sign-in', 'sign-out', 'ban', 'approval', 'rejection', 'takedown', 'a preview'])('%s, with the audit log failing', async (change) => {
    const call = await changes[change]?.()
    const before = await snapshot()
    expectRefusal(await withFault('audit_log', async () => (await call?.()) ?? expect.fail('no such change')))
    expect(await changesSince(before)).toEqual([])
    expect((await call?.())?.status).toBeLessThan(300)
  })

  test('a refused sign-in that cannot be noted is a fault, never a sign-in', async () => {
    const { email } = await app.as.user()
    const before = await snapshot()
    expectRefusal(await withFault('audit_log', () => app.call('POST', '/auth/sign-in', { body: { email, password: 'wrong' } })))
    expect(await changesSince(before)).toEqual([])
  })
})

describe('with the database away', () => {
  test('nobody is let in on memory, everything is refused as unavailable, and all of it works again after', async () => {
    await using relay = await cuttable(app.database.urls.app)
    await using cutOff = await startTestApp({ database: { ...app.database, urls: { ...app.database.urls, app: relay.url } }, dataDir: app.dataDir, settings: { RATE_LIMIT_FACTOR: '100' } })
    const { token } = await cutOff.as.user()
    const staff = await cutOff.as.moderator()
    const key = await cutOff.as.apiKey()
    const calls: [string, string, object][] = [
      ['GET', '/users/me', { token }],
      ['GET', '/torrents/latest', { token }],
      ['GET', '/admin/torrents', { token: staff.token }],
      ['POST', '/auth/sign-in', { body: { email: 'a@example.org', password: 'x' } }],
      ['POST', '/auth/sign-up', { body: { email: 'b@example.org', password } }],
      ['POST', '/auth/refresh', { body: { refreshToken: 'x' } }],
      ['POST', '/auth/sign-out', { token }],
      ['POST', `/admin/users/${randomUUID()}/ban`, { token: staff.token, body: { reason: 'x' } }],
      ['POST', '/ingest/batches', { apiKey: key, body: { source: 'x', items: [{ title: 'x' }] } }],
      ['GET', `/ingest/batches/${randomUUID()}`, { apiKey: key }],
      ['GET', '/categories', {}],
    ]
    const before = await snapshot()
    relay.cut()
    await expect.poll(() => cutOff.deps.revocations.live(), { timeout: 10_000 }).toBe(false)
    for (const [method, path, options] of calls) {
      const answer = await cutOff.call(method, path, options)
      expect([path, answer.status]).toEqual([path, 503])
      expectRefusal(answer, 503)
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    }
    // what needs no database still answers, and what was never allowed still is not
    expect((await cutOff.call('GET', '/server')).status).toBe(200)
    expect((await cutOff.call('GET', '/users/me')).status).toBe(401)
    expect((await cutOff.call('GET', '/users/me', { token: 'x' })).status).toBe(401)
    relay.restore()
    await expect.poll(async () => (await cutOff.call('GET', '/users/me', { token })).status, { timeout: 10_000 }).toBe(200)
    expect(await changesSince(before)).toEqual([])
  })
})

describe('with the limiter failing altogether', () => {
  test('nothing passes it', async () => {
    await using broken = await startTestApp({ database: app.database, dataDir: app.dataDir, overrides: { limits: { charge: () => Promise.reject(new Unavailable('the limiter')), chargeKey: () => Promise.reject(new Unavailable('the limiter')) } } })
    const before = await snapshot()
    expectRefusal(await broken.call('GET', '/server'), 503)
    expectRefusal(await broken.call('POST', '/auth/sign-in', { body: { email: 'a@example.org', password: 'x' } }), 503)
    expect(await changesSince(before)).toEqual([])
  })
})

describe('with the engine away', () => {
  test('titles are found and links are made, but no byte is sent and nothing is told of why', async () => {
    const id = await approvedTitle()
    const link = await app.call('POST', `/torrents/${id}/files/0/playback`, asModerator())
    expect(link.status).toBe(201)
    const path = new URL(link.body.url).pathname.replace('/api/v1', '')
    expectRefusal(await app.call('GET', path), 503)
    expect((await app.call('HEAD', path)).status).toBe(200)
  })
})
