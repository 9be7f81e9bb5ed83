import { eq } from 'drizzle-orm'
import type { z } from 'zod'
import type { Db } from '../../../db/client.ts'
import { torrents } from '../../../db/schema/index.ts'
import type { Ctx } from '../../kit/context.ts'
import { NotFound } from '../../kit/errors.ts'
import type { TorrentSummary } from './contract.ts'
import { statesOf } from './own-states.ts'

/** What everyone who browses may see; also what the partial indexes hold. */
export const isListed = eq(torrents.state, 'approved')

/** @throws NotFound for a title that nobody who browses may see */
export async function demandListed(db: Db, torrentId: string): Promise<void> {
  const [row] = await db.select({ state: torrents.state }).from(torrents).where(eq(torrents.id, torrentId))
  if (row?.state !== 'approved') throw new NotFound('title')
}

/** The columns of a line in a list. */
export const summaryColumns = {
  id: torrents.id,
  title: torrents.title,
  category: torrents.categoryId,
  language: torrents.language,
  licence: torrents.licence,
  sizeBytes: torrents.sizeBytes,
  seeders: torrents.seeders,
  leechers: torrents.leechers,
  createdAt: torrents.createdAt,
  approvedAt: torrents.approvedAt,
}

type Summary = z.infer<typeof TorrentSummary>
type Row = Omit<Summary, 'sizeBytes' | 'createdAt' | 'approvedAt' | 'isFavorite' | 'watch'> & { sizeBytes: number | null; createdAt: Date; approvedAt: Date | null }

/** Rows of a list as the caller sees them, with what they have made of each: one query more, however long the list. */
export async function toSummaries(ctx: Pick<Ctx, 'db' | 'actor'>, rows: readonly Row[]): Promise<Summary[]> {
  const states = await statesOf(ctx, rows.map(({ id }) => id))
  return rows.map((row) => {
    const { isFavorite, watched } = states(row.id)
    return { ...toSummary(row), isFavorite, watch: watched[0] ?? null }
  })
}

/** An approved title has a size and a date of approval: the table's checks say so. */
export function toSummary({ id, title, category, language, licence, sizeBytes, seeders, leechers, createdAt, approvedAt }: Row): Omit<Summary, 'isFavorite' | 'watch'> {
  const dates = { createdAt: createdAt.toISOString(), approvedAt: (approvedAt ?? createdAt).toISOString() }
  return { id, title, category, language, licence, sizeBytes: sizeBytes ?? 0, seeders, leechers, ...dates }
}
