import { and, eq, isNull, sql } from 'drizzle-orm'
import type { Db, Tx } from '../../db/client.ts'
import { sessions } from '../../db/schema/index.ts'
import { statement } from '../../db/statements.ts'
import type { Deps, SignInMethod, UserActor } from './context.ts'
import { AppError, PermissionDenied } from './errors.ts'
import { isStaff } from './permissions.ts'

export type FactorMethod = Exclude<SignInMethod, 'password'>

/** For so long a proof of who someone is counts as fresh (control A10). */
export const freshMinutes = 5

/** What a person has besides the password; empty without a second factor. Recovery codes stand in for one, and are none alone. */
export async function secondFactorsOf(tx: Db | Tx, userId: string): Promise<FactorMethod[]> {
  const [has] = await factorsThere(tx, { userId })
  if (!has?.totp && !has?.passkey) return []
  return (['passkey', 'totp', 'recovery_code'] as const).filter((method) => has[method])
}

const factorsThere = statement<{ userId: string }, Record<FactorMethod, boolean>>(
  ({ userId }) => sql`
    select
      exists (select 1 from totp_factors where user_id = ${userId}::uuid and confirmed_at is not null and removed_at is null) as totp,
      exists (select 1 from passkeys where user_id = ${userId}::uuid and removed_at is null) as passkey,
      exists (select 1 from recovery_codes where user_id = ${userId}::uuid and used_at is null and removed_at is null) as recovery_code`,
)

/** By what a person may prove once more who they are: a second factor where there is one (with the password, except a passkey), else the password. */
export async function waysToStepUp(tx: Db | Tx, userId: string): Promise<SignInMethod[]> {
  const factors = await secondFactorsOf(tx, userId)
  return factors.length > 0 ? factors : ['password']
}

export const isFresh = ({ now }: Pick<Deps, 'now'>, { authenticatedAt }: Pick<UserActor, 'authenticatedAt'>): boolean => now().getTime() - authenticatedAt.getTime() <= freshMinutes * 60_000

/**
 * A proof of the last minutes, by a second factor where there is one: a password from before it came does no more.
 * @throws AppError 403 step_up_required, naming the methods that would do
 */
export async function demandFresh({ db, now }: Pick<Deps, 'db' | 'now'>, { userId, sessionId, authenticatedAt, methods }: UserActor): Promise<void> {
  if (!isFresh({ now }, { authenticatedAt })) throw stepUpRequired(await waysToStepUp(db, userId))
  if (!provesFactor(methods)) await demandFactorWhereThereIs(db, { userId, sessionId })
}

/** By what a session has proved who its person is, or null when it has ended: newer than what its token says. */
export async function methodsOfSession(tx: Db | Tx, sessionId: string): Promise<SignInMethod[] | null> {
  const [session] = await tx
    .select({ methods: sessions.methods })
    .from(sessions)
    .where(and(eq(sessions.publicId, sessionId), isNull(sessions.endedAt)))
  return session?.methods ?? null
}

/** @throws AppError 403 step_up_required for who has a second factor that this session did not prove */
export async function demandFactorWhereThereIs(tx: Db | Tx, { userId, sessionId }: Pick<UserActor, 'userId' | 'sessionId'>): Promise<void> {
  const factors = await secondFactorsOf(tx, userId)
  if (factors.length > 0 && !provesFactor((await methodsOfSession(tx, sessionId)) ?? [])) throw stepUpRequired(factors)
}

/**
 * Staff do nothing without a second factor (control A9). The token says so of almost all; where it does not, the session's
 * row is asked, because someone who enrolled since then need not sign in again.
 * @throws PermissionDenied 403 mfa_enrolment_required; AppError 403 step_up_required for who has a factor that this session did not prove
 */
export async function demandSecondFactor({ db }: Pick<Deps, 'db'>, { userId, sessionId, role, methods }: UserActor): Promise<void> {
  if (!lacksFactor({ role, methods })) return
  if (provesFactor((await methodsOfSession(db, sessionId)) ?? [])) return
  const factors = await secondFactorsOf(db, userId)
  if (factors.length > 0) throw stepUpRequired(factors)
  throw enrolmentRequired()
}

/** Staff who proved their password alone. Of a console session this is the row's own word, since it is read at each request. */
export const lacksFactor = ({ role, methods }: Pick<UserActor, 'role' | 'methods'>): boolean => isStaff(role) && !provesFactor(methods)

export const enrolmentRequired = () => new PermissionDenied('mfa_enrolment_required', 'This account needs a second factor. Add an authenticator app or a passkey first.')

const provesFactor = (methods: readonly SignInMethod[]): boolean => methods.some((method) => method !== 'password')

const stepUpRequired = (methods: SignInMethod[]) => new AppError(403, 'step_up_required', 'Prove once more who you are: this needs it to be a few minutes ago at most.', { methods })
