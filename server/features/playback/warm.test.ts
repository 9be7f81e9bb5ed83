import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import type { TorrentSource } from '../../engine/reader.ts'
import { startTestEngine } from '../../test/engine.ts'
import { startTestApp } from '../../test/app.ts'
import { startSwarm } from '../../test/swarm.ts'
import { approveTitle, offerTitle } from '../../test/titles.ts'

test('who asks for a link finds peers connected when the player comes; nothing is fetched for it before', async () => {
  await using swarm = await startSwarm({ files: [{ path: 'film.bin', sizeBytes: 3_000_000 }] })
  await using app = await startTestApp({ engine: true })
  const id = await offerTitle(app, swarm)
  await approveTitle(app, id, (await app.as.moderator()).token)
  const { body } = await app.call('POST', `/torrents/${id}/files/0/playback`, { token: (await app.as.user()).token })
  await vi.waitFor(async () => expect((await app.deps.engine.stats()).torrents).toMatchObject([{ infoHash: swarm.infoHash, peers: 1, readers: 0, verifiedPieces: 0 }]), { timeout: 10_000 })
  expect(await swarm.uploadedBytes()).toBeLessThan(10_000) // greetings
  const film = new Uint8Array(await (await fetch(body.url as string)).arrayBuffer())
  expect(film.length).toBe(3_000_000)
})

test('a title that is taken down while its link is made is left again, with nothing on disk, and opened no more', async () => {
  await using swarm = await startSwarm({ files: [{ path: 'film.bin', sizeBytes: 3_000_000 }], seeding: false })
  await using own = await startTestEngine()
  const isDown = Promise.withResolvers<void>()
  const warmed = Promise.withResolvers<void>()
  // what is known of the title is read before it is taken down, and used when its data has been removed
  const warm = own.client.warm.bind(own.client)
  const sources: TorrentSource[] = []
  own.client.warm = async (source, forMs) => {
    sources.push(source)
    const known = await source.load()
    await isDown.promise
    await warm({ ...source, load: async () => known }, forMs).finally(warmed.resolve)
  }
  await using app = await startTestApp({ jobs: true, overrides: { engine: own.client } })
  const moderator = await app.as.moderator()
  const id = await offerTitle(app, swarm)
  await approveTitle(app, id, moderator.token)
  expect((await app.call('POST', `/torrents/${id}/files/0/playback`, { token: (await app.as.user()).token })).status).toBe(201)
  expect((await app.call('POST', `/admin/torrents/${id}/takedown`, { token: moderator.token, body: { reason: 'rights' } })).status).toBe(200)
  await vi.waitFor(async () => expect(await app.deps.sql`select 1 from graphile_worker.jobs where task_identifier = 'torrent.remove_data'`).toEqual([]), { timeout: 10_000 })
  isDown.resolve()
  await warmed.promise
  await vi.waitFor(async () => expect((await own.client.stats()).torrents).toEqual([]), { timeout: 10_000 })
  await vi.waitFor(() => expect(existsSync(join(own.dataDir, swarm.infoHash))).toBe(false), { timeout: 10_000 })
  await expect(sources[0]?.load()).rejects.toMatchObject({ code: 'removed' })
})
