import { z } from 'zod'
import { Bytes, Id, line, page, paging, Time } from '../../kit/zod.ts'
import type { Playable as PlayableKind } from '../../lib/media-types.ts'

export const CategoryId = z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, 'must be the id of a category')
export const Category = z.object({ id: z.string(), label: z.string() }).meta({ id: 'TorrentCategory' })
export const CategoryList = z.object({ items: z.array(Category) }).meta({ id: 'CategoryList' })

export const Timeframe = z.enum(['day', 'week', 'month', 'all']).meta({ id: 'Timeframe' })
export const LatestQuery = z.strictObject({ category: CategoryId.optional(), timeframe: Timeframe.default('all'), ...paging })

export const TorrentSort = z.enum(['relevance', 'newest', 'title', 'size', 'seeders']).meta({ id: 'TorrentSort' })
export const SearchQuery = z.strictObject({
  q: line(200).optional().describe('Words; the last may be unfinished. "A phrase", or, and -without are understood. Absent: all titles that pass the filters.'),
  category: CategoryId.optional(),
  licence: line(100).optional(),
  sort: TorrentSort.default('relevance').describe('Newest, largest and best seeded first; titles from A to Z. Relevance without words is newest.'),
  ...paging,
})

const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER)

export const WatchPoint = z
  .object({
    fileIndex: count,
    positionSeconds: z.number().min(0),
    durationSeconds: z.number().min(0),
    finished: z.boolean().describe('Nine tenths were watched.'),
    watchedAt: Time,
  })
  .meta({ id: 'WatchPoint', description: 'How far somebody is in a file' })

const summary = {
  id: Id,
  title: z.string(),
  category: z.string().describe('The id of a category'),
  language: z.string().nullable(),
  licence: z.string().nullable(),
  sizeBytes: Bytes,
  seeders: count.nullable(),
  leechers: count.nullable(),
  createdAt: Time,
  approvedAt: Time,
  isFavorite: z.boolean().describe('The caller’s own; false for who is not signed in.'),
  watch: WatchPoint.nullable().describe('Where the caller stands in the file of it that they watched last.'),
}
export const TorrentSummary = z.object(summary).meta({ id: 'TorrentSummary' })
export const TorrentPage = z.object(page(TorrentSummary)).meta({ id: 'TorrentPage' })

export const TorrentRef = z.strictObject({ torrentId: Id })

export const Playable = z
  .enum(['direct', 'external_player', 'no'] satisfies PlayableKind[])
  .meta({
    id: 'Playable',
    description:
      'direct: the players of Android (ExoPlayer) and of browsers play it themselves, and that of iOS (AVPlayer) too unless it is WebM or Ogg. ' +
      'external_player: media for a player such as VLC or mpv. no: nothing to play. Guessed from the name until the file has been looked into, soon after approval or its first playback.',
  })
export const TorrentFile = z
  .object({
    index: count,
    path: z.string(),
    sizeBytes: Bytes,
    mimeType: z.string(),
    playable: Playable,
    subtitleOf: count.nullable().describe('Of a subtitle file: the index of its film, as far as names tell it'),
    durationSeconds: z.number().min(0).nullable().describe('Null until the file has been looked into, and where only reading all of it would tell'),
  })
  .meta({ id: 'TorrentFile' })

export const TorrentDetails = z
  .object({
    ...summary,
    description: z.string().nullable(),
    source: z.string(),
    sourceUrl: z.string().nullable(),
    infoHash: z.string(),
    magnetUri: z.string().describe('Without the trackers that carry a passkey'),
    files: z.array(TorrentFile),
    watched: z.array(WatchPoint).describe('Where the caller stands in each file that they have begun, the last watched first.'),
  })
  .meta({ id: 'TorrentDetails' })
