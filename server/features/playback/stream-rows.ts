import { and, countDistinct, eq, gt, inArray, lt, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../../db/client.ts'
import { liveStreams, playbackLinks } from '../../../db/schema/index.ts'
import type { Deps } from '../../kit/context.ts'
import { AppError } from '../../kit/errors.ts'

/** One file that is read by one link: however many ranges of it a player asks for at once. */
export type StreamKey = { linkId: string; fileIndex: number }
export type StreamRow = typeof liveStreams.$inferInsert

/** A row that its node has not renewed for so long is of a node that is gone; nodes renew theirs three times as often. */
export const forgottenMs = 15_000
export const isInFlight = ({ now }: Pick<Deps, 'now'>) => gt(liveStreams.seenAt, new Date(now().getTime() - forgottenMs))

const lockSpace = 0x73_74_72

export const tooManyStreams = () => new AppError(429, 'too_many_streams', 'Too many streams of this account play at the same time. Stop one first.', { headers: { 'retry-after': '2' } })

/**
 * Enters a stream that this node begins to serve, within what its user may have on all nodes (control D7). Of two that begin at once
 * the second counts the first.
 * @throws AppError 429 too_many_streams
 */
export async function reserveStream(deps: Pick<Deps, 'db' | 'now' | 'config'>, stream: StreamRow & { userId: string }): Promise<void> {
  const { userId, ...row } = stream
  await deps.db.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(${lockSpace}, hashtext(${userId}))`)
    await demandFreeStream(deps, tx, userId, stream)
    await tx.insert(liveStreams).values(row).onConflictDoUpdate({ target: [liveStreams.linkId, liveStreams.fileIndex, liveStreams.nodeId], set: { seenAt: row.seenAt } })
  })
}

/** @throws AppError 429 too_many_streams unless the user may have one besides those in flight; `own` is not counted */
export async function demandFreeStream(deps: Pick<Deps, 'now' | 'config'>, tx: Db | Tx, userId: string, own: Partial<StreamKey> = {}): Promise<void> {
  const isOwn = sql`(${liveStreams.linkId} = ${own.linkId ?? null}::uuid and ${liveStreams.fileIndex} = ${own.fileIndex ?? null}::int) is true`
  const [found] = await tx
    .select({ count: countDistinct(sql`(${liveStreams.linkId}, ${liveStreams.fileIndex})`) })
    .from(liveStreams)
    .innerJoin(playbackLinks, eq(playbackLinks.id, liveStreams.linkId))
    .where(and(eq(playbackLinks.userId, userId), isInFlight(deps), sql`not ${isOwn}`))
  if ((found?.count ?? 0) >= deps.config.streams.perUser) throw tooManyStreams()
}

/** Writes down how a node's streams stand, and forgets those of nodes that are gone. */
export async function renewStreams({ db, now }: Pick<Deps, 'db' | 'now'>, rows: StreamRow[]): Promise<void> {
  if (rows.length > 0) {
    const told = { bytesSent: sql`excluded.bytes_sent`, bytesPerSecond: sql`excluded.bytes_per_second`, seenAt: sql`excluded.seen_at` }
    await db.insert(liveStreams).values(rows).onConflictDoUpdate({ target: [liveStreams.linkId, liveStreams.fileIndex, liveStreams.nodeId], set: told })
  }
  await db.delete(liveStreams).where(lt(liveStreams.seenAt, new Date(now().getTime() - 4 * forgottenMs)))
}

export async function forgetStreams({ db }: Pick<Deps, 'db'>, nodeId: string, keys: StreamKey[]): Promise<void> {
  if (keys.length === 0) return
  const named = sql`(${liveStreams.linkId}, ${liveStreams.fileIndex})`
  await db.delete(liveStreams).where(and(eq(liveStreams.nodeId, nodeId), inArray(named, keys.map(({ linkId, fileIndex }) => sql`(${linkId}::uuid, ${fileIndex}::int)`))))
}
