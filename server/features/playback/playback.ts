import { and, eq, inArray } from 'drizzle-orm'
import type { z } from 'zod'
import { torrentFiles, torrents } from '../../../db/schema/index.ts'
import type { Authed } from '../../kit/context.ts'
import { NotFound } from '../../kit/errors.ts'
import { playableOf } from '../../lib/media-types.ts'
import { subtitlesOf } from '../../lib/subtitle-files.ts'
import type { PlaybackLink, PlaybackTarget } from './contract.ts'
import { examineNow } from './examine-file.ts'
import { insertLink, renewLink } from './links.ts'
import { torrentSource } from './source.ts'
import { demandFreeStream } from './stream-rows.ts'
import { playlistUrl, streamUrl, subtitlesUrl } from './urls.ts'

export { examineLargest } from './examine-file.ts'

/** How long peers are kept for a player that does not come. */
const warmMs = 20_000

/** A link to watch a file of an approved title. @throws NotFound, also for titles that are not approved; 429 too_many_streams */
export const startPlayback = (ctx: Authed, target: z.infer<typeof PlaybackTarget>) => makeLink(ctx, target, 'viewer')

/** A link for staff to look at a title before deciding (control D1): of its own kind, and audited. */
export const startPreview = (ctx: Authed, target: z.infer<typeof PlaybackTarget>) => makeLink(ctx, target, 'preview')

async function makeLink(ctx: Authed, { torrentId, fileIndex }: z.infer<typeof PlaybackTarget>, kind: 'viewer' | 'preview'): Promise<z.infer<typeof PlaybackLink>> {
  const states = kind === 'preview' ? (['approved', 'pending'] as const) : (['approved'] as const)
  const files = await ctx.db
    .select({ infoHash: torrents.infoHash, index: torrentFiles.index, path: torrentFiles.path, sizeBytes: torrentFiles.sizeBytes, mimeType: torrentFiles.mimeType, playable: torrentFiles.playable })
    .from(torrents)
    .innerJoin(torrentFiles, eq(torrentFiles.torrentId, torrents.id))
    .where(and(eq(torrents.id, torrentId), inArray(torrents.state, [...states])))
  const file = files.find(({ index }) => index === fileIndex)
  if (!file) throw new NotFound('title or file')
  const { userId, sessionId } = ctx.actor

  const { id, expiresAt } = await ctx.db.transaction(async (tx) => {
    const wanted = { sessionId, torrentId, fileIndex, kind }
    const again = await renewLink(ctx, tx, wanted)
    await demandFreeStream(ctx, tx, userId, again ? { linkId: again.id, fileIndex } : {})
    const link = again ?? (await insertLink(ctx, tx, { ...wanted, userId }))
    await examineNow(ctx, tx, { torrentId, fileIndex })
    if (kind === 'preview') await ctx.audit(tx, { action: 'torrent.preview', target: { kind: 'torrent', id: torrentId }, details: { fileIndex } })
    return link
  })
  // The player comes in a moment: by then peers are connected. Where that fails, it starts as slowly as without.
  warm(ctx, { torrentId, infoHash: file.infoHash }).catch(() => {})
  const ticket = { linkId: id, fileIndex: null }
  return {
    url: streamUrl(ctx, ticket, file.path),
    expiresAt: expiresAt.toISOString(),
    mimeType: file.mimeType,
    sizeBytes: file.sizeBytes,
    playable: file.playable ?? playableOf(file.path),
    subtitles: subtitlesOf(files, fileIndex).map(({ index, language, label }) => ({ language, label, url: subtitlesUrl(ctx, ticket, index) })),
    playlistUrl: playlistUrl(ctx, ticket),
  }
}

async function warm(ctx: Pick<Authed, 'db' | 'engine'>, title: { torrentId: string; infoHash: string }): Promise<void> {
  await ctx.engine.warm(torrentSource(ctx, title), warmMs)
  // it may have been withdrawn between the question and the call, and its data removed before it (control D1)
  const [shown] = await ctx.db.select({ id: torrents.id }).from(torrents).where(and(eq(torrents.id, title.torrentId), inArray(torrents.state, ['pending', 'approved'])))
  if (!shown) await ctx.engine.remove(title.infoHash)
}
