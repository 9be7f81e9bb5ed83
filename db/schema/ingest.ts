import { sql } from 'drizzle-orm'
import { boolean, check, index, integer, jsonb, pgTable, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core'
import { bytes, moment } from './columns.ts'

/** Keys of machines. Only a hash is kept (control A15). */
export const apiKeys = pgTable(
  'api_keys',
  {
    id: uuid('id').primaryKey(),
    name: text('name').notNull(),
    keyHash: bytes('key_hash').notNull().unique(),
    /** What it was before it was rotated, good for a while yet: a rotation keeps the id, and with it all that hangs on it. */
    previousHash: bytes('previous_hash').unique(),
    previousExpiresAt: moment('previous_expires_at'),
    scopes: text('scopes').array().notNull(),
    /** A trusted key's verified titles need no approval. */
    trusted: boolean('trusted').notNull().default(false),
    /** The only names under which it may offer titles; null: any. */
    sources: text('sources').array(),
    /** In place of the limit that all keys have; null: that one. */
    requestsPerMinute: integer('requests_per_minute'),
    createdAt: moment('created_at').notNull(),
    rotatedAt: moment('rotated_at'),
    expiresAt: moment('expires_at').notNull(),
    revokedAt: moment('revoked_at'),
    lastUsedAt: moment('last_used_at'),
  },
  (t) => [check('api_keys_rate', sql`${t.requestsPerMinute} > 0`), check('api_keys_previous', sql`(${t.previousHash} is null) = (${t.previousExpiresAt} is null)`)],
)

export const ingestBatches = pgTable(
  'ingest_batches',
  {
    id: uuid('id').primaryKey(),
    apiKeyId: uuid('api_key_id')
      .notNull()
      .references(() => apiKeys.id),
    idempotencyKey: text('idempotency_key'),
    /** SHA-256 of the request: the same key with another body is a conflict, not a repetition. */
    requestHash: bytes('request_hash').notNull(),
    source: text('source').notNull(),
    answer: jsonb('answer').notNull(),
    createdAt: moment('created_at').notNull(),
  },
  (t) => [
    uniqueIndex('ingest_batches_idempotency_idx').on(t.apiKeyId, t.idempotencyKey).where(sql`${t.idempotencyKey} is not null`),
    index('ingest_batches_created_idx').on(t.createdAt),
  ],
)
