/** The soak (`npm run soak`) in seconds: the same viewers, kills and readings, fewer of each. */
import { expect, inject, test } from 'vitest'
import { createTestDatabase } from '../../server/test/database.ts'
import { brief } from './plan.ts'
import { soak } from './soak.ts'

test('viewers of every kind, while the engine is killed and the cache is too small, leave everything as it was', async () => {
  await using database = await createTestDatabase(inject('testServer'))
  const { faults, seen, away, evictions } = await soak({ plan: brief, urls: database.urls, report: () => {}, signal: new AbortController().signal })
  expect(faults).toEqual([])
  expect(away.length).toBeGreaterThan(0)
  expect(seen.streams).toBeGreaterThan(brief.readers * 2)
  expect(evictions).toBeGreaterThan(0)
}, 300_000)
