import { and, eq, sql } from 'drizzle-orm'
import type { z } from 'zod'
import { torrentFiles, torrents, userPreferences, watchHistory } from '../../../db/schema/index.ts'
import type { Authed } from '../../kit/context.ts'
import { NotFound } from '../../kit/errors.ts'
import { isListed, summaryColumns, toSummaries } from '../catalogue/catalogue.ts'
import type { HistoryQuery, SetWatchPoint, WatchedFileRef, WatchHistoryPage } from './contract.ts'

/** So many files one person's history holds; the oldest go. */
export const mostWatched = 10_000
/** Nobody has begun who stands before this: what a start that failed tells, or a player that opened at the beginning, erases no position. */
export const begunSeconds = 10

/** The last watched first; files of titles that are not listed any more are left out. */
export async function watchHistoryOf(ctx: Authed, { unfinished, limit, cursor }: z.infer<typeof HistoryQuery>): Promise<z.infer<typeof WatchHistoryPage>> {
  const list = `history ${JSON.stringify([ctx.actor.userId, unfinished])}`
  const [before, beforeId, beforeIndex] = cursor === undefined ? [] : ctx.cursors.decode(list, cursor)
  const { fileIndex, positionSeconds, durationSeconds, finished, watchedAt, torrentId } = watchHistory
  const rows = await ctx.db
    .select({ torrent: summaryColumns, path: torrentFiles.path, fileIndex, positionSeconds, durationSeconds, finished, watchedAt })
    .from(watchHistory)
    .innerJoin(torrents, eq(torrents.id, torrentId))
    .innerJoin(torrentFiles, and(eq(torrentFiles.torrentId, torrentId), eq(torrentFiles.index, fileIndex)))
    .where(
      and(
        eq(watchHistory.userId, ctx.actor.userId),
        isListed,
        unfinished ? sql`not ${finished}` : undefined,
        before === undefined ? undefined : sql`(${watchedAt}, ${torrentId}, ${fileIndex}) < (${before}::timestamptz, ${beforeId}::uuid, ${beforeIndex}::integer)`,
      ),
    )
    .orderBy(...[watchedAt, torrentId, fileIndex].map((column) => sql`${column} desc nulls last`)) // as the indexes are made
    .limit(limit + 1)
  const shown = rows.slice(0, limit)
  const summaries = await toSummaries(ctx, shown.map(({ torrent }) => torrent))
  const items = shown.flatMap((row, at) => {
    const torrent = summaries[at]
    return torrent ? [{ ...row, torrent, watchedAt: row.watchedAt.toISOString() }] : []
  })
  const last = shown.at(-1)
  return { items, nextCursor: rows.length > limit && last ? ctx.cursors.encode(list, [last.watchedAt.toISOString(), last.torrent.id, last.fileIndex]) : null }
}

/**
 * Keeps a position, unless the person keeps no history. What is older than what is known changes nothing, nor does a start
 * that came to nothing. @throws NotFound, also for a title that is not listed
 */
export async function setWatchPoint(ctx: Authed, { torrentId, fileIndex, positionSeconds, durationSeconds, watchedAt }: z.infer<typeof SetWatchPoint>): Promise<void> {
  const { db, actor: { userId } } = ctx
  const now = ctx.now()
  const [target] = await db
    .select({ isKept: sql<boolean>`coalesce(${userPreferences.keepWatchHistory}, true)` })
    .from(torrents)
    .innerJoin(torrentFiles, and(eq(torrentFiles.torrentId, torrents.id), eq(torrentFiles.index, fileIndex)))
    .leftJoin(userPreferences, eq(userPreferences.userId, userId))
    .where(and(eq(torrents.id, torrentId), isListed))
  if (!target) throw new NotFound('title or file')
  if (!target.isKept) return
  const at = watchedAt !== undefined && new Date(watchedAt) < now ? new Date(watchedAt) : now
  const point = { positionSeconds: Math.min(positionSeconds, durationSeconds), durationSeconds, watchedAt: at }
  const [kept] = await db
    .insert(watchHistory)
    .values({ userId, torrentId, fileIndex, ...point })
    .onConflictDoUpdate({
      target: [watchHistory.userId, watchHistory.torrentId, watchHistory.fileIndex],
      set: point,
      setWhere: sql`excluded.watched_at >= ${watchHistory.watchedAt} and (excluded.position_seconds >= ${begunSeconds} or ${watchHistory.positionSeconds} < ${begunSeconds})`,
    })
    .returning({ isNew: sql<boolean>`xmax = 0` })
  if (kept?.isNew) await dropOldest(ctx)
}

async function dropOldest({ db, actor: { userId } }: Authed): Promise<void> {
  await db.execute(sql`
    delete from watch_history where (user_id, torrent_id, file_index) in (
      select user_id, torrent_id, file_index from watch_history where user_id = ${userId}
      order by watched_at desc nulls last, torrent_id desc nulls last, file_index desc nulls last offset ${mostWatched})`)
}

/** What is not there is gone already. */
export async function removeWatched({ db, actor }: Authed, { torrentId, fileIndex }: z.infer<typeof WatchedFileRef>): Promise<void> {
  await db.delete(watchHistory).where(and(eq(watchHistory.userId, actor.userId), eq(watchHistory.torrentId, torrentId), eq(watchHistory.fileIndex, fileIndex)))
}

export async function deleteHistory({ db, actor }: Authed): Promise<void> {
  await db.delete(watchHistory).where(eq(watchHistory.userId, actor.userId))
}
