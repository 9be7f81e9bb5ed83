import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { ReadableStream as WebStream } from 'node:stream/web'
import { describe, expect, test } from 'vitest'
import { storedBytes } from '../test/disk.ts'
import { startPlayableTitle } from '../test/playable-title.ts'

const cacheBytes = 64 * 1024 * 1024

describe('what the disk may hold (control D7)', () => {
  test('a title larger than the cache plays whole, and the disk holds no more than the cache', async () => {
    await using title = await startPlayableTitle({ swarm: { files: [{ path: 'big.mp4', sizeBytes: 100_000_000 }], pieceLength: 1_048_576 }, app: { settings: { CACHE_BYTES: String(cacheBytes) } } })
    const { app, swarm } = title
    const response = await fetch((await title.playback()).body.url as string)
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
    await using title = await startPlayableTitle({ swarm: { files: [{ path: 'film.mp4', sizeBytes: 3_000_000 }] }, app: { settings: { FREE_SPACE_BYTES: String(Number.MAX_SAFE_INTEGER) } } })
    const { app, swarm } = title
    const url = (await title.playback()).body.url as string
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
