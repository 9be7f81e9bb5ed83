import { and, eq, sql } from 'drizzle-orm'
import type { z } from 'zod'
import { favorites, torrents } from '../../../db/schema/index.ts'
import type { Authed } from '../../kit/context.ts'
import { Conflict } from '../../kit/errors.ts'
import { demandListed, isListed, summaryColumns, toSummaries } from '../catalogue/catalogue.ts'
import type { TorrentPage } from '../catalogue/contract.ts'
import type { FavoriteRef, FavoritesQuery } from './contract.ts'

/** So many titles one person can mark. */
export const mostFavorites = 5_000

/** The last added first; a title that is not listed any more is left out, and is back when it is restored. */
export async function listFavorites(ctx: Authed, { limit, cursor }: z.infer<typeof FavoritesQuery>): Promise<z.infer<typeof TorrentPage>> {
  const list = `favorites ${ctx.actor.userId}`
  const [before, beforeId] = cursor === undefined ? [] : ctx.cursors.decode(list, cursor)
  const rows = await ctx.db
    .select({ ...summaryColumns, addedAt: favorites.addedAt })
    .from(favorites)
    .innerJoin(torrents, eq(torrents.id, favorites.torrentId))
    .where(
      and(
        eq(favorites.userId, ctx.actor.userId),
        isListed,
        before === undefined ? undefined : sql`(${favorites.addedAt}, ${favorites.torrentId}) < (${before}::timestamptz, ${beforeId}::uuid)`,
      ),
    )
    .orderBy(sql`${favorites.addedAt} desc nulls last`, sql`${favorites.torrentId} desc nulls last`) // as the index is made
    .limit(limit + 1)
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  return { items: await toSummaries(ctx, shown), nextCursor: rows.length > limit && last ? ctx.cursors.encode(list, [last.addedAt.toISOString(), last.id]) : null }
}

/** Marking twice changes nothing. @throws NotFound, also for a title that is not listed. @throws Conflict when there are too many */
export async function addFavorite(ctx: Authed, { torrentId }: z.infer<typeof FavoriteRef>): Promise<void> {
  const { userId } = ctx.actor
  await demandListed(ctx.db, torrentId)
  const [known, count] = await Promise.all([
    ctx.db.select({ id: favorites.torrentId }).from(favorites).where(and(eq(favorites.userId, userId), eq(favorites.torrentId, torrentId))),
    ctx.db.$count(favorites, eq(favorites.userId, userId)),
  ])
  if (known.length > 0) return
  if (count >= mostFavorites) throw new Conflict(`There are ${mostFavorites} favourites already.`, 'too_many_favorites')
  await ctx.db.insert(favorites).values({ userId, torrentId, addedAt: ctx.now() }).onConflictDoNothing()
}

/** Taking off what is not there changes nothing. */
export async function removeFavorite({ db, actor }: Authed, { torrentId }: z.infer<typeof FavoriteRef>): Promise<void> {
  await db.delete(favorites).where(and(eq(favorites.userId, actor.userId), eq(favorites.torrentId, torrentId)))
}
