import { eq } from 'drizzle-orm'
import { LRUCache } from 'lru-cache'
import { torrentFiles } from '../../../db/schema/index.ts'
import type { Deps } from '../../kit/context.ts'
import { NotFound } from '../../kit/errors.ts'
import { subtitlesOf, type SubtitleFile } from '../../lib/subtitle-files.ts'
import { convertSubtitles, mostSubtitleBytes, unreadable } from './convert-subtitles.ts'
import type { LiveLink } from './links.ts'

export type SubtitleSource = { torrentId: string; infoHash: string; fileIndex: number; sizeBytes: number; format: SubtitleFile['format'] }

/** The subtitles of the link's own file, and of no other. @throws NotFound; AppError 422 subtitles_unreadable for one too large */
export async function findSubtitles({ db }: Pick<Deps, 'db'>, { torrentId, infoHash, fileIndex }: LiveLink, wanted: number): Promise<SubtitleSource> {
  const { index, path, sizeBytes } = torrentFiles
  const files = await db.select({ index, path, sizeBytes }).from(torrentFiles).where(eq(torrentFiles.torrentId, torrentId))
  const subtitles = subtitlesOf(files, fileIndex).find((one) => one.index === wanted)
  const file = files.find((one) => one.index === wanted)
  if (!subtitles || !file) throw new NotFound('subtitle')
  if (file.sizeBytes > mostSubtitleBytes) throw unreadable('the file is too large')
  return { torrentId, infoHash, fileIndex: wanted, sizeBytes: file.sizeBytes, format: subtitles.format }
}

/** Reads and converts each file once while it is asked for, by however many at once. */
export function createSubtitleCache(read: (source: SubtitleSource) => Promise<Uint8Array>): (source: SubtitleSource) => Promise<string> {
  const known = new LRUCache<string, string>({ maxSize: 16 * 1024 * 1024, sizeCalculation: (vtt) => vtt.length + 1 })
  const making = new Map<string, Promise<string>>()
  return async (source) => {
    const key = `${source.infoHash}/${source.fileIndex}`
    const vtt = known.get(key)
    if (vtt !== undefined) return vtt
    const made = making.get(key) ?? read(source).then((bytes) => convertSubtitles(bytes, source.format)).finally(() => making.delete(key))
    making.set(key, made)
    const fresh = await made
    known.set(key, fresh)
    return fresh
  }
}
