import { sql } from 'drizzle-orm'
import { check, index, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import { bytes, moment } from './columns.ts'
import { users } from './users.ts'

/** One sign-in, of an app or of the console. Rows are ended, never deleted by the server (control C6). */
export const sessions = pgTable(
  'sessions',
  {
    /** SHA-256 of Lucia's session id, in hex: what a reader of the table cannot sign in with. */
    id: text('id').primaryKey(),
    /** The name of this session in tokens and in the API. */
    publicId: uuid('public_id').notNull().unique(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    kind: text('kind', { enum: ['app', 'console'] }).notNull(),
    createdAt: moment('created_at').notNull(),
    /** The idle limit; moves with use, never past absoluteExpiresAt. */
    expiresAt: moment('expires_at').notNull(),
    absoluteExpiresAt: moment('absolute_expires_at').notNull(),
    endedAt: moment('ended_at'),
    endReason: text('end_reason', { enum: ['sign_out', 'refresh_reused', 'ban', 'role_change', 'password_change', 'revoked'] }),
    deviceName: text('device_name'),
    devicePlatform: text('device_platform'),
  },
  (t) => [
    check('sessions_kind', sql`${t.kind} in ('app', 'console')`),
    index('sessions_user_idx').on(t.userId).where(sql`${t.endedAt} is null`),
    index('sessions_ended_idx').on(t.endedAt).where(sql`${t.endedAt} is not null`),
  ],
)

/** Single-use refresh tokens of a session (control A3). At most one of a session is unspent. */
export const refreshTokens = pgTable(
  'refresh_tokens',
  {
    id: uuid('id').primaryKey(),
    sessionId: text('session_id')
      .notNull()
      .references(() => sessions.id),
    tokenHash: bytes('token_hash').notNull().unique(),
    createdAt: moment('created_at').notNull(),
    expiresAt: moment('expires_at').notNull(),
    spentAt: moment('spent_at'),
  },
  (t) => [index('refresh_tokens_session_idx').on(t.sessionId)],
)
