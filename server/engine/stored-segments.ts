import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { segmentOfName, type SegmentOfFile } from './segments.ts'

/** A segment as it lies on disk. */
export interface StoredSegment extends SegmentOfFile {
  readonly name: string
  readonly size: number
  readonly changedNs: bigint
}

/** What lies in a torrent's folder; nothing when there is none. Asks for a few files at a time, so that others get their turn. */
export async function storedSegments(folder: string): Promise<StoredSegment[]> {
  const names = await readdir(folder).catch(() => [])
  const found: StoredSegment[] = []
  for (let at = 0; at < names.length; at += 16) {
    const some = await Promise.all(names.slice(at, at + 16).map((name) => storedSegment(folder, name)))
    found.push(...some.filter((segment) => segment !== null))
  }
  return found
}

/** Null when it is not there, or is no segment. */
export async function storedSegment(folder: string, name: string): Promise<StoredSegment | null> {
  const segment = segmentOfName(name)
  if (!segment) return null
  const found = await stat(join(folder, name), { bigint: true }).catch(() => null)
  return found?.isFile() ? { ...segment, name, size: Number(found.size), changedNs: found.mtimeNs } : null
}
