import { eq } from 'drizzle-orm'
import type { z } from 'zod'
import { torrents } from '../../../db/schema/index.ts'
import type { TorrentSummary } from './contract.ts'

/** What everyone who browses may see; also what the partial indexes hold. */
export const isListed = eq(torrents.state, 'approved')

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

type Row = Omit<z.infer<typeof TorrentSummary>, 'sizeBytes' | 'createdAt' | 'approvedAt'> & { sizeBytes: number | null; createdAt: Date; approvedAt: Date | null }

/** An approved title has a size and a date of approval: the table's checks say so. */
export function toSummary({ id, title, category, language, licence, sizeBytes, seeders, leechers, createdAt, approvedAt }: Row): z.infer<typeof TorrentSummary> {
  const dates = { createdAt: createdAt.toISOString(), approvedAt: (approvedAt ?? createdAt).toISOString() }
  return { id, title, category, language, licence, sizeBytes: sizeBytes ?? 0, seeders, leechers, ...dates }
}
