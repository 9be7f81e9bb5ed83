import { index, integer, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import { torrents } from './catalogue.ts'
import { moment } from './columns.ts'
import { sessions } from './sessions.ts'
import { users } from './users.ts'

/** What a playback ticket stands for (control D2): one user, one session, one file. Ends with any of them. */
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
