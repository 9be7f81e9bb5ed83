import { z } from 'zod'
import { Id, line, page, paging, Time } from '../../kit/zod.ts'

/** Text, because no enumeration of Dart takes the colon. */
const scope = z.string().regex(/^[a-z]+:(read|write)$/, 'must be a scope, such as ingest:write')
/** The name under which a batch comes. */
const source = line(80)

export const NewApiKey = z
  .strictObject({
    name: line(80),
    scopes: z.array(scope).min(1).max(10).describe('What it may be used for: `ingest:write` to offer titles.'),
    trusted: z.boolean().default(false).describe('Its verified titles need no approval.'),
    sources: z.array(source).min(1).max(50).nullable().default(null).describe('The only names under which it may offer titles; null for any.'),
    requestsPerMinute: z.int().min(1).max(100_000).nullable().default(null).describe('In place of the limit that all keys have; null for that one.'),
    days: z.int().min(1).max(730).default(90).describe('How long it is good for'),
  })
  .meta({ id: 'NewApiKey' })
/** The key is shown this once. */
export const CreatedApiKey = z.object({ id: Id, key: z.string(), expiresAt: Time }).meta({ id: 'CreatedApiKey' })

export const ApiKeyRef = z.strictObject({ apiKeyId: Id })
export const RotateApiKey = z.strictObject({ ...ApiKeyRef.shape, overlapHours: z.int().min(0).max(168).default(24).describe('How long the old one is good for yet, so that machines can be changed one by one; 0 ends it at once.') })
export const RotatedApiKey = z.object({ id: Id, key: z.string(), expiresAt: Time, previousExpiresAt: Time.nullable().describe('Null where the old one has ended.') }).meta({ id: 'RotatedApiKey' })

export const ApiKeyQuery = z.strictObject(paging)
export const ApiKeyState = z.enum(['live', 'expired', 'revoked']).meta({ id: 'ApiKeyState' })
export const ApiKey = z
  .object({
    id: Id,
    name: z.string(),
    state: ApiKeyState,
    scopes: z.array(scope),
    trusted: z.boolean(),
    sources: z.array(z.string()).nullable(),
    requestsPerMinute: z.int().min(1).max(100_000).nullable(),
    createdAt: Time,
    expiresAt: Time,
    rotatedAt: Time.nullable(),
    previousExpiresAt: Time.nullable().describe('Until when the key of before the last rotation is good, too.'),
    lastUsedAt: Time.nullable().describe('To the minute.'),
    revokedAt: Time.nullable(),
  })
  .meta({ id: 'ApiKey' })
export const ApiKeyPage = z.object(page(ApiKey)).meta({ id: 'ApiKeyPage' })
