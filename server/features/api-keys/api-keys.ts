import { and, asc, eq, isNull, sql } from 'drizzle-orm'
import { apiKeys } from '../../../db/schema/index.ts'
import type { ApiKeyActor, Ctx, Deps } from '../../kit/context.ts'
import { Invalid, NotFound } from '../../kit/errors.ts'
import { scopes as knownScopes, type Scope } from '../../kit/permissions.ts'
import { secretToken, tokenHash } from '../../kit/secret-tokens.ts'

const prefix = 'tsk_'
/** 32 random bytes as base64url behind the prefix. */
const form = /^tsk_[\w-]{43}$/

export type NewApiKey = { name: string; scopes: readonly Scope[]; expiresAt: Date; trusted: boolean }

/**
 * Makes a key for a machine (control A15). `key` is shown this once: only its hash is kept.
 * @throws Invalid for a key that could never be used
 */
export async function createApiKey(ctx: Ctx, { name, scopes, expiresAt, trusted }: NewApiKey): Promise<{ id: string; key: string }> {
  if (scopes.length === 0) throw new Invalid([{ path: 'scopes', message: 'must name at least one scope' }])
  const life = expiresAt.getTime() - ctx.now().getTime()
  if (Number.isNaN(life) || life <= 0) throw new Invalid([{ path: 'expiresAt', message: 'must lie in the future' }])
  const id = ctx.newId()
  const key = secretToken(ctx.randomBytes, prefix)
  await ctx.db.transaction(async (tx) => {
    await tx.insert(apiKeys).values({ id, name, keyHash: tokenHash(key), scopes: [...scopes], trusted, createdAt: ctx.now(), expiresAt })
    await ctx.audit(tx, { action: 'api_key.create', target: { kind: 'api_key', id }, details: { name, scopes, trusted, expiresAt: expiresAt.toISOString() } })
  })
  return { id, key }
}

export type ListedApiKey = Omit<typeof apiKeys.$inferSelect, 'keyHash'>

/** All keys, the oldest first, those that ended too; nothing that would let its reader in. */
export function listApiKeys({ db }: Pick<Ctx, 'db'>): Promise<ListedApiKey[]> {
  const { id, name, scopes, trusted, createdAt, expiresAt, lastUsedAt, revokedAt } = apiKeys
  return db.select({ id, name, scopes, trusted, createdAt, expiresAt, lastUsedAt, revokedAt }).from(apiKeys).orderBy(asc(createdAt), asc(id))
}

/**
 * Ends a key: its next request is refused (control A15). One that was revoked before stays so since then, without a second
 * audit row; one that has expired can be revoked all the same. @throws NotFound
 */
export async function revokeApiKey(ctx: Ctx, id: string): Promise<{ name: string; revokedAt: Date; changed: boolean }> {
  return ctx.db.transaction(async (tx) => {
    const columns = { name: apiKeys.name, revokedAt: apiKeys.revokedAt }
    const [revoked] = await tx.update(apiKeys).set({ revokedAt: ctx.now() }).where(and(eq(apiKeys.id, id), isNull(apiKeys.revokedAt))).returning(columns)
    if (revoked) await ctx.audit(tx, { action: 'api_key.revoke', target: { kind: 'api_key', id } })
    const [key] = revoked ? [revoked] : await tx.select(columns).from(apiKeys).where(eq(apiKeys.id, id))
    if (!key?.revokedAt) throw new NotFound('API key')
    return { name: key.name, revokedAt: key.revokedAt, changed: revoked !== undefined }
  })
}

type FoundKey = { id: string; scopes: string[]; trusted: boolean }

/**
 * Who presents the key; null for one that is unknown, expired or revoked. The same statement notes the use,
 * once a minute at most, so that a busy key does not rewrite its row at every request.
 */
export async function findApiKey({ db, now }: Pick<Deps, 'db' | 'now'>, presented: string): Promise<ApiKeyActor | null> {
  if (!form.test(presented)) return null
  const at = sql`${now().toISOString()}::timestamptz`
  const live = sql`key_hash = ${Buffer.from(tokenHash(presented))} and revoked_at is null and expires_at > ${at}`
  const [found] = await db.execute<FoundKey>(sql`
    with used as (
      update api_keys set last_used_at = ${at}
      where ${live} and (last_used_at is null or last_used_at < ${at} - interval '1 minute')
    )
    select id, scopes, trusted from api_keys where ${live}`)
  if (!found) return null
  return { kind: 'api_key', keyId: found.id, scopes: knownScopes.filter((scope) => found.scopes.includes(scope)), trusted: found.trusted }
}
