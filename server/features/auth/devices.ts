import { and, eq, isNotNull, isNull, notInArray, sql, type SQL } from 'drizzle-orm'
import type { Tx } from '../../../db/client.ts'
import { knownDevices, sessions } from '../../../db/schema/index.ts'
import { statement } from '../../../db/statements.ts'
import type { Ctx, Deps, RequestInfo } from '../../kit/context.ts'
import type { Role } from '../../kit/permissions.ts'
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

const forgottenBefore = ({ now }: Pick<Deps, 'now'>): Date => new Date(now().getTime() - knownDays * dayMs)

/** What a sign-in is decided by before its transaction, which looks again. */
export type FoundAccount = { id: string; role: Role; passwordHash: string | null; banned: boolean }
type Found = { account: FoundAccount | null; deviceId: string | null }

/** What the limit of a request has found: the sign-in that follows does not ask again. */
const found = new WeakMap<RequestInfo, Map<string, Promise<Found>>>()

/** The account of an address, and the device that keeps the token, if someone has signed in on it to that account. */
export function findAccount(ctx: Ctx, { email, token }: { email: string; token?: string | undefined }): Promise<Found> {
  const ofRequest = found.get(ctx.request)
  const key = `${token ?? ''} ${email}`
  const before = ofRequest?.get(key)
  ofRequest?.delete(key)
  return before ?? lookUp(ctx, { email, token })
}

async function lookUp(ctx: Ctx, { email, token }: { email: string; token?: string | undefined }): Promise<Found> {
  const [row] = await accountOfAddress(ctx.db, { emailLookup: lookupOf(ctx, normaliseEmail(email)), tokenHash: token === undefined ? null : tokenHash(token), since: forgottenBefore(ctx) })
  if (!row) return { account: null, deviceId: null }
  const { deviceId, ...account } = row
  return { account, deviceId }
}

const accountOfAddress = statement<{ emailLookup: Uint8Array; tokenHash: Uint8Array | null; since: Date }, FoundAccount & { deviceId: string | null }>(
  ({ emailLookup, tokenHash: hash, since }) => sql`
    select u.id, u.role, u.password_hash as "passwordHash", u.banned_at is not null as banned, d.id as "deviceId"
    from users u left join known_devices d on d.token_hash = ${hash} and d.user_id = u.id and d.removed_at is null and d.last_seen_at > ${since}
    where u.email_lookup = ${emailLookup}`,
)

/**
 * Whom a sign-in counts as in the limit of credentials: the known device that it comes from, so that nobody at the same
 * address can use its budget up; null for any other (control A6).
 */
export async function knownDeviceClient(ctx: Ctx, given: unknown): Promise<string | null> {
  const { data } = SignIn.safeParse(given)
  if (!data?.device?.token) return null
  const { email, device: { token } } = data
  const looking = lookUp(ctx, { email, token })
  found.set(ctx.request, (found.get(ctx.request) ?? new Map<string, Promise<Found>>()).set(`${token} ${email}`, looking))
  const { deviceId } = await looking
  return deviceId && `d:${deviceId}`
}

/**
 * Notes a sign-in on a device. One that is new gets a secret to keep, and its person a mail, unless it is the first
 * that they have ever signed in on (control A12).
 */
export async function arriveOn(ctx: ArriveCtx, tx: Tx, { account, device = {} }: { account: LockedAccount; device?: DeviceGiven | undefined }): Promise<Arrival> {
  const { id = null, token, name, platform } = device
  if (id || token) {
    const itself = { id, tokenHash: token ? tokenHash(token) : null, userId: account.id, since: forgottenBefore(ctx) }
    const [known] = await seeAgain(tx, { ...itself, at: ctx.now(), name: name || null, platform: platform || null })
    if (known) return { deviceId: known.id, deviceToken: null, announce: () => Promise.resolve() }
  }
  return addDevice(ctx, tx, account, { name: name ?? null, platform: platform ?? null })
}

type Seen = { id: string | null; tokenHash: Uint8Array | null; userId: string; since: Date; at: Date; name: string | null; platform: string | null }
const seeAgain = statement<Seen, { id: string }>(
  ({ id, tokenHash: hash, userId, since, at, name, platform }) => sql`
    update known_devices set last_seen_at = ${at}, name = coalesce(${name}, name), platform = coalesce(${platform}, platform)
    where id = coalesce(${id}::uuid, (select id from known_devices where token_hash = ${hash})) and user_id = ${userId} and removed_at is null and last_seen_at > ${since}
    returning id`,
)

type ArriveCtx = Pick<Ctx, 'now' | 'newId' | 'randomBytes' | 'request' | 'mailer' | 'sealer' | 'audit'>

/** The account is locked: of two first sign-ins at once the second waits, and is then announced. */
async function addDevice(ctx: ArriveCtx, tx: Tx, account: LockedAccount, { name, platform }: { name: string | null; platform: string | null }): Promise<Arrival> {
  const { id: userId } = account
  const id = ctx.newId()
  const token = secretToken(ctx.randomBytes, 'tsd_')
  const at = ctx.now()
  const [added] = await insertDevice(tx, { id, userId, tokenHash: tokenHash(token), name, platform, at })
  const announce = async () => {
    if (!added?.earlier) return
    const { email, locale } = shownUser(ctx, account)
    const letter = newDevice(locale, { name, network: coarseNetworkOf(ctx.request.ip), at })
    await Promise.all([ctx.mailer.queue(tx, { to: email, ...letter }, { hurry: false }), ctx.audit(tx, { action: 'device.add', target: { kind: 'user', id: userId } })])
  }
  return { deviceId: id, deviceToken: token, announce }
}

type Added = { id: string; userId: string; tokenHash: Uint8Array; name: string | null; platform: string | null; at: Date }
/** `earlier`: they have signed in before, as this statement found it. */
const insertDevice = statement<Added, { earlier: boolean }>(
  ({ id, userId, tokenHash: hash, name, platform, at }) => sql`
    insert into known_devices (id, user_id, token_hash, name, platform, created_at, last_seen_at) values (${id}, ${userId}::uuid, ${hash}, ${name}, ${platform}, ${at}, ${at})
    returning exists (select 1 from known_devices d where d.user_id = ${userId}::uuid) or exists (select 1 from sessions s where s.user_id = ${userId}::uuid) as earlier`,
)

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
