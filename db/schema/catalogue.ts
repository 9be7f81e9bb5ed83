import { sql } from 'drizzle-orm'
import { bigint, check, doublePrecision, index, integer, jsonb, pgTable, primaryKey, smallint, text, uuid } from 'drizzle-orm/pg-core'
import { bytes, moment, searchVector } from './columns.ts'

export const categories = pgTable('categories', {
  id: text('id').primaryKey(),
  label: text('label').notNull(),
  position: smallint('position').notNull(),
})

/** A title: one torrent that was offered to the catalogue, with what moderators decided about it. */
export const torrents = pgTable(
  'torrents',
  {
    id: uuid('id').primaryKey(),
    /** BEP 3 info-hash, 40 lower-case hex digits. */
    infoHash: text('info_hash').notNull().unique(),
    title: text('title').notNull(),
    description: text('description'),
    categoryId: text('category_id')
      .notNull()
      .references(() => categories.id),
    language: text('language'),
    licence: text('licence'),
    source: text('source').notNull(),
    sourceUrl: text('source_url'),
    /** Where the source says a picture is. Nothing fetches it yet, and it never leaves for viewers: their address would. */
    posterUrl: text('poster_url'),
    state: text('state', { enum: ['pending', 'approved', 'rejected', 'taken_down'] }).notNull(),
    /** Announce URLs that passed the checks of control D3, passkeys and all: they stay on the server. */
    trackers: text('trackers').array().notNull(),
    webSeeds: text('web_seeds').array().notNull(),
    /** Null until the info dictionary is known and matches the info-hash; nothing is approved before (control D1). */
    verifiedAt: moment('verified_at'),
    sizeBytes: bigint('size_bytes', { mode: 'number' }),
    seeders: integer('seeders'),
    leechers: integer('leechers'),
    createdAt: moment('created_at').notNull(),
    approvedAt: moment('approved_at'),
    decidedAt: moment('decided_at'),
    decisionReason: text('decision_reason'),
    decisionNote: text('decision_note'),
    search: searchVector('search')
      .notNull()
      .generatedAlwaysAs(
        sql`setweight(to_tsvector('simple', immutable_unaccent(title)), 'A') || setweight(to_tsvector('simple', immutable_unaccent(coalesce(description, ''))), 'C')`,
      ),
  },
  (t) => [
    check('torrents_state', sql`${t.state} in ('pending', 'approved', 'rejected', 'taken_down')`),
    check('torrents_info_hash', sql`${t.infoHash} ~ '^[0-9a-f]{40}$'`),
    check('torrents_approved_is_verified', sql`${t.state} <> 'approved' or (${t.verifiedAt} is not null and ${t.approvedAt} is not null)`),
    index('torrents_latest_idx').on(t.approvedAt.desc(), t.id.desc()).where(sql`${t.state} = 'approved'`),
    index('torrents_latest_in_category_idx')
      .on(t.categoryId, t.approvedAt.desc(), t.id.desc())
      .where(sql`${t.state} = 'approved'`),
    index('torrents_latest_of_licence_idx')
      .on(t.licence, t.approvedAt.desc(), t.id.desc())
      .where(sql`${t.state} = 'approved'`),
    index('torrents_by_title_idx').on(sql`left(immutable_unaccent(lower(title)), 64)`, t.id).where(sql`${t.state} = 'approved'`),
    index('torrents_by_size_idx')
      .on(sql`coalesce(size_bytes, 0) desc nulls last`, t.id.desc())
      .where(sql`${t.state} = 'approved'`),
    index('torrents_by_seeders_idx')
      .on(sql`coalesce(seeders, -1) desc nulls last`, t.id.desc())
      .where(sql`${t.state} = 'approved'`),
    index('torrents_queue_idx').on(t.state, t.createdAt, t.id),
    index('torrents_search_idx').using('gin', t.search).where(sql`${t.state} = 'approved'`),
    index('torrents_title_trgm_idx').using('gin', sql`immutable_unaccent(lower(title)) gin_trgm_ops`).where(sql`${t.state} = 'approved'`),
  ],
)

export const torrentFiles = pgTable(
  'torrent_files',
  {
    torrentId: uuid('torrent_id')
      .notNull()
      .references(() => torrents.id),
    index: integer('index').notNull(),
    path: text('path').notNull(),
    sizeBytes: bigint('size_bytes', { mode: 'number' }).notNull(),
    mimeType: text('mime_type').notNull(),
    /** What was found out by looking into it (decision 0027): null until then, and where the bytes gave no facts. */
    examinedAt: moment('examined_at'),
    container: text('container'),
    playable: text('playable', { enum: ['direct', 'external_player', 'no'] }),
    durationSeconds: doublePrecision('duration_seconds'),
    /** The mean over the whole file. */
    bytesPerSecond: bigint('bytes_per_second', { mode: 'number' }),
    indexAt: text('index_at', { enum: ['start', 'end'] }),
    tracks: jsonb('tracks').$type<MediaTrackRow[]>(),
  },
  (t) => [
    primaryKey({ columns: [t.torrentId, t.index] }),
    check('torrent_files_playable', sql`${t.playable} in ('direct', 'external_player', 'no')`),
    check('torrent_files_index_at', sql`${t.indexAt} in ('start', 'end')`),
    check('torrent_files_rate', sql`${t.bytesPerSecond} > 0`),
    check('torrent_files_examined', sql`${t.examinedAt} is not null or ${t.playable} is null`),
  ],
)

export type MediaTrackRow = {
  kind: 'video' | 'audio' | 'subtitle'
  codec: string
  profile: string | null
  language: string | null
  width: number | null
  height: number | null
  channels: number | null
  bitDepth: number | null
}

/** The verified info dictionary (BEP 3), apart from the title because it is large and seldom read. */
export const torrentInfos = pgTable('torrent_infos', {
  torrentId: uuid('torrent_id')
    .primaryKey()
    .references(() => torrents.id),
  info: bytes('info').notNull(),
})
