import { expect, test, vi } from 'vitest'
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
