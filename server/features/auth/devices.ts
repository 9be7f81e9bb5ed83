import { and, eq, gt, isNotNull, isNull, notInArray, or, sql, type SQL } from 'drizzle-orm'
import type { Tx } from '../../../db/client.ts'
import { knownDevices, sessions, users } from '../../../db/schema/index.ts'
import type { Ctx, Deps } from '../../kit/context.ts'
import { secretToken, tokenHash } from '../../kit/secret-tokens.ts'
import { coarseNetworkOf } from '../../lib/addresses.ts'
import { lookupOf, normaliseEmail } from '../users/users.ts'
import { SignIn } from './contract.ts'
import { newDevice } from './mails.ts'

/** What a client says of the device it runs on: by `token` (a secret of an earlier sign-in) or `id` it is one that is known. */
export type DeviceGiven = { id?: string | null | undefined; token?: string | undefined; name?: string | null | undefined; platform?: string | null | undefined }
/** `deviceToken` is null where the device keeps the one it has. `announce` tells its person of one that is new. */
export type Arrival = { deviceId: string; deviceToken: string | null; announce: () => Promise<unknown> }

/** As long as a browser keeps a cookie (RFC 6265bis section 5.5). A device not seen for longer is a new one. */
export const knownDays = 400
const dayMs = 86_400_000

const live = (deps: Pick<Deps, 'now'>): SQL | undefined => and(isNull(knownDevices.removedAt), gt(knownDevices.lastSeenAt, new Date(deps.now().getTime() - knownDays * dayMs)))

/** The device that keeps the token, if someone has signed in on it to the account of this address. */
export async function findDevice(ctx: Ctx, { email, token }: { email: string; token: string }): Promise<string | null> {
  const [device] = await ctx.db
    .select({ id: knownDevices.id })
    .from(knownDevices)
    .innerJoin(users, eq(users.id, knownDevices.userId))
    .where(and(eq(knownDevices.tokenHash, tokenHash(token)), eq(users.emailLookup, lookupOf(ctx, normaliseEmail(email))), live(ctx)))
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
export async function arriveOn(ctx: ArriveCtx, tx: Tx, { userId, device = {} }: { userId: string; device?: DeviceGiven | undefined }): Promise<Arrival> {
  const { id, token, name, platform } = device
  if (id || token) {
    const itself = or(id ? eq(knownDevices.id, id) : undefined, token ? eq(knownDevices.tokenHash, tokenHash(token)) : undefined)
    const [known] = await tx
      .update(knownDevices)
      .set({ lastSeenAt: ctx.now(), ...(name ? { name } : {}), ...(platform ? { platform } : {}) })
      .where(and(itself, eq(knownDevices.userId, userId), live(ctx)))
      .returning({ id: knownDevices.id })
    if (known) return { deviceId: known.id, deviceToken: null, announce: () => Promise.resolve() }
  }
  return addDevice(ctx, tx, userId, { name: name ?? null, platform: platform ?? null })
}

type ArriveCtx = Pick<Ctx, 'now' | 'newId' | 'randomBytes' | 'request' | 'mailer' | 'sealer' | 'audit'>

async function addDevice(ctx: ArriveCtx, tx: Tx, userId: string, { name, platform }: { name: string | null; platform: string | null }): Promise<Arrival> {
  const id = ctx.newId()
  const token = secretToken(ctx.randomBytes, 'tsd_')
  const at = ctx.now()
  // of two first sign-ins at once the second waits here, and is then announced
  const person = tx.select({ emailSealed: users.emailSealed, locale: users.locale }).from(users).where(eq(users.id, userId)).for('no key update')
  const earlier = sql<boolean>`exists(select 1 from ${knownDevices} d where d.user_id = ${userId}) or exists(select 1 from ${sessions} s where s.user_id = ${userId})`
  const insert = tx
    .insert(knownDevices)
    .values({ id, userId, tokenHash: tokenHash(token), name, platform, createdAt: at, lastSeenAt: at })
    .returning({ earlier })
  // on one connection: sent together, answered in this order
  const [[reader], [added]] = await Promise.all([person, insert])
  const announce = async () => {
    if (!reader?.emailSealed || !added?.earlier) return
    const to = ctx.sealer.openText('column', `users/${userId}`, reader.emailSealed)
    const letter = newDevice(reader.locale === 'fr' ? 'fr' : 'en', { name, network: coarseNetworkOf(ctx.request.ip), at })
    await Promise.all([ctx.mailer.queue(tx, { to, ...letter }), ctx.audit(tx, { action: 'device.add', target: { kind: 'user', id: userId } })])
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
