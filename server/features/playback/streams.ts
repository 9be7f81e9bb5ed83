import { and, desc, eq, gt, isNull, sql } from 'drizzle-orm'
import type { z } from 'zod'
import { liveStreams, playbackLinks, torrentFiles, torrents, users } from '../../../db/schema/index.ts'
import type { Authed } from '../../kit/context.ts'
import { NotFound } from '../../kit/errors.ts'
import type { JobHandler } from '../../kit/jobs.ts'
import { announce } from '../../kit/revocations.ts'
import type { ActiveStreamPage, StreamQuery, StreamRef } from './contract.ts'
import { isInFlight } from './stream-rows.ts'

const list = 'streams'
const id = sql<string>`(${liveStreams.linkId}::text || '.' || ${liveStreams.fileIndex})`
const startedAt = sql`min(${liveStreams.startedAt})`.mapWith(liveStreams.startedAt)

/** What is watched now on every node, the latest begun first; by whom, as the audit log calls them (control E2). */
export async function activeStreams(ctx: Authed, { limit, cursor }: z.infer<typeof StreamQuery>): Promise<z.infer<typeof ActiveStreamPage>> {
  const [before, beforeId] = cursor === undefined ? [] : ctx.cursors.decode(list, cursor)
  const { linkId, fileIndex } = liveStreams
  const rows = await ctx.db
    .select({
      id,
      viewer: users.pseudonym,
      kind: playbackLinks.kind,
      torrentId: torrents.id,
      title: torrents.title,
      fileIndex,
      path: torrentFiles.path,
      startedAt,
      bytesSent: sql`sum(${liveStreams.bytesSent})`.mapWith(Number),
      bytesPerSecond: sql`sum(${liveStreams.bytesPerSecond})`.mapWith(Number),
    })
    .from(liveStreams)
    .innerJoin(playbackLinks, eq(playbackLinks.id, linkId))
    .innerJoin(users, eq(users.id, playbackLinks.userId))
    .innerJoin(torrents, eq(torrents.id, playbackLinks.torrentId))
    .innerJoin(torrentFiles, and(eq(torrentFiles.torrentId, torrents.id), eq(torrentFiles.index, fileIndex)))
    .where(isInFlight(ctx))
    // one row a stream, also where several nodes serve its ranges
    .groupBy(linkId, fileIndex, users.pseudonym, playbackLinks.kind, torrents.id, torrents.title, torrentFiles.path)
    .having(before === undefined ? undefined : sql`(${startedAt}, ${id}) < (${before}::timestamptz, ${beforeId}::text)`)
    .orderBy(desc(startedAt), desc(id))
    .limit(limit + 1)
  const items = rows.slice(0, limit).map((row) => ({ ...row, startedAt: row.startedAt.toISOString() }))
  const last = items.at(-1)
  return { items, nextCursor: rows.length > limit && last ? ctx.cursors.encode(list, [last.startedAt, last.id]) : null }
}

/** Ends the link of a stream, and so whatever is read by it, on every node within a second. @throws NotFound, also once it has ended */
export async function endStream(ctx: Authed, { streamId }: z.infer<typeof StreamRef>): Promise<void> {
  const [linkId = ''] = streamId.split('.')
  const now = ctx.now()
  await ctx.db.transaction(async (tx) => {
    const [link] = await tx
      .update(playbackLinks)
      .set({ endedAt: now })
      .where(and(eq(playbackLinks.id, linkId), isNull(playbackLinks.endedAt), gt(playbackLinks.expiresAt, now)))
      .returning({ torrentId: playbackLinks.torrentId })
    if (!link) throw new NotFound('stream')
    await announce(tx, { kind: 'link', id: linkId })
    await ctx.audit(tx, { action: 'stream.end', target: { kind: 'playback', id: linkId }, details: { torrentId: link.torrentId } })
  })
}

/** Takes away the links that died a day ago or more: they say who watched what, and nothing needs them. */
export const purgeLinks: JobHandler = async ({ db, now }) => {
  await db.execute(sql`select purge_playback_links(${now().toISOString()}::timestamptz)`)
}
