import { and, desc, eq, gt, isNull, sql } from 'drizzle-orm'
import type { z } from 'zod'
import type { Tx } from '../../../db/client.ts'
import { knownDevices, sessions } from '../../../db/schema/index.ts'
import type { Authed } from '../../kit/context.ts'
import { NotFound } from '../../kit/errors.ts'
import { endOwnSession } from '../auth/auth.ts'
import type { OwnSessionPage, SessionQuery, SessionRef } from './contract.ts'

const list = 'own sessions'
const shown = {
  id: sessions.publicId,
  kind: sessions.kind,
  deviceName: sessions.deviceName,
  devicePlatform: sessions.devicePlatform,
  methods: sessions.methods,
  createdAt: sessions.createdAt,
  lastSeenAt: sessions.lastSeenAt,
  network: sessions.network,
}

/** Where the caller is signed in now, the newest first (control A12). */
export async function ownSessions(ctx: Authed, { limit, cursor }: z.infer<typeof SessionQuery>): Promise<z.infer<typeof OwnSessionPage>> {
  const [before, beforeId] = cursor === undefined ? [] : ctx.cursors.decode(list, cursor)
  const now = ctx.now()
  const live = and(eq(sessions.userId, ctx.actor.userId), isNull(sessions.endedAt), gt(sessions.expiresAt, now), gt(sessions.absoluteExpiresAt, now))
  const rows = await ctx.db
    .select(shown)
    .from(sessions)
    .where(and(live, before === undefined ? undefined : sql`(${sessions.createdAt}, ${sessions.publicId}) < (${before}::timestamptz, ${beforeId}::uuid)`))
    .orderBy(desc(sessions.createdAt), desc(sessions.publicId))
    .limit(limit + 1)
  const items = rows.slice(0, limit).map(({ createdAt, lastSeenAt, ...row }) => ({
    ...row,
    current: row.id === ctx.actor.sessionId,
    createdAt: createdAt.toISOString(),
    lastSeenAt: lastSeenAt.toISOString(),
  }))
  const last = items.at(-1)
  return { items, nextCursor: rows.length > limit && last ? ctx.cursors.encode(list, [last.createdAt, last.id]) : null }
}

/** Ends one of the caller's sessions everywhere; its device is a stranger from then on. @throws NotFound, also for another's */
export async function revokeSession(ctx: Authed, { sessionId }: z.infer<typeof SessionRef>): Promise<void> {
  await ctx.db.transaction(async (tx) => {
    const ended = await endOwnSession(ctx, tx, { userId: ctx.actor.userId, publicId: sessionId }, 'revoked')
    if (ended.length === 0) throw new NotFound('session')
    await forgetDevice(ctx, tx, sessionId)
    await ctx.audit(tx, { action: 'session.revoke', target: { kind: 'session', id: sessionId } })
  })
}

async function forgetDevice({ now }: Authed, tx: Tx, sessionId: string): Promise<void> {
  const device = tx.select({ id: sessions.deviceId }).from(sessions).where(eq(sessions.publicId, sessionId))
  await tx.update(knownDevices).set({ removedAt: now() }).where(and(eq(knownDevices.id, device), isNull(knownDevices.removedAt)))
}
