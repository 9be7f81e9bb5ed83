import { and, desc, eq, gt, isNotNull, isNull, lte } from 'drizzle-orm'
import { z } from 'zod'
import { dataExports } from '../../../db/schema/index.ts'
import { auditFor } from '../../kit/audit.ts'
import type { Authed, Deps } from '../../kit/context.ts'
import { PermissionDenied, RateLimited } from '../../kit/errors.ts'
import type { JobHandler } from '../../kit/jobs.ts'
import { secretToken, tokenHash } from '../../kit/secret-tokens.ts'
import type { DataExport, RequestedExport } from './contract.ts'
import { exportDocument } from './export-document.ts'
import { lockUser } from './users.ts'

const dayMs = 86_400_000
/** What stands sealed in the row: the link's token, so that only its owner is shown it, and the document. */
const Copy = z.object({ token: z.string(), document: z.string() })

/** Has a copy of the caller's data made by a job. @throws RateLimited within a day of the last */
export async function requestExport(ctx: Authed): Promise<z.infer<typeof RequestedExport>> {
  const { userId } = ctx.actor
  const id = ctx.newId()
  const now = ctx.now()
  await ctx.db.transaction(async (tx) => {
    // parallel wishes come one after the other
    await lockUser(tx, userId)
    const dayAgo = new Date(now.getTime() - dayMs)
    const [recent] = await tx.select({ at: dataExports.createdAt }).from(dataExports).where(and(eq(dataExports.userId, userId), gt(dataExports.createdAt, dayAgo))).limit(1)
    if (recent) throw new RateLimited(Math.ceil((recent.at.getTime() - dayAgo.getTime()) / 1000))
    await tx.insert(dataExports).values({ id, userId, createdAt: now, expiresAt: new Date(now.getTime() + dayMs) })
    await ctx.jobs.add(tx, 'account.make_export', { exportId: id })
    await ctx.audit(tx, { action: 'user.export', target: { kind: 'user', id: userId } })
  })
  return { exportId: id, state: 'preparing' }
}

/** The caller's newest export; the same link each time, until it was fetched or has expired. */
export async function exportState(ctx: Authed): Promise<z.infer<typeof DataExport>> {
  const [row] = await ctx.db.select().from(dataExports).where(eq(dataExports.userId, ctx.actor.userId)).orderBy(desc(dataExports.createdAt)).limit(1)
  if (!row) return { state: 'none', link: null, expiresAt: null }
  const expiresAt = row.expiresAt.toISOString()
  if (row.fetchedAt) return { state: 'fetched', link: null, expiresAt }
  if (row.expiresAt <= ctx.now()) return { state: 'expired', link: null, expiresAt }
  if (!row.sealed) return { state: 'preparing', link: null, expiresAt }
  const { token } = open(ctx, row.id, row.sealed)
  return { state: 'ready', link: `${ctx.publicUrl()}/api/v1/exports/${token}`, expiresAt }
}

/** Makes the copy, once: another run of the same job finds it made. */
export const makeExport: JobHandler = async (deps, payload) => {
  const { exportId } = z.object({ exportId: z.uuid() }).parse(payload)
  const waiting = and(eq(dataExports.id, exportId), isNull(dataExports.readyAt), gt(dataExports.expiresAt, deps.now()))
  const [row] = await deps.db.select({ userId: dataExports.userId }).from(dataExports).where(waiting)
  if (!row) return
  const document = await exportDocument(deps, row.userId)
  if (!document) return
  const token = secretToken(deps.randomBytes)
  const sealed = deps.sealer.seal('column', `data_exports/${exportId}`, JSON.stringify({ token, document } satisfies z.infer<typeof Copy>))
  const readyAt = deps.now()
  await deps.db
    .update(dataExports)
    .set({ sealed, tokenHash: tokenHash(token), readyAt, expiresAt: new Date(readyAt.getTime() + dayMs) })
    // an erasure meanwhile has made the row nobody's: nothing is put into it again
    .where(and(waiting, eq(dataExports.userId, row.userId)))
}

const live = (deps: Pick<Deps, 'now'>, token: string) => and(eq(dataExports.tokenHash, tokenHash(token)), isNull(dataExports.fetchedAt), gt(dataExports.expiresAt, deps.now()))

/** Is there something behind the link? Takes nothing. @throws PermissionDenied 403 export_link_ended */
export async function demandExport(deps: Pick<Deps, 'db' | 'now'>, token: string): Promise<void> {
  const [row] = await deps.db.select({ id: dataExports.id }).from(dataExports).where(live(deps, token))
  if (!row) throw ended()
}

/** The document, to the first who asks; locked meanwhile, and emptied. @throws PermissionDenied 403 export_link_ended */
export async function takeExport(deps: Pick<Deps, 'db' | 'now' | 'sealer'>, token: string, requestId: string): Promise<string> {
  return deps.db.transaction(async (tx) => {
    const [row] = await tx.select({ id: dataExports.id, userId: dataExports.userId, sealed: dataExports.sealed }).from(dataExports).where(live(deps, token)).for('update')
    if (!row?.sealed) throw ended()
    await tx.update(dataExports).set({ fetchedAt: deps.now(), sealed: null, tokenHash: null }).where(eq(dataExports.id, row.id))
    const request = { id: requestId, ip: '', headers: {}, idempotencyKey: null }
    await auditFor(deps, { kind: 'anonymous' }, request)(tx, { action: 'user.export_fetch', target: { kind: 'user', id: row.userId } })
    return open(deps, row.id, row.sealed).document
  })
}

/** Empties what nobody fetched in time. */
export async function emptyExpiredExports(deps: Pick<Deps, 'db' | 'now'>): Promise<void> {
  await deps.db
    .update(dataExports)
    .set({ sealed: null, tokenHash: null })
    .where(and(lte(dataExports.expiresAt, deps.now()), isNotNull(dataExports.sealed)))
}

const open = ({ sealer }: Pick<Deps, 'sealer'>, id: string, sealed: Uint8Array) => Copy.parse(JSON.parse(sealer.openText('column', `data_exports/${id}`, sealed)))

const ended = () => new PermissionDenied('export_link_ended', 'This link was used or has expired. Ask for a new one.')
