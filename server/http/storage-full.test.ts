import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { ReadableStream as WebStream } from 'node:stream/web'
import { describe, expect, test } from 'vitest'
import { startTestApp, type TestApp } from '../test/app.ts'
import { storedBytes } from '../test/disk.ts'
import { startSwarm, type Swarm } from '../test/swarm.ts'
import { approveTitle, offerTitle } from '../test/titles.ts'

const cacheBytes = 64 * 1024 * 1024

async function linkTo(app: TestApp, swarm: Swarm): Promise<string> {
  const id = await offerTitle(app, swarm)
  await approveTitle(app, id, (await app.as.moderator()).token)
  const { body } = await app.call('POST', `/torrents/${id}/files/0/playback`, { token: (await app.as.user()).token })
  return body.url as string
}

describe('what the disk may hold (control D7)', () => {
  test('a title larger than the cache plays whole, and the disk holds no more than the cache', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'big.mp4', sizeBytes: 100_000_000 }], pieceLength: 1_048_576 })
    await using app = await startTestApp({ engine: true, settings: { CACHE_BYTES: String(cacheBytes) } })
    const response = await fetch(await linkTo(app, swarm))
    const hash = createHash('sha256')
    let most = 0
    for await (const chunk of Readable.fromWeb(response.body as WebStream) as AsyncIterable<Uint8Array>) {
      hash.update(chunk)
      most = Math.max(most, storedBytes(app.deps.engine.dataDir))
    }
    expect(response.status).toBe(200)
    expect(hash.digest('hex')).toBe(swarm.files[0]?.sha256)
    expect(most).toBeLessThanOrEqual(cacheBytes)
    expect((await app.deps.engine.stats()).cache).toMatchObject({ budgetBytes: cacheBytes, usedBytes: storedBytes(app.deps.engine.dataDir) })
  })

  test('a disk without room for it: 503 storage_full with a time to try again and a log line, nothing fetched, nothing stored; HEAD needs none', async () => {
    await using swarm = await startSwarm({ files: [{ path: 'film.mp4', sizeBytes: 3_000_000 }] })
    await using app = await startTestApp({ engine: true, settings: { FREE_SPACE_BYTES: String(Number.MAX_SAFE_INTEGER) } })
    const url = await linkTo(app, swarm)
    for (const range of ['bytes=0-0', 'bytes=2000000-']) {
      const response = await fetch(url, { headers: { range } })
      const { code } = (await response.json()) as { code: string }
      expect([response.status, code, response.headers.get('retry-after'), response.headers.get('content-type')]).toEqual([503, 'storage_full', '60', expect.stringMatching(/^application\/problem\+json/)])
    }
    expect((await fetch(url, { method: 'HEAD' })).status).toBe(200)
    expect(await swarm.uploadedBytes()).toBeLessThan(16_384) // greetings, and not one block
    expect(storedBytes(app.deps.engine.dataDir)).toBe(0)
    expect(app.logLines).toContainEqual(expect.objectContaining({ event: 'storage_full', detail: expect.stringContaining('FREE_SPACE_BYTES') as string }))
  })
})
