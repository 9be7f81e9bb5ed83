import { desc, getTableColumns, sql } from 'drizzle-orm'
import type { z } from 'zod'
import { apiKeys } from '../../../db/schema/index.ts'
import type { Authed } from '../../kit/context.ts'
import { scopes as knownScopes } from '../../kit/permissions.ts'
import type { ApiKey, ApiKeyPage, ApiKeyQuery } from './contract.ts'

const list = 'api-keys'
const { keyHash: _hash, previousHash: _previous, ...shown } = getTableColumns(apiKeys)

/** All keys, the newest first, without anything that would let its reader in. */
export async function apiKeyPage(ctx: Authed, { limit, cursor }: z.infer<typeof ApiKeyQuery>): Promise<z.infer<typeof ApiKeyPage>> {
  const [before, beforeId] = cursor === undefined ? [] : ctx.cursors.decode(list, cursor)
  const rows = await ctx.db
    .select(shown)
    .from(apiKeys)
    .where(before === undefined ? undefined : sql`(${apiKeys.createdAt}, ${apiKeys.id}) < (${before}::timestamptz, ${beforeId}::uuid)`)
    .orderBy(desc(apiKeys.createdAt), desc(apiKeys.id))
    .limit(limit + 1)
  const now = ctx.now()
  const items = rows.slice(0, limit).map((row) => ({
    ...row,
    state: stateOf(row, now),
    scopes: knownScopes.filter((scope) => row.scopes.includes(scope)),
    createdAt: row.createdAt.toISOString(),
    expiresAt: row.expiresAt.toISOString(),
    rotatedAt: row.rotatedAt?.toISOString() ?? null,
    previousExpiresAt: row.previousExpiresAt && row.previousExpiresAt > now ? row.previousExpiresAt.toISOString() : null,
    lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
    revokedAt: row.revokedAt?.toISOString() ?? null,
  }))
  const last = items.at(-1)
  return { items, nextCursor: rows.length > limit && last ? ctx.cursors.encode(list, [last.createdAt, last.id]) : null }
}

function stateOf({ revokedAt, expiresAt }: { revokedAt: Date | null; expiresAt: Date }, now: Date): z.infer<typeof ApiKey>['state'] {
  if (revokedAt) return 'revoked'
  return expiresAt > now ? 'live' : 'expired'
}
