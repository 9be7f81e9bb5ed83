import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { clock } from './clock.ts'
import { readNodeId } from './node-id.ts'

let home: string
beforeEach(async () => void (home = await mkdtemp(join(tmpdir(), 'node-id-'))))
afterEach(() => rm(home, { recursive: true, force: true }))

test('is the same for all who ask at once, and ever after', async () => {
  const dataDir = join(home, 'data')
  const ids = await Promise.all(Array.from({ length: 8 }, () => readNodeId(dataDir, clock.newId)))
  expect(new Set(ids).size).toBe(1)
  expect(await readNodeId(dataDir, clock.newId)).toBe(ids[0])
  expect(await readdir(dataDir)).toEqual(['node-id'])
})

test('is another in another folder', async () => {
  expect(await readNodeId(join(home, 'a'), clock.newId)).not.toBe(await readNodeId(join(home, 'b'), clock.newId))
})

test('that somebody has spoilt is not made anew, as what was published would belong to nobody', async () => {
  await writeFile(join(home, 'node-id'), 'nonsense')
  await expect(readNodeId(home, clock.newId)).rejects.toThrow('holds no id')
})
