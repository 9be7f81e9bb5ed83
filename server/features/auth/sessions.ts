import { and, eq, isNull, type SQL } from 'drizzle-orm'
import type { Tx } from '../../../db/client.ts'
import { sessions } from '../../../db/schema/index.ts'
import type { Deps, UserActor } from '../../kit/context.ts'
import { announce } from '../../kit/revocations.ts'
import { isCookieId, lifetimes, luciaFor, rowIdOf, type SessionKind } from './lucia.ts'

export type NewSession = { cookieId: string; rowId: string; publicId: string; expiresAt: Date; absoluteExpiresAt: Date }
type DeviceInfo = { name: string; platform: string } | undefined

/** Opens a session for someone who has just proved who they are. A new id each time: nothing can be fixated. */
export async function openSession(deps: Pick<Deps, 'now' | 'newId'>, tx: Tx, userId: string, kind: SessionKind, device?: DeviceInfo): Promise<NewSession> {
  const publicId = deps.newId()
  const createdAt = deps.now()
  const absoluteExpiresAt = new Date(createdAt.getTime() + lifetimes[kind].absolute.milliseconds())
  const { id: cookieId } = await luciaFor(tx, deps.now, kind, 'cookie').createSession(userId, {
    publicId,
    kind,
    createdAt,
    absoluteExpiresAt,
    deviceName: device?.name ?? null,
    devicePlatform: device?.platform ?? null,
  })
  return { cookieId, rowId: rowIdOf(cookieId), publicId, expiresAt: new Date(createdAt.getTime() + lifetimes[kind].idle.milliseconds()), absoluteExpiresAt }
}

/** The person behind a console cookie, or null. Use extends the session up to its idle limit. */
export async function actorOfCookie(deps: Pick<Deps, 'db' | 'now'>, cookieId: string): Promise<UserActor | null> {
  if (!isCookieId(cookieId)) return null
  const { session, user } = await luciaFor(deps.db, deps.now, 'console', 'cookie').validateSession(cookieId)
  if (!user || session.kind !== 'console') return null
  return { kind: 'user', userId: user.id, sessionId: session.publicId, role: user.role }
}

/** Is the app session still good? Use extends it. Found by its row, since refresh tokens hang on that. */
export async function validateAppSession(deps: Pick<Deps, 'now'>, tx: Tx, rowId: string) {
  const { session, user } = await luciaFor(tx, deps.now, 'app', 'row').validateSession(rowId)
  return user && session.kind === 'app' ? { userId: user.id, role: user.role, publicId: session.publicId, absoluteExpiresAt: session.absoluteExpiresAt } : null
}

type EndReason = NonNullable<(typeof sessions.$inferSelect)['endReason']>

const end = async (deps: Pick<Deps, 'now'>, tx: Tx, which: SQL | undefined, reason: EndReason): Promise<string[]> => {
  const ended = await tx
    .update(sessions)
    .set({ endedAt: deps.now(), endReason: reason })
    .where(and(which, isNull(sessions.endedAt)))
    .returning({ publicId: sessions.publicId })
  for (const { publicId } of ended) await announce(tx, { kind: 'session', id: publicId })
  return ended.map(({ publicId }) => publicId)
}

/** Ends one session on every node when the transaction commits: its tokens, cookies and streams. Idempotent. */
export const endSession = (deps: Pick<Deps, 'now'>, tx: Tx, publicId: string, reason: EndReason) => end(deps, tx, eq(sessions.publicId, publicId), reason)

/** Ends all sessions of a user. */
export const endSessionsOfUser = (deps: Pick<Deps, 'now'>, tx: Tx, userId: string, reason: EndReason) => end(deps, tx, eq(sessions.userId, userId), reason)
