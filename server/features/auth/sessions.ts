import { and, eq, gt, isNull, ne, sql, type SQL } from 'drizzle-orm'
import type { Db, Tx } from '../../../db/client.ts'
import { authChallenges, sessions } from '../../../db/schema/index.ts'
import type { Ctx, Deps, SignInMethod, UserActor } from '../../kit/context.ts'
import { Unauthenticated } from '../../kit/errors.ts'
import type { Role } from '../../kit/permissions.ts'
import { announce } from '../../kit/revocations.ts'
import { coarseNetworkOf } from '../../lib/addresses.ts'
import { lockUser } from '../users/users.ts'
import { arriveOn, type DeviceGiven } from './devices.ts'
import { isCookieId, lifetimes, luciaFor, newCookieId, rowIdOf, type SessionKind } from './lucia.ts'
import { demandStanding, lockAccount, type LockedAccount } from './standing.ts'

export type NewSession = SessionFacts & { cookieId: string; expiresAt: Date; deviceToken: string | null; account: LockedAccount }
/** What tokens are made from. */
export type SessionFacts = { rowId: string; publicId: string; userId: string; authenticatedAt: Date; methods: SignInMethod[]; absoluteExpiresAt: Date }
/** What a session is opened with: by what its person proved who they are, from which device. `account`: where the caller has locked it. */
export type Opening = { userId: string; kind: SessionKind; methods: SignInMethod[]; device?: DeviceGiven | undefined; account?: LockedAccount }

/**
 * Opens a session for someone who has just proved who they are. A new id each time: nothing can be fixated.
 * `deviceToken` is for a device that was not known; it is announced (control A12).
 * @throws PermissionDenied account_banned, Unauthenticated invalid_credentials where the account was banned or erased meanwhile
 */
export async function openSession(ctx: Ctx, tx: Tx, opening: Opening): Promise<NewSession> {
  const { session, store } = await draftSession(ctx, tx, opening)
  await store()
  return session
}

/**
 * As openSession, up to the rows of the session itself: `store` sends their statements at once, the session's first, so that
 * the caller may send others that hang on it in the same breath.
 */
export async function draftSession(ctx: Ctx, tx: Tx, { userId, kind, methods, device, account: locked }: Opening): Promise<{ session: NewSession; store: () => Promise<unknown> }> {
  const account = await demandStanding(ctx, tx, locked ?? (await lockAccount(tx, userId)))
  const { deviceId, deviceToken, announce } = await arriveOn(ctx, tx, { account, device })
  const lives = lifetimes(ctx.config)[kind]
  const [cookieId, publicId, createdAt] = [newCookieId(), ctx.newId(), ctx.now()]
  const after = (span: typeof lives.idle) => new Date(createdAt.getTime() + span.milliseconds())
  const attributes = {
    publicId,
    kind,
    createdAt,
    absoluteExpiresAt: after(lives.absolute),
    authenticatedAt: createdAt,
    methods,
    lastSeenAt: createdAt,
    network: coarseNetworkOf(ctx.request.ip),
    deviceId,
    deviceName: device?.name ?? null,
    devicePlatform: device?.platform ?? null,
  }
  return {
    session: { cookieId, rowId: rowIdOf(cookieId), publicId, userId, authenticatedAt: createdAt, methods, expiresAt: after(lives.idle), absoluteExpiresAt: after(lives.absolute), deviceToken, account },
    store: () => Promise.all([luciaFor(ctx, tx, kind, 'cookie').createSession(userId, attributes, { sessionId: cookieId }), announce()]),
  }
}

/** The person behind a console cookie, or null. Use from `ip` extends the session up to its idle limit. */
export async function actorOfCookie(deps: Pick<Deps, 'db' | 'now' | 'config'>, cookieId: string, ip: string): Promise<UserActor | null> {
  if (!isCookieId(cookieId)) return null
  const { session, user } = await luciaFor(deps, deps.db, 'console', 'cookie').validateSession(cookieId)
  if (!user || session.kind !== 'console') return null
  await noteUse(deps, deps.db, session, ip)
  const { authenticatedAt, methods } = session
  return { kind: 'user', userId: user.id, sessionId: session.publicId, role: user.role, authenticatedAt, methods }
}

/** Is the app session still good? Use extends it. Found by its row, since refresh tokens hang on that. */
export async function validateAppSession(deps: Pick<Ctx, 'now' | 'config' | 'request'>, tx: Tx, rowId: string): Promise<(SessionFacts & { role: Role }) | null> {
  const { session, user } = await luciaFor(deps, tx, 'app', 'row').validateSession(rowId)
  if (!user || session.kind !== 'app') return null
  await noteUse(deps, tx, session, deps.request.ip)
  const { publicId, absoluteExpiresAt, authenticatedAt, methods } = session
  return { userId: user.id, role: user.role, rowId, publicId, absoluteExpiresAt, authenticatedAt, methods }
}

const noteMs = 60_000

/** Where and when a session was last seen, a minute at most behind: no write a request (control A12). */
async function noteUse({ now }: Pick<Deps, 'now'>, tx: Db | Tx, { publicId, lastSeenAt }: { publicId: string; lastSeenAt: Date }, ip: string): Promise<void> {
  const at = now()
  if (at.getTime() - lastSeenAt.getTime() < noteMs) return
  await tx.update(sessions).set({ lastSeenAt: at, network: coarseNetworkOf(ip) }).where(and(eq(sessions.publicId, publicId), isNull(sessions.endedAt)))
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

/** Ends a session of this user, if it is theirs. */
export const endOwnSession = (deps: Pick<Deps, 'now'>, tx: Tx, { userId, publicId }: { userId: string; publicId: string }, reason: EndReason) =>
  end(deps, tx, and(eq(sessions.publicId, publicId), eq(sessions.userId, userId)), reason)

/** Ends all sessions of a user, and sign-ins that are half done. */
export async function endSessionsOfUser(deps: Pick<Deps, 'now'>, tx: Tx, userId: string, reason: EndReason): Promise<string[]> {
  await endChallengesOf(deps, tx, userId)
  return end(deps, tx, eq(sessions.userId, userId), reason)
}

/** Ends all sessions of a user but the one that asks, and sign-ins that are half done. */
export async function endOtherSessionsOfUser(deps: Pick<Deps, 'now'>, tx: Tx, { userId, sessionId }: Pick<UserActor, 'userId' | 'sessionId'>, reason: EndReason): Promise<string[]> {
  await endChallengesOf(deps, tx, userId)
  return end(deps, tx, and(eq(sessions.userId, userId), ne(sessions.publicId, sessionId)), reason)
}

/** What was proved for them was proved by what has just been changed. The person is locked first, as wherever a proof is taken: nobody waits in a circle. */
async function endChallengesOf({ now }: Pick<Deps, 'now'>, tx: Tx, userId: string): Promise<void> {
  await lockUser(tx, userId)
  await tx.update(authChallenges).set({ usedAt: now() }).where(and(eq(authChallenges.userId, userId), isNull(authChallenges.usedAt)))
}

/**
 * Notes that the person of a session has proved who they are by more than was known. `fresh` also moves the moment that
 * step-up looks at.
 * @returns the session as it is now
 * @throws Unauthenticated session_ended, also past its idle or absolute limit
 */
export async function noteProof(deps: Pick<Deps, 'now'>, tx: Tx, { sessionId }: Pick<UserActor, 'sessionId'>, methods: SignInMethod[], { fresh }: { fresh: boolean }): Promise<SessionFacts & { kind: SessionKind }> {
  const now = deps.now()
  const [row] = await tx
    .update(sessions)
    .set({
      methods: sql`(select array_agg(distinct method) from unnest(${sessions.methods} || ${sql.param(methods, sessions.methods)}) method)`,
      ...(fresh ? { authenticatedAt: now, stepUpFailures: 0 } : {}),
    })
    .where(and(eq(sessions.publicId, sessionId), isNull(sessions.endedAt), gt(sessions.expiresAt, now), gt(sessions.absoluteExpiresAt, now)))
    .returning()
  if (!row) throw new Unauthenticated('session_ended', 'This session has ended. Sign in again.')
  return { ...row, rowId: row.id }
}
