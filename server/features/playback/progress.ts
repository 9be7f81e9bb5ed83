import { and, eq } from 'drizzle-orm'
import type { z } from 'zod'
import { torrentFiles, torrents } from '../../../db/schema/index.ts'
import { EngineError, type EngineReply } from '../../engine/contract.ts'
import type { Authed, Ctx } from '../../kit/context.ts'
import { NotFound } from '../../kit/errors.ts'
import { missingBytes } from '../../lib/buffered.ts'
import type { FileProgress, ProgressQuery } from './contract.ts'

export type WatchedFile = { infoHash: string; fileIndex: number; sizeBytes: number; durationSeconds: number | null }
/** As the engine tells it: null while nobody plays the torrent, `down` while there is no engine. */
export type Buffered = EngineReply<'buffered'> | 'down'

/** From so many bytes on a player begins. */
const startBytes = 1024 * 1024

/** How a file comes in. @throws NotFound, also for titles that are not approved */
export async function fileProgress(ctx: Authed, { position, ...target }: z.infer<typeof ProgressQuery>): Promise<z.infer<typeof FileProgress>> {
  const file = await watchedFile(ctx, target)
  return toProgress(await askBuffered(ctx, file), file, position)
}

export async function watchedFile({ db }: Pick<Ctx, 'db'>, { torrentId, fileIndex }: { torrentId: string; fileIndex: number }): Promise<WatchedFile> {
  const [file] = await db
    .select({ infoHash: torrents.infoHash, fileIndex: torrentFiles.index, sizeBytes: torrentFiles.sizeBytes, durationSeconds: torrentFiles.durationSeconds })
    .from(torrents)
    .innerJoin(torrentFiles, and(eq(torrentFiles.torrentId, torrents.id), eq(torrentFiles.index, fileIndex)))
    .where(and(eq(torrents.id, torrentId), eq(torrents.state, 'approved')))
  if (!file) throw new NotFound('title or file')
  return file
}

/** @throws EngineError but for `unavailable`, which is an answer here */
export async function askBuffered({ engine }: Pick<Ctx, 'engine'>, { infoHash, fileIndex }: WatchedFile): Promise<Buffered> {
  if (!engine.alive()) return 'down'
  return engine.buffered({ infoHash, fileIndex }).catch((error: unknown) => {
    if (error instanceof EngineError && error.code === 'unavailable') return 'down'
    throw error
  })
}

/** What someone who stands at `position` is told. */
export function toProgress(found: Buffered, { sizeBytes, durationSeconds }: WatchedFile, position: number): z.infer<typeof FileProgress> {
  if (found === null || found === 'down') {
    return { state: sizeBytes === 0 ? 'complete' : found === null ? 'idle' : 'unavailable', peers: 0, downloadBytesPerSecond: 0, uploadBytesPerSecond: 0, buffered: [], secondsToPlay: null }
  }
  const { peers, downloadSpeed, uploadSpeed, stretches } = found
  const complete = missingBytes(stretches, 0, sizeBytes) === 0
  const missing = missingBytes(stretches, Math.min(position, sizeBytes), Math.min(position + startBytes, sizeBytes))
  const secondsAt = (byte: number) => (durationSeconds === null ? null : Math.round((byte / sizeBytes) * durationSeconds * 10) / 10)
  return {
    state: complete ? 'complete' : peers === 0 ? 'searching' : 'fetching',
    peers,
    downloadBytesPerSecond: Math.round(downloadSpeed),
    uploadBytesPerSecond: Math.round(uploadSpeed),
    buffered: stretches.map(({ start, end }) => ({ startByte: start, endByte: end, startSeconds: secondsAt(start), endSeconds: secondsAt(end) })),
    secondsToPlay: missing === 0 ? 0 : downloadSpeed > 0 ? Math.ceil((missing / downloadSpeed) * 10) / 10 : null,
  }
}
