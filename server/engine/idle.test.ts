/** Titles that were opened, read and left: the engine knows them no more, and holds nothing for them. */
import { expect, it, vi } from 'vitest'
import { readThrough, startTestEngine } from '../test/engine.ts'
import { startSwarms } from '../test/swarm.ts'
import { descriptorsOf, engineVitals, vitalsArguments } from '../test/vitals.ts'

const titles = 24

it('what is idle has no torrent, no peer, no socket, no timer and no file open', async ({ skip }) => {
  skip(process.platform !== 'linux', 'only Linux shows the descriptors of a process')
  await using own = await startSwarms(Array.from({ length: titles }, (_, at) => ({ files: [{ path: `${at}.bin`, sizeBytes: 100_000 }], pieceLength: 16_384 })))
  await using engine = await startTestEngine({ idleMs: 50, nodeArguments: vitalsArguments })
  const read = async (swarms: typeof own.swarms) => {
    await Promise.all(swarms.map((swarm) => readThrough(engine.client, swarm)))
    await vi.waitFor(async () => expect((await engine.client.stats()).torrents).toEqual([]), { timeout: 20_000 })
    const { listeners, timers, emitters } = await engineVitals(engine)
    return { listeners, timers, emitters, descriptors: descriptorsOf(engine.client.listening()?.pid ?? 0) }
  }
  // after the first ones, what is made once is there
  const [few, others] = [own.swarms.slice(0, 4), own.swarms.slice(4)]
  const before = await read(few)
  expect(before.emitters).not.toHaveProperty('Torrent')
  // sockets and timers end a moment after what they were for
  let after = await read(others)
  await vi.waitFor(async () => {
    after = await read([])
    expect(after).toEqual(before)
  }, { timeout: 30_000 })
})
