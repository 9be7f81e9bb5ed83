import { and, asc, eq, gt, isNull, sql } from 'drizzle-orm'
import type { z } from 'zod'
import { apiKeys } from '../../../db/schema/index.ts'
import type { ApiKeyActor, Ctx, Deps } from '../../kit/context.ts'
import { Conflict, Invalid, NotFound } from '../../kit/errors.ts'
import { scopes as knownScopes, type Scope } from '../../kit/permissions.ts'
import { secretToken, tokenHash } from '../../kit/secret-tokens.ts'
import type { CreatedApiKey, NewApiKey, RotateApiKey, RotatedApiKey } from './contract.ts'

const prefix = 'tsk_'
/** 32 random bytes as base64url behind the prefix. */
const form = /^tsk_[\w-]{43}$/

const [hourMs, dayMs] = [3_600_000, 86_400_000]

type Wanted = { name: string; scopes: readonly Scope[]; expiresAt: Date; trusted: boolean; sources?: string[] | null; requestsPerMinute?: number | null }

/**
 * Makes a key for a machine (control A15). `key` is shown this once: only its hash is kept.
 * @throws Invalid for a key that could never be used
 */
export async function createApiKey(ctx: Ctx, { name, scopes, expiresAt, trusted, sources = null, requestsPerMinute = null }: Wanted): Promise<{ id: string; key: string }> {
  if (scopes.length === 0) throw new Invalid([{ path: 'scopes', message: 'must name at least one scope' }])
  const life = expiresAt.getTime() - ctx.now().getTime()
  if (Number.isNaN(life) || life <= 0) throw new Invalid([{ path: 'expiresAt', message: 'must lie in the future' }])
  const id = ctx.newId()
  const key = secretToken(ctx.randomBytes, prefix)
  await ctx.db.transaction(async (tx) => {
    await tx.insert(apiKeys).values({ id, name, keyHash: tokenHash(key), scopes: [...scopes], trusted, sources, requestsPerMinute, createdAt: ctx.now(), expiresAt })
    await ctx.audit(tx, { action: 'api_key.create', target: { kind: 'api_key', id }, details: { name, scopes, trusted, sources, requestsPerMinute, expiresAt: expiresAt.toISOString() } })
  })
  return { id, key }
}

/** As createApiKey, for so many days. */
export async function makeApiKey(ctx: Ctx, { days, scopes, ...wanted }: z.infer<typeof NewApiKey>): Promise<z.infer<typeof CreatedApiKey>> {
  const unknown = scopes.find((scope) => !(knownScopes as readonly string[]).includes(scope))
  if (unknown !== undefined) throw new Invalid([{ path: 'scopes', message: `knows no ${unknown}` }])
  const expiresAt = new Date(ctx.now().getTime() + days * dayMs)
  return { ...(await createApiKey(ctx, { ...wanted, scopes: knownScopes.filter((scope) => scopes.includes(scope)), expiresAt })), expiresAt: expiresAt.toISOString() }
}

/**
 * Gives a live key another secret and leaves it what it was made for. The old secret is good for `overlapHours` yet, never longer
 * than the key; one of before an earlier rotation ends now. @throws NotFound for a key that has ended; Conflict when another rotates it
 */
export async function rotateApiKey(ctx: Ctx, { apiKeyId, overlapHours }: z.infer<typeof RotateApiKey>): Promise<z.infer<typeof RotatedApiKey>> {
  const now = ctx.now()
  const key = secretToken(ctx.randomBytes, prefix)
  const live = and(eq(apiKeys.id, apiKeyId), isNull(apiKeys.revokedAt), gt(apiKeys.expiresAt, now))
  return ctx.db.transaction(async (tx) => {
    const [before] = await tx.select({ keyHash: apiKeys.keyHash, expiresAt: apiKeys.expiresAt }).from(apiKeys).where(live)
    if (!before) throw new NotFound('live API key')
    const until = new Date(Math.min(now.getTime() + overlapHours * hourMs, before.expiresAt.getTime()))
    const previous = overlapHours === 0 ? { previousHash: null, previousExpiresAt: null } : { previousHash: before.keyHash, previousExpiresAt: until }
    const [rotated] = await tx
      .update(apiKeys)
      .set({ keyHash: tokenHash(key), rotatedAt: now, ...previous })
      .where(and(live, eq(apiKeys.keyHash, before.keyHash)))
      .returning({ id: apiKeys.id })
    if (!rotated) throw new Conflict('Somebody else rotated this key at the same moment.')
    await ctx.audit(tx, { action: 'api_key.rotate', target: { kind: 'api_key', id: apiKeyId }, details: { overlapHours } })
    return { id: apiKeyId, key, expiresAt: before.expiresAt.toISOString(), previousExpiresAt: previous.previousExpiresAt?.toISOString() ?? null }
  })
}

export type ListedApiKey = Pick<typeof apiKeys.$inferSelect, 'id' | 'name' | 'scopes' | 'trusted' | 'createdAt' | 'expiresAt' | 'lastUsedAt' | 'revokedAt'>

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

type FoundKey = { id: string; scopes: string[]; trusted: boolean; sources: string[] | null; requests_per_minute: number | null }

/**
 * Who presents the key; null for one that is unknown, expired or revoked. The same statement notes the use,
 * once a minute at most, so that a busy key does not rewrite its row at every request.
 */
export async function findApiKey({ db, now }: Pick<Deps, 'db' | 'now'>, presented: string): Promise<ApiKeyActor | null> {
  if (!form.test(presented)) return null
  const at = sql`${now().toISOString()}::timestamptz`
  const hash = Buffer.from(tokenHash(presented))
  const live = sql`(key_hash = ${hash} or (previous_hash = ${hash} and previous_expires_at > ${at})) and revoked_at is null and expires_at > ${at}`
  const [found] = await db.execute<FoundKey>(sql`
    with used as (
      update api_keys set last_used_at = ${at}
      where ${live} and (last_used_at is null or last_used_at < ${at} - interval '1 minute')
    )
    select id, scopes, trusted, sources, requests_per_minute from api_keys where ${live}`)
  if (!found) return null
  const { id: keyId, scopes, trusted, sources, requests_per_minute: requestsPerMinute } = found
  return { kind: 'api_key', keyId, scopes: knownScopes.filter((scope) => scopes.includes(scope)), trusted, sources, requestsPerMinute }
}
