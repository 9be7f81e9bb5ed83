import { and, desc, eq, inArray } from 'drizzle-orm'
import type { z } from 'zod'
import { favorites, watchHistory } from '../../../db/schema/index.ts'
import type { Ctx } from '../../kit/context.ts'
import type { WatchPoint } from './contract.ts'

type State = { isFavorite: boolean; /** The last watched first. */ watched: z.infer<typeof WatchPoint>[] }
const none: State = { isFavorite: false, watched: [] }

/** What the caller has made of each of these titles. */
export async function statesOf({ db, actor }: Pick<Ctx, 'db' | 'actor'>, ids: readonly string[]): Promise<(id: string) => State> {
  if (actor.kind !== 'user' || ids.length === 0) return () => none
  const { torrentId, fileIndex, positionSeconds, durationSeconds, finished, watchedAt } = watchHistory
  const [marked, points] = await Promise.all([
    db.select({ id: favorites.torrentId }).from(favorites).where(and(eq(favorites.userId, actor.userId), inArray(favorites.torrentId, [...ids]))),
    db
      .select({ torrentId, fileIndex, positionSeconds, durationSeconds, finished, watchedAt })
      .from(watchHistory)
      .where(and(eq(watchHistory.userId, actor.userId), inArray(torrentId, [...ids])))
      .orderBy(desc(watchedAt)),
  ])
  const favoriteIds = new Set(marked.map(({ id }) => id))
  const byTitle = Map.groupBy(points, (point) => point.torrentId)
  return (id) => ({
    isFavorite: favoriteIds.has(id),
    watched: (byTitle.get(id) ?? []).map(({ torrentId: _, watchedAt: at, ...point }) => ({ ...point, watchedAt: at.toISOString() })),
  })
}
