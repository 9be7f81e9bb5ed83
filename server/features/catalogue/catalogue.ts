import { and, asc, eq, gt, sql } from 'drizzle-orm'
import type { z } from 'zod'
import { categories, torrentFiles, torrents } from '../../../db/schema/index.ts'
import type { Ctx } from '../../kit/context.ts'
import { NotFound } from '../../kit/errors.ts'
import { playableOf } from '../../lib/media-types.ts'
import { subtitlesToFilms } from '../../lib/subtitle-files.ts'
import type { CategoryList, LatestQuery, TorrentDetails, TorrentPage, TorrentRef } from './contract.ts'
import { isListed, summaryColumns, toSummaries, toSummary } from './listed.ts'
import { statesOf } from './own-states.ts'
import { publicMagnet } from './public-magnet.ts'

export { demandListed, isListed, summaryColumns, toSummaries } from './listed.ts'

export async function listCategories({ db }: Ctx): Promise<z.infer<typeof CategoryList>> {
  return { items: await db.select({ id: categories.id, label: categories.label }).from(categories).orderBy(asc(categories.position), asc(categories.id)) }
}

const days = { day: 1, week: 7, month: 30 }

/** Approved titles, the newest approval first. */
export async function latestTorrents(ctx: Ctx, { category, timeframe, limit, cursor }: z.infer<typeof LatestQuery>): Promise<z.infer<typeof TorrentPage>> {
  const list = `latest ${JSON.stringify([category, timeframe])}`
  const [before, beforeId] = cursor === undefined ? [] : ctx.cursors.decode(list, cursor)
  const rows = await ctx.db
    .select(summaryColumns)
    .from(torrents)
    .where(
      and(
        isListed,
        category === undefined ? undefined : eq(torrents.categoryId, category),
        timeframe === 'all' ? undefined : gt(torrents.approvedAt, new Date(ctx.now().getTime() - days[timeframe] * 86_400_000)),
        before === undefined ? undefined : sql`(${torrents.approvedAt}, ${torrents.id}) < (${before}::timestamptz, ${beforeId}::uuid)`,
      ),
    )
    // as the index is made: without "nulls last" Postgres sorts every approved title anew
    .orderBy(sql`${torrents.approvedAt} desc nulls last`, sql`${torrents.id} desc nulls last`)
    .limit(limit + 1)
  const items = await toSummaries(ctx, rows.slice(0, limit))
  const last = items.at(-1)
  return { items, nextCursor: rows.length > limit && last ? ctx.cursors.encode(list, [last.approvedAt, last.id]) : null }
}

/** @throws NotFound, also for a title that is not, or no longer, approved. */
export async function torrentDetails(ctx: Ctx, { torrentId }: z.infer<typeof TorrentRef>): Promise<z.infer<typeof TorrentDetails>> {
  const { description, source, sourceUrl, infoHash, trackers } = torrents
  const { db } = ctx
  const [[row], files, states] = await Promise.all([
    db.select({ ...summaryColumns, description, source, sourceUrl, infoHash, trackers }).from(torrents).where(and(eq(torrents.id, torrentId), isListed)),
    filesOf(db, torrentId),
    statesOf(ctx, [torrentId]),
  ])
  if (!row) throw new NotFound('title')
  const { isFavorite, watched } = states(torrentId)
  return {
    ...toSummary(row),
    isFavorite,
    watch: watched[0] ?? null,
    description: row.description,
    source: row.source,
    sourceUrl: row.sourceUrl,
    infoHash: row.infoHash,
    magnetUri: publicMagnet(row.infoHash, row.title, row.trackers),
    files,
    watched,
  }
}

/** The verified files of a title, as every page about it shows them. */
export async function filesOf(db: Ctx['db'], torrentId: string): Promise<z.infer<typeof TorrentDetails>['files']> {
  const { index, path, sizeBytes, mimeType, playable, durationSeconds } = torrentFiles
  const files = await db.select({ index, path, sizeBytes, mimeType, playable, durationSeconds }).from(torrentFiles).where(eq(torrentFiles.torrentId, torrentId)).orderBy(asc(index))
  const films = subtitlesToFilms(files)
  return files.map((file) => ({ ...file, playable: file.playable ?? playableOf(file.path), subtitleOf: films.get(file.index) ?? null }))
}
