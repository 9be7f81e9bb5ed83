import { asc, eq } from 'drizzle-orm'
import type { Db, Tx } from '../../../db/client.ts'
import { favorites, torrents, userPreferences, watchHistory } from '../../../db/schema/index.ts'
import { preferencesOf } from './preferences.ts'

/** What a person's library holds, for the copy of their data. */
export async function exportLibrary(db: Db, userId: string) {
  const { title, infoHash } = torrents
  const { fileIndex, positionSeconds, durationSeconds, watchedAt } = watchHistory
  return {
    preferences: await preferencesOf(db, userId),
    favorites: await db.select({ title, infoHash, addedAt: favorites.addedAt }).from(favorites).innerJoin(torrents, eq(torrents.id, favorites.torrentId)).where(eq(favorites.userId, userId)).orderBy(asc(favorites.addedAt)),
    watched: await db
      .select({ title, infoHash, fileIndex, positionSeconds, durationSeconds, watchedAt })
      .from(watchHistory)
      .innerJoin(torrents, eq(torrents.id, watchHistory.torrentId))
      .where(eq(watchHistory.userId, userId))
      .orderBy(asc(watchedAt)),
  }
}

/** Deletes it all: the person is to be forgotten. */
export async function forgetLibrary(tx: Tx, userId: string): Promise<void> {
  await tx.delete(favorites).where(eq(favorites.userId, userId))
  await tx.delete(watchHistory).where(eq(watchHistory.userId, userId))
  await tx.delete(userPreferences).where(eq(userPreferences.userId, userId))
}
