import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { startTestApp, type CallOptions, type TestApp } from '../../test/app.ts'
import { offerTitle } from '../../test/titles.ts'
import { makeTorrent } from '../../test/torrents.ts'

let app: TestApp
let torrentId: string
beforeAll(async () => {
  app = await startTestApp({ settings: { CATALOGUE_PUBLIC: 'on' } })
  const { infoHash, base64 } = makeTorrent()
  torrentId = await offerTitle(app, { infoHash, torrentFile: Buffer.from(base64, 'base64') })
})
afterAll(() => app[Symbol.asyncDispose]())

const everything = async () => [
  await app.deps.sql`select * from torrents order by id`,
  await app.deps.sql`select * from audit_log where action like 'torrent.%'`,
  await app.deps.sql`select key from graphile_worker.jobs where key like 'torrent.%'`,
]

describe.each<[string, () => Promise<CallOptions>, number]>([
  ['nobody', async () => ({}), 401],
  ['a user', async () => ({ token: (await app.as.user()).token }), 403],
  ['a trusted API key', async () => ({ apiKey: await app.as.apiKey({ trusted: true }) }), 401],
])('%s', (_who, credentials, status) => {
  test.each([
    ['GET', ''],
    ['GET', '/ID'],
    ['POST', '/ID/approve'],
    ['POST', '/ID/reject'],
    ['POST', '/ID/takedown'],
  ])('may not %s /admin/torrents%s', async (method, path) => {
    const before = await everything()
    const answer = await app.call(method, `/admin/torrents${path.replace('ID', torrentId)}`, { ...(await credentials()), ...(method === 'POST' ? { body: { reason: 'rights' } } : {}) })
    expect(answer.status).toBe(status)
    expect(JSON.stringify(answer.body)).not.toContain('A title')
    expect(await everything()).toEqual(before)
  })
})

it('answers 404 for a title that is not there, and 422 for what is no id', async () => {
  const { token } = await app.as.moderator()
  for (const decision of ['approve', 'reject', 'takedown']) {
    expect((await app.call('POST', `/admin/torrents/00000000-0000-4000-8000-000000000000/${decision}`, { token, body: { reason: 'rights' } })).status).toBe(404)
    expect((await app.call('POST', `/admin/torrents/1%20or%201=1/${decision}`, { token, body: { reason: 'rights' } })).status).toBe(422)
  }
})

it('decides nothing when its audit row cannot be written (control B13)', async () => {
  const { token } = await app.as.moderator()
  const before = await everything()
  const audit = () => Promise.reject(new Error('no audit today'))
  const { takeDownTorrent } = await import('./decisions.ts')
  const ctx = { ...app.as.operator(), audit, actor: { kind: 'user' as const, userId: token, sessionId: '', role: 'moderator' as const, authenticatedAt: app.deps.now(), methods: [] } }
  await expect(takeDownTorrent(ctx, { torrentId, reason: 'rights' })).rejects.toThrow('no audit today')
  expect(await everything()).toEqual(before)
})
