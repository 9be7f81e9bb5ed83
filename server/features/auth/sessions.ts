import { and, eq, isNull, type SQL } from 'drizzle-orm'
import type { Tx } from '../../../db/client.ts'
import { sessions } from '../../../db/schema/index.ts'
import type { Ctx, Deps, SignInMethod, UserActor } from '../../kit/context.ts'
import type { Role } from '../../kit/permissions.ts'
import { announce } from '../../kit/revocations.ts'
import { coarseNetworkOf } from '../../lib/addresses.ts'
import { arriveOn, type DeviceGiven } from './devices.ts'
import { isCookieId, lifetimes, luciaFor, rowIdOf, type SessionKind } from './lucia.ts'

export type NewSession = SessionFacts & { cookieId: string; expiresAt: Date; deviceToken: string | null }
/** What tokens are made from. */
export type SessionFacts = { rowId: string; publicId: string; userId: string; authenticatedAt: Date; methods: SignInMethod[]; absoluteExpiresAt: Date }
/** What a session is opened with: by what its person proved who they are, from which device. */
export type Opening = { userId: string; kind: SessionKind; methods: SignInMethod[]; device?: DeviceGiven | undefined }

/**
 * Opens a session for someone who has just proved all that they must. A new id each time: nothing can be fixated.
 * `deviceToken` is for a device that was not known; it is announced (control A12).
 */
export async function openSession(ctx: Ctx, tx: Tx, { userId, kind, methods, device }: Opening): Promise<NewSession> {
  const publicId = ctx.newId()
  const createdAt = ctx.now()
  const absoluteExpiresAt = new Date(createdAt.getTime() + lifetimes[kind].absolute.milliseconds())
  const { deviceId, deviceToken, announce } = await arriveOn(ctx, tx, { userId, device })
  const creating = luciaFor(tx, ctx.now, kind, 'cookie').createSession(userId, {
    publicId,
    kind,
    createdAt,
    absoluteExpiresAt,
    authenticatedAt: createdAt,
    methods,
    lastSeenAt: createdAt,
    network: coarseNetworkOf(ctx.request.ip),
    deviceId,
    deviceName: device?.name ?? null,
    devicePlatform: device?.platform ?? null,
  })
  // on one connection: sent together, done in this order
  const [{ id: cookieId }] = await Promise.all([creating, announce()])
  return { cookieId, rowId: rowIdOf(cookieId), publicId, userId, authenticatedAt: createdAt, methods, expiresAt: new Date(createdAt.getTime() + lifetimes[kind].idle.milliseconds()), absoluteExpiresAt, deviceToken }
}

/** The person behind a console cookie, or null. Use extends the session up to its idle limit. */
export async function actorOfCookie(deps: Pick<Deps, 'db' | 'now'>, cookieId: string): Promise<UserActor | null> {
  if (!isCookieId(cookieId)) return null
  const { session, user } = await luciaFor(deps.db, deps.now, 'console', 'cookie').validateSession(cookieId)
  if (!user || session.kind !== 'console') return null
  const { authenticatedAt, methods } = session
  return { kind: 'user', userId: user.id, sessionId: session.publicId, role: user.role, authenticatedAt, methods }
}

/** Is the app session still good? Use extends it. Found by its row, since refresh tokens hang on that. */
export async function validateAppSession(deps: Pick<Deps, 'now'>, tx: Tx, rowId: string): Promise<(SessionFacts & { role: Role }) | null> {
  const { session, user } = await luciaFor(tx, deps.now, 'app', 'row').validateSession(rowId)
  if (!user || session.kind !== 'app') return null
  const { publicId, absoluteExpiresAt, authenticatedAt, methods } = session
  return { userId: user.id, role: user.role, rowId, publicId, absoluteExpiresAt, authenticatedAt, methods }
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
