import { and, desc, eq, gt, inArray, isNotNull, isNull, notInArray, sql } from 'drizzle-orm'
import type { z } from 'zod'
import type { Tx } from '../../../db/client.ts'
import { knownDevices, sessions } from '../../../db/schema/index.ts'
import type { Authed } from '../../kit/context.ts'
import { NotFound } from '../../kit/errors.ts'
import { endOtherSessionsOfUser, endOwnSession } from '../auth/auth.ts'
import type { EndedSessions, OwnSessionPage, SessionQuery, SessionRef } from './contract.ts'

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
    await forgetDevicesOf(ctx, tx, ended)
    await ctx.audit(tx, { action: 'session.revoke', target: { kind: 'session', id: sessionId } })
  })
}

/** Ends all of the caller's sessions but the one that asks, and sign-ins that are half done; their devices are strangers from then on, but for the caller's own. */
export async function endOtherSessions(ctx: Authed): Promise<z.infer<typeof EndedSessions>> {
  const { userId, sessionId } = ctx.actor
  return ctx.db.transaction(async (tx) => {
    const ended = await endOtherSessionsOfUser(ctx, tx, ctx.actor, 'revoked')
    await forgetDevicesOf(ctx, tx, ended, { but: sessionId })
    await ctx.audit(tx, { action: 'session.end_others', target: { kind: 'user', id: userId }, details: { count: ended.length } })
    return { ended: ended.length }
  })
}

/** Of the sessions that ended; not the one that another session is on, where it is given. */
async function forgetDevicesOf({ now }: Authed, tx: Tx, ended: string[], { but }: { but?: string } = {}): Promise<void> {
  const ofSessions = (...ids: string[]) => tx.select({ id: sessions.deviceId }).from(sessions).where(and(inArray(sessions.publicId, ids), isNotNull(sessions.deviceId)))
  await tx
    .update(knownDevices)
    .set({ removedAt: now() })
    .where(and(inArray(knownDevices.id, ofSessions(...ended)), but === undefined ? undefined : notInArray(knownDevices.id, ofSessions(but)), isNull(knownDevices.removedAt)))
}
