import { and, eq, inArray } from 'drizzle-orm'
import type { z } from 'zod'
import { playbackLinks, torrentFiles, torrents } from '../../../db/schema/index.ts'
import type { Authed } from '../../kit/context.ts'
import { NotFound } from '../../kit/errors.ts'
import { playableOf } from '../../lib/media-types.ts'
import type { PlaybackLink, PlaybackTarget } from './contract.ts'
import { examineNow } from './examine-file.ts'
import { linkLife } from './links.ts'
import { ticketFor } from './tickets.ts'

export { examineLargest } from './examine-file.ts'

/** A link to watch a file of an approved title. @throws NotFound, also for titles that are not approved. */
export const startPlayback = (ctx: Authed, target: z.infer<typeof PlaybackTarget>) => makeLink(ctx, target, 'viewer')

/** A link for staff to look at a title before deciding (control D1): of its own kind, and audited. */
export const startPreview = (ctx: Authed, target: z.infer<typeof PlaybackTarget>) => makeLink(ctx, target, 'preview')

async function makeLink(ctx: Authed, { torrentId, fileIndex }: z.infer<typeof PlaybackTarget>, kind: 'viewer' | 'preview'): Promise<z.infer<typeof PlaybackLink>> {
  const states = kind === 'preview' ? (['approved', 'pending'] as const) : (['approved'] as const)
  const [file] = await ctx.db
    .select({ path: torrentFiles.path, sizeBytes: torrentFiles.sizeBytes, mimeType: torrentFiles.mimeType, playable: torrentFiles.playable })
    .from(torrents)
    .innerJoin(torrentFiles, and(eq(torrentFiles.torrentId, torrents.id), eq(torrentFiles.index, fileIndex)))
    .where(and(eq(torrents.id, torrentId), inArray(torrents.state, [...states])))
  if (!file) throw new NotFound('title or file')

  const id = ctx.newId()
  const createdAt = ctx.now()
  const expiresAt = new Date(createdAt.getTime() + linkLife.unusedMinutes * 60_000)
  await ctx.db.transaction(async (tx) => {
    await tx.insert(playbackLinks).values({ id, kind, userId: ctx.actor.userId, sessionId: ctx.actor.sessionId, torrentId, fileIndex, createdAt, expiresAt })
    await examineNow(ctx, tx, { torrentId, fileIndex })
    if (kind === 'preview') await ctx.audit(tx, { action: 'torrent.preview', target: { kind: 'torrent', id: torrentId }, details: { fileIndex } })
  })
  return {
    url: `${ctx.publicUrl()}/api/v1/stream/${ticketFor(ctx.keys, id)}/${safeFileName(file.path)}`,
    expiresAt: expiresAt.toISOString(),
    mimeType: file.mimeType,
    sizeBytes: file.sizeBytes,
    playable: file.playable ?? playableOf(file.path),
  }
}

/** The last part of a path as URLs and headers bear it: what a player shows and takes the type from. */
export function safeFileName(path: string): string {
  const name = (path.split('/').at(-1) ?? '').normalize('NFKD').replace(/[^\w.-]+/g, '_')
  const [stem, extension] = [name.replace(/\.[^.]*$/, ''), /\.(\w{1,10})$/.exec(name)?.[1]]
  return (stem.slice(0, 80) || 'file') + (extension ? `.${extension}` : '')
}
