import { sql } from 'drizzle-orm'
import { check, index, pgTable, smallint, text, uuid } from 'drizzle-orm/pg-core'
import { bytes, moment } from './columns.ts'

/** E-mail addresses are found by a keyed hash and kept sealed (control C5). */
export const users = pgTable(
  'users',
  {
    id: uuid('id').primaryKey(),
    /** Stands for the person in the audit log; the link to a person goes when this row's identifying columns go. */
    pseudonym: uuid('pseudonym').notNull().unique(),
    emailLookup: bytes('email_lookup').notNull().unique(),
    emailSealed: bytes('email_sealed').notNull(),
    name: text('name'),
    locale: text('locale').notNull().default('en'),
    role: text('role', { enum: ['user', 'moderator', 'admin'] }).notNull(),
    passwordHash: text('password_hash').notNull(),
    createdAt: moment('created_at').notNull(),
    bannedAt: moment('banned_at'),
    banReason: text('ban_reason'),
  },
  (t) => [
    check('users_role', sql`${t.role} in ('user', 'moderator', 'admin')`),
    index('users_role_idx').on(t.role).where(sql`${t.role} <> 'user'`),
  ],
)

/** A mailed code and what it unlocks; the code is bound to this flow alone (control A8). */
export const emailFlows = pgTable(
  'email_flows',
  {
    id: uuid('id').primaryKey(),
    kind: text('kind', { enum: ['sign_up'] }).notNull(),
    emailLookup: bytes('email_lookup').notNull(),
    emailSealed: bytes('email_sealed').notNull(),
    name: text('name'),
    locale: text('locale').notNull(),
    passwordHash: text('password_hash').notNull(),
    /** Null where the address already has an account: the flow exists so that both answers cost the same, and no code opens it. */
    codeHash: bytes('code_hash'),
    triesLeft: smallint('tries_left').notNull(),
    createdAt: moment('created_at').notNull(),
    expiresAt: moment('expires_at').notNull(),
    usedAt: moment('used_at'),
  },
  (t) => [index('email_flows_lookup_idx').on(t.emailLookup, t.createdAt), index('email_flows_expiry_idx').on(t.expiresAt)],
)

/** The single-use link that makes the first admin. */
export const setupLinks = pgTable('setup_links', {
  id: uuid('id').primaryKey(),
  tokenHash: bytes('token_hash').notNull().unique(),
  createdAt: moment('created_at').notNull(),
  expiresAt: moment('expires_at').notNull(),
  usedAt: moment('used_at'),
})
