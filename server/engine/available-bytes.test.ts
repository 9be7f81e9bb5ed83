import { mkdir, mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { AvailableBytes } from './available-bytes.ts'
import type { RangeReader, WantedRange } from './reader.ts'
import { segmentBytes, segmentPath } from './segments.ts'

const infoHash = 'ab'.repeat(20)
const half = 512 * 1024
const end = segmentBytes + 2 * half

let dataDir: string
beforeEach(async () => { dataDir = await mkdtemp(join(tmpdir(), 'available-')) })
afterEach(() => rm(dataDir, { recursive: true, force: true }))

const put = async (segment: number, fill: number) => {
  const path = join(dataDir, segmentPath(infoHash, 0, segment))
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, Buffer.alloc(segment === 0 ? segmentBytes : end - segmentBytes, fill))
}

/** An engine that calls everything available at once, and brings back what it is asked for again. */
function open(bringBack: (start: number) => Promise<void> = async () => {}) {
  const asked: { start: number; isDoubted: boolean }[] = []
  const reader = ({ start, isDoubted = false }: WantedRange): RangeReader => {
    asked.push({ start, isDoubted })
    const ready = isDoubted ? bringBack(start) : Promise.resolve()
    return { infoHash, fileIndex: 0, end, lives: 0, waitFor: () => ready.then(() => end), progress: () => {}, release: () => {}, [Symbol.dispose]: () => {} }
  }
  const bytes = new AvailableBytes({ dataDir, reader }, { source: { infoHash, load: () => Promise.reject(new Error('known')) }, fileIndex: 0, start: 0, end })
  return { bytes, asked }
}
const openFiles = async () => (await Promise.all((await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')))).filter((path) => path.startsWith(dataDir)).length

it('reads stretches side by side, also across the end of a segment', async () => {
  await put(0, 1)
  await put(1, 2)
  const { bytes, asked } = open()
  const buffers = [Buffer.alloc(2 * half), Buffer.alloc(half)]
  const first = await bytes.begin(segmentBytes - half, buffers[0] as Buffer, 1_000)
  const second = await bytes.begin(segmentBytes, buffers[1] as Buffer, 1_000)
  await Promise.all([first.filled, second.filled])
  expect([first.count, second.count]).toEqual([half, half])
  expect(buffers[0]?.equals(Buffer.concat([Buffer.alloc(half, 1), Buffer.alloc(half)]))).toBe(true)
  expect(buffers[1]?.equals(Buffer.alloc(half, 2))).toBe(true)
  expect(asked).toEqual([{ start: 0, isDoubted: false }])
  bytes[Symbol.dispose]()
  await vi.waitFor(async () => expect(await openFiles()).toBe(0), 10_000)
})

it('asks again for stretches that are not there, the first of them first', async () => {
  const { bytes, asked } = open((start) => put(start < segmentBytes ? 0 : 1, 3))
  const buffers = [Buffer.alloc(half), Buffer.alloc(half)]
  const first = await bytes.begin(segmentBytes - half, buffers[0] as Buffer, 1_000)
  const second = await bytes.begin(segmentBytes, buffers[1] as Buffer, 1_000)
  await Promise.all([first.filled, second.filled])
  for (const buffer of buffers) expect(buffer.equals(Buffer.alloc(half, 3))).toBe(true)
  expect(asked).toEqual([{ start: 0, isDoubted: false }, { start: segmentBytes - half, isDoubted: true }, { start: segmentBytes, isDoubted: true }])
  bytes[Symbol.dispose]()
})

it('gives up what never comes, and asks for nothing once it is over', async () => {
  const { bytes, asked } = open()
  await expect(bytes.read(0, Buffer.alloc(half), 1_000)).rejects.toThrow('ENOENT')
  expect(asked.length).toBe(6)
  const { filled } = await bytes.begin(0, Buffer.alloc(half), 1_000)
  bytes[Symbol.dispose]()
  await expect(filled).rejects.toThrow('ENOENT')
  expect(asked.length).toBe(6)
})
