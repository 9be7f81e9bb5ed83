import { sql } from 'drizzle-orm'
import { bigint, check, index, integer, jsonb, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import { bytes, moment } from './columns.ts'

/** Who did what to whom, by pseudonym (control E2). The server may insert and read, never change. */
export const auditLog = pgTable(
  'audit_log',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    at: moment('at').notNull(),
    actorKind: text('actor_kind', { enum: ['anonymous', 'user', 'api_key', 'operator', 'system'] }).notNull(),
    /** A user's pseudonym or an API key's id. */
    actorId: uuid('actor_id'),
    action: text('action').notNull(),
    targetKind: text('target_kind'),
    targetId: text('target_id'),
    details: jsonb('details').$type<Record<string, unknown>>().notNull().default({}),
    requestId: text('request_id'),
  },
  (t) => [
    index('audit_log_at_idx').on(t.at),
    index('audit_log_target_idx').on(t.targetKind, t.targetId),
    index('audit_log_actor_idx').on(t.actorId, t.at),
  ],
)

/** Signing and MAC keys, sealed by the operator secret so that every node has them (controls A1, A2). */
export const keys = pgTable(
  'keys',
  {
    id: text('id').primaryKey(),
    kind: text('kind', { enum: ['access_token', 'playback_ticket', 'cursor', 'csrf', 'column', 'lookup'] }).notNull(),
    sealed: bytes('sealed').notNull(),
    createdAt: moment('created_at').notNull(),
    /** Signs no more, still verifies what it signed. */
    retiredAt: moment('retired_at'),
  },
  (t) => [
    check('keys_kind', sql`${t.kind} in ('access_token', 'playback_ticket', 'cursor', 'csrf', 'column', 'lookup')`),
    index('keys_kind_idx').on(t.kind, t.createdAt),
  ],
)

/** Counters of rate-limiter-flexible; made UNLOGGED by a migration, because losing them in a crash costs nothing. */
export const rateLimits = pgTable(
  'rate_limits',
  {
    key: text('key').primaryKey(),
    points: integer('points').notNull().default(0),
    expire: bigint('expire', { mode: 'number' }),
  },
  (t) => [index('rate_limits_expire_idx').on(t.expire)],
)
