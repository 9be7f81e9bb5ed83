import { sql } from 'drizzle-orm'
import { boolean, check, doublePrecision, foreignKey, index, integer, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core'
import { torrentFiles, torrents } from './catalogue.ts'
import { moment } from './columns.ts'
import { users } from './users.ts'

/** Titles that somebody marked. The rows of this file are people's own, and really go when they say so. */
export const favorites = pgTable(
  'favorites',
  {
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    torrentId: uuid('torrent_id')
      .notNull()
      .references(() => torrents.id),
    addedAt: moment('added_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.userId, t.torrentId] }), index('favorites_newest_idx').on(t.userId, t.addedAt.desc(), t.torrentId.desc())],
)

/** From this part of a file on it counts as watched: what is left are the credits. */
export const watchedShare = 0.9

/** How far somebody is in a file. */
export const watchHistory = pgTable(
  'watch_history',
  {
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    torrentId: uuid('torrent_id').notNull(),
    fileIndex: integer('file_index').notNull(),
    positionSeconds: doublePrecision('position_seconds').notNull(),
    durationSeconds: doublePrecision('duration_seconds').notNull(),
    watchedAt: moment('watched_at').notNull(),
    finished: boolean('finished')
      .notNull()
      .generatedAlwaysAs(sql.raw(`position_seconds >= ${watchedShare} * duration_seconds`)),
  },
  (t) => [
    primaryKey({ columns: [t.userId, t.torrentId, t.fileIndex] }),
    foreignKey({ columns: [t.torrentId, t.fileIndex], foreignColumns: [torrentFiles.torrentId, torrentFiles.index] }),
    check('watch_history_position', sql`${t.positionSeconds} >= 0 and ${t.positionSeconds} <= ${t.durationSeconds}`),
    index('watch_history_newest_idx').on(t.userId, t.watchedAt.desc(), t.torrentId.desc(), t.fileIndex.desc()),
    index('watch_history_unfinished_idx')
      .on(t.userId, t.watchedAt.desc(), t.torrentId.desc(), t.fileIndex.desc())
      .where(sql`not finished`),
  ],
)

export const themes = ['system', 'light', 'dark'] as const

/** What somebody has set for all their apps; without a row, the defaults of its columns. */
export const userPreferences = pgTable(
  'user_preferences',
  {
    userId: uuid('user_id')
      .primaryKey()
      .references(() => users.id),
    keepWatchHistory: boolean('keep_watch_history').notNull().default(true),
    theme: text('theme', { enum: themes }).notNull().default('system'),
    /** BCP 47; null for whatever the file has first. */
    audioLanguage: text('audio_language'),
    subtitleLanguage: text('subtitle_language'),
    showSubtitles: boolean('show_subtitles').notNull().default(false),
    playNext: boolean('play_next').notNull().default(true),
  },
  (t) => [check('user_preferences_theme', sql`${t.theme} in ('system', 'light', 'dark')`)],
)
