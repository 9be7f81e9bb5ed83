import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { EngineError } from '../../engine/contract.ts'
import type { EngineClient } from '../../engine/client.ts'
import { encodeBencode } from '../../lib/bencode.ts'
import { infoHashOf } from '../../lib/infohash.ts'
import { startTestApp, type TestApp } from '../../test/app.ts'
import { startSwarm } from '../../test/swarm.ts'
import { anyInfoHash, trackerUrl } from '../../test/torrents.ts'
import { fetchMetadata } from './metadata.ts'

const titleOf = async (app: TestApp, infoHash: string) =>
  (await app.deps.sql<{ id: string; state: string; verified_at: string | null; size_bytes: string | null; decision_reason: string | null }[]>`select id, state, verified_at, size_bytes, decision_reason from torrents where info_hash = ${infoHash}`)[0]
const offer = async (app: TestApp, item: object, { trusted = false } = {}) => {
  const { body } = await app.call('POST', '/ingest/batches', { apiKey: await app.as.apiKey({ trusted }), body: { source: 'a', items: [{ title: 'A title', ...item }] } })
  expect(body.accepted).toBe(1)
}

describe('with a swarm', () => {
  it('learns what a magnet link names, and approves it for a trusted key alone', { timeout: 60_000 }, async () => {
    const swarm = (seed: string) => startSwarm({ seed, name: 'folder', files: [{ path: 'a.mp4', sizeBytes: 300_000 }, { path: 'b.txt', sizeBytes: 20 }] })
    await using one = await swarm('metadata 1')
    await using two = await swarm('metadata 2')
    await using app = await startTestApp({ engine: true, jobs: true })
    await offer(app, { magnetUri: one.magnet })
    await offer(app, { infoHash: two.infoHash, trackers: [two.trackerUrl] }, { trusted: true })
    await vi.waitFor(async () => expect((await app.deps.sql`select 1 from torrents where verified_at is not null`).length).toBe(2), { timeout: 40_000, interval: 50 })
    const plain = await titleOf(app, one.infoHash)
    expect(plain).toMatchObject({ state: 'pending', size_bytes: '300020' })
    expect(await titleOf(app, two.infoHash)).toMatchObject({ state: 'approved', size_bytes: '300020' })
    expect((await app.deps.sql`select path from torrent_files where torrent_id = ${plain?.id ?? null} order by index`).map((file) => file['path'])).toEqual(['a.mp4', 'b.txt'])
    const [info] = await app.deps.sql<{ info: Buffer }[]>`select info from torrent_infos where torrent_id = ${plain?.id ?? null}`
    expect(infoHashOf(info?.info ?? new Uint8Array())).toBe(one.infoHash)
  })
})

/** What the engine would answer to a question for metadata; the rest of it is not asked. */
const engineThat = (metadata: EngineClient['metadata']) => ({ ...({} as EngineClient), metadata })

describe('with an engine that', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await startTestApp()
  })
  afterAll(() => app[Symbol.asyncDispose]())
  const answers = async (metadata: EngineClient['metadata'], infoHash: string, { trusted = false } = {}) => {
    await offer(app, { infoHash, trackers: [trackerUrl] }, { trusted })
    const title = await titleOf(app, infoHash)
    const [job] = await app.deps.sql<{ id: string; payload: object }[]>`select id, payload from graphile_worker._private_jobs where key = ${`torrent.fetch_metadata:${title?.id}`}`
    const run = () => fetchMetadata({ ...app.deps, engine: engineThat(metadata) }, job?.payload)
    return { run, id: title?.id ?? '' }
  }

  it('brings another torrent, nothing is kept and the job comes again', async () => {
    const other = encodeBencode(new Map<string, string | number>([['length', 5], ['name', 'a.mp4'], ['piece length', 16_384], ['pieces', 'x'.repeat(20)]]))
    const infoHash = anyInfoHash()
    const { run, id } = await answers(async () => other, infoHash, { trusted: true })
    await expect(run()).rejects.toThrow('another info dictionary')
    expect(await titleOf(app, infoHash)).toMatchObject({ state: 'pending', verified_at: null })
    expect(await app.deps.sql`select 1 from torrent_files where torrent_id = ${id}`).toHaveLength(0)
  })

  it('finds nobody, the title waits and the job comes again', async () => {
    const infoHash = anyInfoHash()
    const { run } = await answers(() => Promise.reject(new EngineError('swarm_timeout', 'nobody')), infoHash)
    await expect(run()).rejects.toThrow('nobody')
    expect(await titleOf(app, infoHash)).toMatchObject({ state: 'pending', verified_at: null })
  })

  it('meets a torrent that cannot be read, the title is rejected', async () => {
    const hostile = encodeBencode(new Map<string, string | number>([['length', 5], ['name', '../../etc/passwd'], ['piece length', 16_384], ['pieces', 'x'.repeat(20)]]))
    const infoHash = infoHashOf(hostile)
    const { run, id } = await answers(async () => hostile, infoHash)
    await run()
    expect(await titleOf(app, infoHash)).toMatchObject({ state: 'rejected', verified_at: null, decision_reason: 'invalid_torrent' })
    expect(await app.deps.sql`select action, actor_kind from audit_log where target_id = ${id}`).toEqual([{ action: 'torrent.reject', actor_kind: 'system' }])
  })

  it('answers after a moderator took the title down, nothing comes back', async () => {
    const honest = encodeBencode(new Map<string, string | number>([['length', 5], ['name', 'a.mp4'], ['piece length', 16_384], ['pieces', 'x'.repeat(20)]]))
    const infoHash = infoHashOf(honest)
    const moderated = Promise.withResolvers<void>()
    const { run, id } = await answers(async () => (await moderated.promise, honest), infoHash, { trusted: true })
    const running = run()
    const { token } = await app.as.moderator()
    expect((await app.call('POST', `/admin/torrents/${id}/takedown`, { token, body: { reason: 'rights' } })).status).toBe(200)
    moderated.resolve()
    await running
    expect(await titleOf(app, infoHash)).toMatchObject({ state: 'taken_down', verified_at: null })
    expect(await app.deps.sql`select 1 from torrent_files where torrent_id = ${id}`).toHaveLength(0)
  })

  it('answers twice, it is kept once; and a key that lost its trust approves nothing', async () => {
    const honest = encodeBencode(new Map<string, string | number>([['length', 5], ['name', 'b.mp4'], ['piece length', 16_384], ['pieces', 'x'.repeat(20)]]))
    const infoHash = infoHashOf(honest)
    const { run, id } = await answers(async () => honest, infoHash, { trusted: true })
    await app.deps.sql`update api_keys set revoked_at = now()`
    await Promise.all([run(), run()])
    expect(await titleOf(app, infoHash)).toMatchObject({ state: 'pending', verified_at: expect.any(String), size_bytes: '5' })
    expect(await app.deps.sql`select action from audit_log where target_id = ${id}`).toEqual([{ action: 'torrent.verify' }])
  })
})
