import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../kit/errors.ts'
import { segmentSpans } from '../../engine/segments.ts'
import type { LiveLink } from './links.ts'

const blockBytes = 512

/**
 * Refuses to start a file for which the budget of bytes on disk has no room (control D7).
 * @throws AppError 503 storage_full
 */
export async function demandRoom(engineDataDir: string, cacheBytes: number, file: Pick<LiveLink, 'infoHash' | 'fileIndex' | 'sizeBytes'>): Promise<void> {
  const segments = segmentSpans(file.infoHash, { fileIndex: file.fileIndex, offset: 0, length: file.sizeBytes })
  const there = sum(await Promise.all(segments.map(({ path }) => allocated(join(engineDataDir, path)))))
  if (there >= file.sizeBytes) return
  if ((await storedBytes(engineDataDir)) + file.sizeBytes - there > cacheBytes) {
    throw new AppError(503, 'storage_full', 'There is no room on the server to play this just now.', { headers: { 'retry-after': '60' }, detail: 'CACHE_BYTES is used up' })
  }
}

/** Bytes that all torrents take on disk. Segments are sparse while they fill, so blocks are counted, not lengths. */
async function storedBytes(engineDataDir: string): Promise<number> {
  const names = await readdir(engineDataDir, { recursive: true }).catch(() => [])
  return sum(await Promise.all(names.map((name) => allocated(join(engineDataDir, name)))))
}

async function allocated(path: string): Promise<number> {
  const found = await stat(path).catch(() => null)
  return found?.isFile() ? found.blocks * blockBytes : 0
}

const sum = (numbers: number[]): number => numbers.reduce((total, n) => total + n, 0)
