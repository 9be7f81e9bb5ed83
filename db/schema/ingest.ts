import { sql } from 'drizzle-orm'
import { boolean, index, jsonb, pgTable, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core'
import { bytes, moment } from './columns.ts'

/** Keys of machines. Only a hash is kept (control A15). */
export const apiKeys = pgTable('api_keys', {
  id: uuid('id').primaryKey(),
  name: text('name').notNull(),
  keyHash: bytes('key_hash').notNull().unique(),
  scopes: text('scopes').array().notNull(),
  /** A trusted key's verified titles need no approval. */
  trusted: boolean('trusted').notNull().default(false),
  createdAt: moment('created_at').notNull(),
  expiresAt: moment('expires_at').notNull(),
  revokedAt: moment('revoked_at'),
  lastUsedAt: moment('last_used_at'),
})

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
