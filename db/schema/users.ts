import { sql } from 'drizzle-orm'
import { check, index, pgTable, smallint, text, uuid, type AnyPgColumn } from 'drizzle-orm/pg-core'
import { bytes, moment } from './columns.ts'

/** E-mail addresses are found by a keyed hash and kept sealed (control C5). Erasing a person empties what identifies; the row and its pseudonym stay (C7). */
export const users = pgTable(
  'users',
  {
    id: uuid('id').primaryKey(),
    /** Stands for the person in the audit log; the link to a person goes when this row's identifying columns go. */
    pseudonym: uuid('pseudonym').notNull().unique(),
    emailLookup: bytes('email_lookup').unique(),
    emailSealed: bytes('email_sealed'),
    name: text('name'),
    locale: text('locale').notNull().default('en'),
    role: text('role', { enum: ['user', 'moderator', 'admin'] }).notNull(),
    passwordHash: text('password_hash'),
    createdAt: moment('created_at').notNull(),
    bannedAt: moment('banned_at'),
    banReason: text('ban_reason'),
    /** Asked for by the person; until then they may change their mind. */
    eraseAfter: moment('erase_after'),
    erasedAt: moment('erased_at'),
  },
  (t) => [
    check('users_role', sql`${t.role} in ('user', 'moderator', 'admin')`),
    check('users_known_or_erased', sql`${t.erasedAt} is not null or (${t.emailLookup} is not null and ${t.emailSealed} is not null and ${t.passwordHash} is not null)`),
    index('users_erase_after_idx').on(t.eraseAfter).where(sql`${t.erasedAt} is null and ${t.eraseAfter} is not null`),
    index('users_role_idx').on(t.role).where(sql`${t.role} <> 'user'`),
  ],
)

/** A mailed code and what it unlocks; the code is bound to this flow alone (control A8). */
export const emailFlows = pgTable(
  'email_flows',
  {
    id: uuid('id').primaryKey(),
    kind: text('kind', { enum: ['sign_up', 'password_reset', 'email_change'] }).notNull(),
    /** Whose; null for a sign-up until it has made an account, and where the address has none. */
    userId: uuid('user_id').references(() => users.id),
    inviteId: uuid('invite_id').references((): AnyPgColumn => invites.id),
    emailLookup: bytes('email_lookup').notNull(),
    emailSealed: bytes('email_sealed').notNull(),
    name: text('name'),
    locale: text('locale').notNull(),
    /** Of a sign-up: its own, so that a code activates no other's password. */
    passwordHash: text('password_hash'),
    /** Null where there is nothing to open: the address already has an account, or none: the flow exists so that both answers cost the same, and no code opens it. */
    codeHash: bytes('code_hash'),
    /** Shared by all codes of the flow: sending another gives no more tries. */
    triesLeft: smallint('tries_left').notNull(),
    resendsLeft: smallint('resends_left').notNull().default(0),
    createdAt: moment('created_at').notNull(),
    expiresAt: moment('expires_at').notNull(),
    usedAt: moment('used_at'),
  },
  (t) => [
    check('email_flows_kind', sql`${t.kind} in ('sign_up', 'password_reset', 'email_change')`),
    index('email_flows_user_idx').on(t.userId).where(sql`${t.userId} is not null`),
    index('email_flows_lookup_idx').on(t.emailLookup, t.createdAt),
    index('email_flows_expiry_idx').on(t.expiresAt),
  ],
)

/** The single-use link that makes the first admin. */
export const setupLinks = pgTable('setup_links', {
  id: uuid('id').primaryKey(),
  tokenHash: bytes('token_hash').notNull().unique(),
  createdAt: moment('created_at').notNull(),
  expiresAt: moment('expires_at').notNull(),
  usedAt: moment('used_at'),
})

/** Lets one person sign up where the policy is `invite`. Only a hash of the code is kept. */
export const invites = pgTable(
  'invites',
  {
    id: uuid('id').primaryKey(),
    codeHash: bytes('code_hash').notNull().unique(),
    createdBy: uuid('created_by')
      .notNull()
      .references(() => users.id),
    createdAt: moment('created_at').notNull(),
    expiresAt: moment('expires_at').notNull(),
    usedAt: moment('used_at'),
    usedBy: uuid('used_by').references(() => users.id),
    revokedAt: moment('revoked_at'),
  },
  (t) => [index('invites_created_idx').on(t.createdAt)],
)

/** A copy of one person's data, made by a job and fetched once by a link (control C7). */
export const dataExports = pgTable(
  'data_exports',
  {
    id: uuid('id').primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    createdAt: moment('created_at').notNull(),
    readyAt: moment('ready_at'),
    /** The document, sealed; emptied when it was fetched or is too old. */
    sealed: bytes('sealed'),
    tokenHash: bytes('token_hash').unique(),
    expiresAt: moment('expires_at').notNull(),
    fetchedAt: moment('fetched_at'),
  },
  (t) => [index('data_exports_user_idx').on(t.userId, t.createdAt), index('data_exports_expiry_idx').on(t.expiresAt)],
)
