import { sql } from 'drizzle-orm'
import { check, index, pgTable, smallint, text, uuid } from 'drizzle-orm/pg-core'
import { bytes, moment } from './columns.ts'
import { users } from './users.ts'

/** How someone may prove who they are. */
export const signInMethods = ['password', 'totp', 'recovery_code', 'passkey'] as const

/**
 * A device or browser that someone has signed in with before, known by a secret that it keeps (OWASP, device cookies):
 * strangers' guesses do not lock it out, and the first sign-in of another is announced by mail (controls A6, A12).
 */
export const knownDevices = pgTable(
  'known_devices',
  {
    id: uuid('id').primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    tokenHash: bytes('token_hash').notNull().unique(),
    name: text('name'),
    platform: text('platform'),
    createdAt: moment('created_at').notNull(),
    lastSeenAt: moment('last_seen_at').notNull(),
    removedAt: moment('removed_at'),
  },
  (t) => [index('known_devices_user_idx').on(t.userId).where(sql`${t.removedAt} is null`)],
)

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
    endReason: text('end_reason', { enum: ['sign_out', 'sign_out_everywhere', 'refresh_reused', 'ban', 'role_change', 'password_change', 'password_reset', 'factors_reset', 'deletion', 'revoked', 'step_up_refused'] }),
    /** When the person last proved who they are, by what: what step-up looks at (control A10). */
    authenticatedAt: moment('authenticated_at').notNull(),
    methods: text('methods', { enum: signInMethods }).array().notNull(),
    /** Wrong proofs in a row at a step-up; so many end the session (control A6). */
    stepUpFailures: smallint('step_up_failures').notNull().default(0),
    lastSeenAt: moment('last_seen_at').notNull(),
    /** The network it was last seen from, never the whole address: IPv4 /24, IPv6 /48 (control C5). */
    network: text('network'),
    deviceId: uuid('device_id').references(() => knownDevices.id),
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
    /** The token that followed, sealed under a key derived from this one, for a retry after a lost answer; wiped when that window ends (control A3). */
    successorId: uuid('successor_id'),
    successorSealed: bytes('successor_sealed'),
    retryUntil: moment('retry_until'),
  },
  (t) => [
    index('refresh_tokens_session_idx').on(t.sessionId),
    index('refresh_tokens_retry_idx').on(t.retryUntil).where(sql`${t.successorSealed} is not null`),
  ],
)
