import { sql } from 'drizzle-orm'
import { bigint, boolean, check, index, integer, pgTable, smallint, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core'
import { bytes, moment } from './columns.ts'
import { users } from './users.ts'

const owner = () =>
  uuid('user_id')
    .notNull()
    .references(() => users.id)

/** An authenticator app (RFC 6238). One of a person counts at a time: the confirmed one that was not removed. */
export const totpFactors = pgTable(
  'totp_factors',
  {
    id: uuid('id').primaryKey(),
    userId: owner(),
    /** The public id of the session that began it, which alone may confirm it; null once it counts. */
    sessionId: uuid('session_id'),
    secretSealed: bytes('secret_sealed').notNull(),
    createdAt: moment('created_at').notNull(),
    confirmedAt: moment('confirmed_at'),
    /** The time step of the last code that was accepted: none is accepted twice. */
    lastStep: bigint('last_step', { mode: 'number' }),
    removedAt: moment('removed_at'),
  },
  (t) => [uniqueIndex('totp_factors_user_idx').on(t.userId).where(sql`${t.confirmedAt} is not null and ${t.removedAt} is null`)],
)

/** Ten at a time, hashed, each good once; a new set removes the old. */
export const recoveryCodes = pgTable(
  'recovery_codes',
  {
    id: uuid('id').primaryKey(),
    userId: owner(),
    codeHash: bytes('code_hash').notNull(),
    createdAt: moment('created_at').notNull(),
    usedAt: moment('used_at'),
    removedAt: moment('removed_at'),
  },
  (t) => [index('recovery_codes_user_idx').on(t.userId).where(sql`${t.usedAt} is null and ${t.removedAt} is null`)],
)

/** A WebAuthn credential. */
export const passkeys = pgTable(
  'passkeys',
  {
    id: uuid('id').primaryKey(),
    userId: owner(),
    credentialId: bytes('credential_id').notNull().unique(),
    /** COSE. */
    publicKey: bytes('public_key').notNull(),
    counter: bigint('counter', { mode: 'number' }).notNull(),
    transports: text('transports').array().notNull(),
    backedUp: boolean('backed_up').notNull(),
    name: text('name').notNull(),
    createdAt: moment('created_at').notNull(),
    lastUsedAt: moment('last_used_at'),
    removedAt: moment('removed_at'),
  },
  (t) => [index('passkeys_user_idx').on(t.userId).where(sql`${t.removedAt} is null`)],
)

/** Something to be proved within minutes, once: a second factor, a passkey, a step-up. */
export const authChallenges = pgTable(
  'auth_challenges',
  {
    id: uuid('id').primaryKey(),
    kind: text('kind', { enum: ['second_factor', 'passkey_sign_in', 'passkey_enrolment', 'step_up'] }).notNull(),
    /** Null for a sign-in by passkey: who it is comes with the answer. */
    userId: uuid('user_id').references(() => users.id),
    /** The public id of the session that is stepped up, or enrols. */
    sessionId: uuid('session_id'),
    sessionKind: text('session_kind', { enum: ['app', 'console'] }).notNull(),
    deviceName: text('device_name'),
    devicePlatform: text('device_platform'),
    deviceId: uuid('device_id'),
    /** What a passkey has to sign (WebAuthn, 13.4.3). */
    webauthnChallenge: bytes('webauthn_challenge'),
    triesLeft: smallint('tries_left').notNull(),
    createdAt: moment('created_at').notNull(),
    expiresAt: moment('expires_at').notNull(),
    usedAt: moment('used_at'),
  },
  (t) => [
    check('auth_challenges_kind', sql`${t.kind} in ('second_factor', 'passkey_sign_in', 'passkey_enrolment', 'step_up')`),
    index('auth_challenges_user_idx').on(t.userId, t.createdAt),
    index('auth_challenges_expiry_idx').on(t.expiresAt),
  ],
)

/** How often someone guessed wrong, by account and by device; durable, unlike the counters of requests (control A6). */
export const guessThrottles = pgTable(
  'guess_throttles',
  {
    /** Keyed hash of what is guarded: an address that may have no account, a device. */
    key: bytes('key').primaryKey(),
    failures: integer('failures').notNull(),
    lastFailureAt: moment('last_failure_at').notNull(),
    blockedUntil: moment('blocked_until'),
  },
  (t) => [index('guess_throttles_last_idx').on(t.lastFailureAt)],
)
