import { mkdir, mkdtemp, readdir, readFile, readlink, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { SegmentFiles } from './segment-files.ts'

let folder: string
let files: SegmentFiles
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'segment-files-'))
  files = new SegmentFiles(folder)
})
afterEach(async () => {
  await files.closeAll()
  await rm(folder, { recursive: true, force: true })
})

const segment = (index: number) => ({ fileIndex: 0, segment: index })
/** Descriptors of this process that lead into the folder. */
const open = async () => (await Promise.all((await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')))).filter((path) => path.startsWith(folder)).length

it('writes what is handed over at the same time, each to its place', async () => {
  await Promise.all(Array.from({ length: 50 }, (_, at) => files.write(segment(at % 3), Buffer.alloc(1000, at + 1), Math.floor(at / 3) * 1000)))
  for (const index of [0, 1, 2]) {
    const bytes = await readFile(join(folder, `0-${index}`))
    expect(Array.from({ length: bytes.length / 1000 }, (_, at) => bytes[at * 1000])).toEqual(Array.from({ length: index < 2 ? 17 : 16 }, (_, at) => at * 3 + index + 1))
  }
})

it('keeps few files open, however many are written to, and none at the end', async () => {
  await Promise.all(Array.from({ length: 40 }, (_, index) => files.write(segment(index), Buffer.from('x'), 0)))
  expect((await readdir(folder)).length).toBe(40)
  expect(await open()).toBeLessThanOrEqual(4)
  await files.write(segment(0), Buffer.from('y'), 1)
  await files.closeAll()
  expect(await open()).toBe(0)
  expect(await readFile(join(folder, '0-0'), 'latin1')).toBe('xy')
})

it('makes anew what is gone once it was closed, the folder too', async () => {
  await files.write(segment(0), Buffer.from('before'), 0)
  await rm(folder, { recursive: true })
  await files.close(segment(0))
  await files.write(segment(0), Buffer.from('after'), 0)
  expect(await readFile(join(folder, '0-0'), 'latin1')).toBe('after')
})

it('keeps nothing of a file that could not be opened', async () => {
  await mkdir(join(folder, '0-0'))
  await expect(files.write(segment(0), Buffer.from('x'), 0)).rejects.toThrow('EISDIR')
  await rmdir(join(folder, '0-0'))
  await files.write(segment(0), Buffer.from('y'), 0)
  expect(await readFile(join(folder, '0-0'), 'latin1')).toBe('y')
})
