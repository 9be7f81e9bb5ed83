import { expect, it, test } from 'vitest'
import { Pipeline } from './pipeline.ts'

const MiB = 1024 * 1024

/** Blocks from a peer with this round trip and rate, asked for as soon as the pipeline lets them be. Says how many round trips it took. */
function fetchFrom(pipeline: Pipeline, { roundTripMs, blocksPerMs, blocks, reqq }: { roundTripMs: number; blocksPerMs: number; blocks: number; reqq?: number }): number {
  const flying: { askedAt: number; place: number; comesAt: number }[] = []
  let [now, lineFreeAt] = [0, 0]
  const ask = () => {
    while (flying.length + 1 <= pipeline.depth) {
      lineFreeAt = Math.max(lineFreeAt, now + roundTripMs) + 1 / blocksPerMs
      flying.push({ askedAt: now, place: flying.length + 1, comesAt: lineFreeAt })
    }
  }
  for (let done = 0; done < blocks; done += 1) {
    ask()
    const block = flying.shift()
    if (!block) throw new Error('nothing in flight')
    now = block.comesAt
    pipeline.answered(now - block.askedAt, block.place, reqq)
  }
  return now / roundTripMs
}

test.each([[MiB, 64], [16 * 1024, 16], [4 * MiB, 128]])('a new wire is asked for a piece at once, within bounds: %i bytes', (pieceLength, depth) => {
  expect(new Pipeline(pieceLength).depth).toBe(depth)
})

it('fills a fast and distant line within a few round trips', () => {
  // 50 MB/s over 50 ms hold 156 blocks: 1,000 blocks take 6.6 round trips at the least, 17 with the depth it began with
  expect(fetchFrom(new Pipeline(MiB), { roundTripMs: 50, blocksPerMs: 3.125, blocks: 1_000, reqq: 500 })).toBeLessThan(11)
})

test.each([[0.25, 50], [0.25, 5], [0.1, 100]])('at a slow peer, of %f blocks a millisecond at %i ms, it keeps the line full, and a request waits some 150 ms behind others', (blocksPerMs, roundTripMs) => {
  const pipeline = new Pipeline(MiB)
  fetchFrom(pipeline, { roundTripMs, blocksPerMs, blocks: 600 })
  const waitsMs = pipeline.depth / blocksPerMs - roundTripMs
  expect(waitsMs).toBeGreaterThan(50)
  expect(waitsMs).toBeLessThan(200)
})

it('asks no more than the peer takes', () => {
  const pipeline = new Pipeline(MiB)
  fetchFrom(pipeline, { roundTripMs: 50, blocksPerMs: 100, blocks: 5_000 })
  expect(pipeline.depth).toBe(250)
  fetchFrom(pipeline, { roundTripMs: 50, blocksPerMs: 100, blocks: 5_000, reqq: 100 })
  expect(pipeline.depth).toBe(100)
})
