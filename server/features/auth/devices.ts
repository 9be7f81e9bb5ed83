import { and, eq, gt, isNotNull, isNull, notInArray, or, sql, type SQL } from 'drizzle-orm'
import type { Tx } from '../../../db/client.ts'
import { knownDevices, sessions, users } from '../../../db/schema/index.ts'
import type { Ctx, Deps, RequestInfo } from '../../kit/context.ts'
import { secretToken, tokenHash } from '../../kit/secret-tokens.ts'
import { coarseNetworkOf } from '../../lib/addresses.ts'
import { lookupOf, normaliseEmail, shownUser } from '../users/users.ts'
import { SignIn } from './contract.ts'
import { newDevice } from './mails.ts'
import type { LockedAccount } from './standing.ts'

/** What a client says of the device it runs on: by `token` (a secret of an earlier sign-in) or `id` it is one that is known. */
export type DeviceGiven = { id?: string | null | undefined; token?: string | undefined; name?: string | null | undefined; platform?: string | null | undefined }
/** `deviceToken` is null where the device keeps the one it has. `announce` tells its person of one that is new. */
export type Arrival = { deviceId: string; deviceToken: string | null; announce: () => Promise<unknown> }

/** As long as a browser keeps a cookie (RFC 6265bis section 5.5). A device not seen for longer is a new one. */
export const knownDays = 400
const dayMs = 86_400_000

const live = (deps: Pick<Deps, 'now'>): SQL | undefined => and(isNull(knownDevices.removedAt), gt(knownDevices.lastSeenAt, new Date(deps.now().getTime() - knownDays * dayMs)))

/** What the calls of a request have found: the limit asks first, then the sign-in itself. */
const found = new WeakMap<RequestInfo, Map<string, Promise<string | null>>>()

/** The device that keeps the token, if someone has signed in on it to the account of this address. Looked up once a request. */
export function findDevice(ctx: Ctx, { email, token }: { email: string; token: string }): Promise<string | null> {
  const ofRequest = found.get(ctx.request) ?? new Map<string, Promise<string | null>>()
  found.set(ctx.request, ofRequest)
  const key = `${token} ${email}`
  const device = ofRequest.get(key) ?? lookUpDevice(ctx, { email, token })
  ofRequest.set(key, device)
  return device
}

async function lookUpDevice(ctx: Ctx, { email, token }: { email: string; token: string }): Promise<string | null> {
  const [device] = await ctx.db
    .select({ id: knownDevices.id })
    .from(knownDevices)
    .innerJoin(users, eq(users.id, knownDevices.userId))
    .where(and(eq(knownDevices.tokenHash, tokenHash(token)), eq(users.emailLookup, lookupOf(ctx, normaliseEmail(email))), live(ctx)))
    .prepare('known_device')
    .execute()
  return device?.id ?? null
}

/**
 * Whom a sign-in counts as in the limit of credentials: the known device that it comes from, so that nobody at the same
 * address can use its budget up; null for any other (control A6).
 */
export async function knownDeviceClient(ctx: Ctx, given: unknown): Promise<string | null> {
  const { data } = SignIn.safeParse(given)
  const device = data?.device?.token ? await findDevice(ctx, { email: data.email, token: data.device.token }) : null
  return device && `d:${device}`
}

/**
 * Notes a sign-in on a device. One that is new gets a secret to keep, and its person a mail, unless it is the first
 * that they have ever signed in on (control A12).
 */
export async function arriveOn(ctx: ArriveCtx, tx: Tx, { account, device = {} }: { account: LockedAccount; device?: DeviceGiven | undefined }): Promise<Arrival> {
  const { id, token, name, platform } = device
  if (id || token) {
    const itself = or(id ? eq(knownDevices.id, id) : undefined, token ? eq(knownDevices.tokenHash, tokenHash(token)) : undefined)
    const [known] = await tx
      .update(knownDevices)
      .set({ lastSeenAt: ctx.now(), ...(name ? { name } : {}), ...(platform ? { platform } : {}) })
      .where(and(itself, eq(knownDevices.userId, account.id), live(ctx)))
      .returning({ id: knownDevices.id })
    if (known) return { deviceId: known.id, deviceToken: null, announce: () => Promise.resolve() }
  }
  return addDevice(ctx, tx, account, { name: name ?? null, platform: platform ?? null })
}

type ArriveCtx = Pick<Ctx, 'now' | 'newId' | 'randomBytes' | 'request' | 'mailer' | 'sealer' | 'audit'>

/** The account is locked: of two first sign-ins at once the second waits, and is then announced. */
async function addDevice(ctx: ArriveCtx, tx: Tx, account: LockedAccount, { name, platform }: { name: string | null; platform: string | null }): Promise<Arrival> {
  const { id: userId } = account
  const id = ctx.newId()
  const token = secretToken(ctx.randomBytes, 'tsd_')
  const at = ctx.now()
  const earlier = sql<boolean>`exists(select 1 from ${knownDevices} d where d.user_id = ${userId}) or exists(select 1 from ${sessions} s where s.user_id = ${userId})`
  const [added] = await tx
    .insert(knownDevices)
    .values({ id, userId, tokenHash: tokenHash(token), name, platform, createdAt: at, lastSeenAt: at })
    .returning({ earlier })
  const announce = async () => {
    if (!added?.earlier) return
    const { email, locale } = shownUser(ctx, account)
    const letter = newDevice(locale, { name, network: coarseNetworkOf(ctx.request.ip), at })
    await Promise.all([ctx.mailer.queue(tx, { to: email, ...letter }), ctx.audit(tx, { action: 'device.add', target: { kind: 'user', id: userId } })])
  }
  return { deviceId: id, deviceToken: token, announce }
}

const forget = (deps: Pick<Deps, 'now'>, tx: Tx, which: SQL | undefined) =>
  tx.update(knownDevices).set({ removedAt: deps.now() }).where(and(which, isNull(knownDevices.removedAt))).returning({ id: knownDevices.id })

/** The device is a stranger from now on: its next sign-in is announced. Its sessions are for the caller to end. @returns whether it was theirs and known. */
export async function forgetDevice(deps: Pick<Deps, 'now'>, tx: Tx, { userId, deviceId }: { userId: string; deviceId: string }): Promise<boolean> {
  return (await forget(deps, tx, and(eq(knownDevices.userId, userId), eq(knownDevices.id, deviceId)))).length > 0
}

/** All of a person's but the one that the session is on: after a change of the password. */
export async function forgetOtherDevices(deps: Pick<Deps, 'now'>, tx: Tx, { userId, sessionId }: { userId: string; sessionId: string }): Promise<void> {
  const own = tx.select({ id: sessions.deviceId }).from(sessions).where(and(eq(sessions.publicId, sessionId), isNotNull(sessions.deviceId)))
  await forget(deps, tx, and(eq(knownDevices.userId, userId), notInArray(knownDevices.id, own)))
}

/** All of a person's: after a reset of the password, or when they leave. */
export async function forgetDevices(deps: Pick<Deps, 'now'>, tx: Tx, userId: string): Promise<void> {
  await forget(deps, tx, eq(knownDevices.userId, userId))
}
