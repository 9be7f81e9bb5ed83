import { bigint, index, integer, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core'
import { torrents } from './catalogue.ts'
import { moment } from './columns.ts'
import { sessions } from './sessions.ts'
import { users } from './users.ts'

/**
 * What playback tickets stand for (control D2): one user, one session, one title, and the file that was asked for. Ends with any
 * of them. A playlist's tickets for the title's other files hang on the same row.
 */
export const playbackLinks = pgTable(
  'playback_links',
  {
    id: uuid('id').primaryKey(),
    kind: text('kind', { enum: ['viewer', 'preview'] }).notNull(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    sessionId: uuid('session_id')
      .notNull()
      .references(() => sessions.publicId),
    torrentId: uuid('torrent_id')
      .notNull()
      .references(() => torrents.id),
    fileIndex: integer('file_index').notNull(),
    createdAt: moment('created_at').notNull(),
    lastUsedAt: moment('last_used_at'),
    /** The link is dead from here on: minutes after it was made, then half an hour after each use, a day at most. */
    expiresAt: moment('expires_at').notNull(),
    endedAt: moment('ended_at'),
  },
  (t) => [
    index('playback_links_session_idx').on(t.sessionId),
    index('playback_links_torrent_idx').on(t.torrentId),
    index('playback_links_expiry_idx').on(t.expiresAt),
  ],
)

/**
 * Which files of which links are being read, as each node tells every few seconds (control D7): what is in flight, so it is
 * unlogged, and rows that nobody renews count no more.
 */
export const liveStreams = pgTable(
  'live_streams',
  {
    linkId: uuid('link_id')
      .notNull()
      .references(() => playbackLinks.id, { onDelete: 'cascade' }),
    fileIndex: integer('file_index').notNull(),
    nodeId: uuid('node_id').notNull(),
    startedAt: moment('started_at').notNull(),
    bytesSent: bigint('bytes_sent', { mode: 'number' }).notNull(),
    bytesPerSecond: bigint('bytes_per_second', { mode: 'number' }).notNull(),
    seenAt: moment('seen_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.linkId, t.fileIndex, t.nodeId] })],
)
