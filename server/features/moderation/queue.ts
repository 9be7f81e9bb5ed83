import { and, asc, eq, sql } from 'drizzle-orm'
import type { z } from 'zod'
import { torrents } from '../../../db/schema/index.ts'
import type { Authed } from '../../kit/context.ts'
import { NotFound } from '../../kit/errors.ts'
import { filesOf } from '../catalogue/catalogue.ts'
import type { TorrentRef } from '../catalogue/contract.ts'
import type { AdminTorrent, AdminTorrentDetails, AdminTorrentPage, QueueQuery } from './contract.ts'

/** What staff see of a title in a list. */
export const adminColumns = {
  id: torrents.id,
  title: torrents.title,
  category: torrents.categoryId,
  language: torrents.language,
  licence: torrents.licence,
  source: torrents.source,
  state: torrents.state,
  infoHash: torrents.infoHash,
  sizeBytes: torrents.sizeBytes,
  seeders: torrents.seeders,
  leechers: torrents.leechers,
  createdAt: torrents.createdAt,
  verifiedAt: torrents.verifiedAt,
  approvedAt: torrents.approvedAt,
  decidedAt: torrents.decidedAt,
  decisionReason: torrents.decisionReason,
}

type Dates = 'createdAt' | 'verifiedAt' | 'approvedAt' | 'decidedAt'
type Row = Omit<z.infer<typeof AdminTorrent>, Dates> & { createdAt: Date } & Record<Exclude<Dates, 'createdAt'>, Date | null>

export function toAdminTorrent(row: Row): z.infer<typeof AdminTorrent> {
  const time = (date: Date | null) => date?.toISOString() ?? null
  return { ...row, createdAt: row.createdAt.toISOString(), verifiedAt: time(row.verifiedAt), approvedAt: time(row.approvedAt), decidedAt: time(row.decidedAt) }
}

/** Titles in a state, the oldest first: what waits longest is decided first. */
export async function listByState(ctx: Authed, { state, limit, cursor }: z.infer<typeof QueueQuery>): Promise<z.infer<typeof AdminTorrentPage>> {
  const list = `admin torrents ${state}`
  const [after, afterId] = cursor === undefined ? [] : ctx.cursors.decode(list, cursor)
  const rows = await ctx.db
    .select(adminColumns)
    .from(torrents)
    .where(and(eq(torrents.state, state), after === undefined ? undefined : sql`(${torrents.createdAt}, ${torrents.id}) > (${after}::timestamptz, ${afterId}::uuid)`))
    .orderBy(asc(torrents.createdAt), asc(torrents.id))
    .limit(limit + 1)
  const items = rows.slice(0, limit).map(toAdminTorrent)
  const last = items.at(-1)
  return { items, nextCursor: rows.length > limit && last ? ctx.cursors.encode(list, [last.createdAt, last.id]) : null }
}

/** A title in any state. @throws NotFound */
export async function adminTorrent({ db }: Authed, { torrentId }: z.infer<typeof TorrentRef>): Promise<z.infer<typeof AdminTorrentDetails>> {
  const { description, sourceUrl, posterUrl, decisionNote, trackers } = torrents
  const [[row], files] = await Promise.all([
    db.select({ ...adminColumns, description, sourceUrl, posterUrl, decisionNote, trackers }).from(torrents).where(eq(torrents.id, torrentId)),
    filesOf(db, torrentId),
  ])
  if (!row) throw new NotFound('title')
  return { ...toAdminTorrent(row), ...detailsOf(row), trackers: row.trackers.map(withoutPasskey), files }
}

const detailsOf = ({ description, sourceUrl, posterUrl, decisionNote }: { description: string | null; sourceUrl: string | null; posterUrl: string | null; decisionNote: string | null }) => ({
  description,
  sourceUrl,
  posterUrl,
  decisionNote,
})

function withoutPasskey(tracker: string): string {
  const { protocol, host } = new URL(tracker)
  return `${protocol}//${host}`
}
