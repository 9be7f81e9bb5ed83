import { and, eq, gt, isNotNull, isNull, lte, or, sql, type SQL } from 'drizzle-orm'
import type { Tx } from '../../../db/client.ts'
import { authChallenges, sessions } from '../../../db/schema/index.ts'
import type { Ctx } from '../../kit/context.ts'
import { AppError, RateLimited, Unauthenticated } from '../../kit/errors.ts'
import type { JobHandler } from '../../kit/jobs.ts'
import { endSession } from '../auth/auth.ts'
import { lockUser } from '../users/users.ts'

export const challengeMinutes = 5
export const triesOfChallenge = 5
/**
 * Wrong second factors of one person over all their sign-ins: a six-digit code falls in some thirty years of guessing so fast. To use
 * that up takes the password.
 */
const mostFailures = { hour: 10, day: 30 }
/**
 * Wrong proofs in a row at the step-ups of one session; the last ends it (control A6). By session, since a step-up takes no more than
 * a token: who has stolen one would otherwise use up the tries of its owner, who must be able to change the password just then. And
 * an end rather than a delay, since the token alone can sign out anyhow: whoever guesses is put out, and its owner signs in again,
 * which is as fresh as a step-up (A10). Of a million codes three are good at a time, so a stolen session finds one with a chance of
 * 1 in 33 000, once; another session takes a sign-in, whose wrong proofs are counted by the person.
 */
export const failuresOfSession = 10

export type Challenge = typeof authChallenges.$inferSelect
/** `sessionKind`: of the session that a sign-in opens; of no meaning for what a session that is there proves. */
type Purpose = Pick<Challenge, 'kind' | 'sessionKind'> & Partial<Pick<Challenge, 'userId' | 'sessionId' | 'deviceId' | 'deviceName' | 'devicePlatform'>>

/** Something to prove within minutes, once. Its random bytes are what a passkey signs. */
export async function newChallenge(ctx: Pick<Ctx, 'now' | 'newId' | 'randomBytes'>, tx: Tx, purpose: Purpose): Promise<{ id: string; webauthnChallenge: Uint8Array; expiresAt: Date }> {
  const [id, createdAt, webauthnChallenge] = [ctx.newId(), ctx.now(), ctx.randomBytes(32)]
  const expiresAt = new Date(createdAt.getTime() + challengeMinutes * 60_000)
  await tx.insert(authChallenges).values({ ...purpose, id, webauthnChallenge, triesLeft: triesOfChallenge, createdAt, expiresAt })
  return { id, webauthnChallenge, expiresAt }
}

type Answer<T> = {
  /** Looked at before a try is taken or any row is locked: a password takes long, and its guesses are counted by themselves. */
  check?: () => Promise<boolean>
  /** Null for a wrong proof: nothing of what it did stays. */
  prove: (tx: Tx, challenge: Challenge) => Promise<T | null>
}

/**
 * One attempt at a challenge that is still open and of that purpose. A wrong one costs a try, unless it fails the check before;
 * a right one uses the challenge up.
 * @throws AppError challenge_ended, proof_invalid: 401 where it opens a session, 403 where there is one; RateLimited after too many
 * wrong ones of a person who signs in, Unauthenticated session_ended after too many of a session that steps up
 */
export async function answerChallenge<T>(ctx: Ctx, id: string, { kind, where }: { kind: Challenge['kind']; where: SQL | undefined }, { check, prove }: Answer<T>): Promise<T> {
  const status = kind === 'second_factor' || kind === 'passkey_sign_in' ? 401 : 403
  const open = and(eq(authChallenges.id, id), eq(authChallenges.kind, kind), where, isNull(authChallenges.usedAt), gt(authChallenges.expiresAt, ctx.now()), gt(authChallenges.triesLeft, 0))
  const [found] = await ctx.db.select({ userId: authChallenges.userId }).from(authChallenges).where(open)
  if (!found) throw ended(status)
  let guessing: string | null = null
  if (!check || (await check())) {
    const taken = await takeTry(ctx, { kind, userId: found.userId, open })
    if (!taken) throw ended(status)
    const proved = taken.left < 0 ? wrong : await useUp(ctx, taken.challenge, prove)
    if (proved !== wrong) return proved
    if (taken.left <= 0) guessing = taken.challenge.sessionId
  }
  await ctx.db.transaction(async (tx) => {
    await ctx.audit(tx, { action: 'factor.refused', ...(found.userId ? { target: { kind: 'user', id: found.userId } } : {}), details: { challenge: kind } })
    if (guessing) await endGuessing(ctx, tx, guessing)
  })
  if (guessing) throw sessionEnded()
  throw new AppError(status, 'proof_invalid', 'That did not prove who you are. Try again.')
}

const sessionEnded = () => new Unauthenticated('session_ended', 'This session has ended. Sign in again.')
const ended = (status: number) => new AppError(status, 'challenge_ended', 'This took too long, or was answered before. Begin again.')

/** `left`: tries of the session after this one; below 0, this one may not look. */
type Taken = { challenge: Challenge; left: number }

/** Taking a try is one statement, so that parallel guesses cannot share one; guesses of one person wait for each other. */
function takeTry(ctx: Ctx, { kind, userId, open }: Pick<Challenge, 'kind' | 'userId'> & { open: SQL | undefined }): Promise<Taken | null> {
  return ctx.db.transaction(async (tx) => {
    if (userId) await lockUser(tx, userId)
    if (userId && kind === 'second_factor') await demandFewFailures(ctx, tx, { kind, userId })
    const [challenge] = await tx
      .update(authChallenges)
      .set({ triesLeft: sql`${authChallenges.triesLeft} - 1` })
      .where(open)
      .returning()
    if (!challenge) return null
    return { challenge, left: kind === 'step_up' && challenge.sessionId ? await takeTryOfSession(ctx, tx, challenge.sessionId) : Infinity }
  })
}

/** Taken in advance: of many at once only those that are left get to look. A right proof gives them all back (noteProof). */
async function takeTryOfSession({ now }: Ctx, tx: Tx, sessionId: string): Promise<number> {
  const [session] = await tx
    .update(sessions)
    .set({ stepUpFailures: sql`${sessions.stepUpFailures} + 1` })
    .where(and(eq(sessions.publicId, sessionId), isNull(sessions.endedAt), gt(sessions.expiresAt, now()), gt(sessions.absoluteExpiresAt, now())))
    .returning({ failures: sessions.stepUpFailures })
  if (!session) throw sessionEnded()
  return failuresOfSession - session.failures
}

async function endGuessing(ctx: Ctx, tx: Tx, sessionId: string): Promise<void> {
  const ended = await endSession(ctx, tx, sessionId, 'step_up_refused')
  if (ended.length > 0) await ctx.audit(tx, { action: 'session.end', target: { kind: 'session', id: sessionId }, details: { reason: 'step_up_refused' } })
}

/** Thrown within the transaction, so that a wrong proof leaves nothing behind. */
const wrong: unique symbol = Symbol('wrong proof')

async function useUp<T>(ctx: Ctx, challenge: Challenge, prove: Answer<T>['prove']): Promise<T | typeof wrong> {
  try {
    return await ctx.db.transaction(async (tx) => {
      // the person before their challenge, as whatever ends the challenges of a person does: in the other order two would wait for each other
      if (challenge.userId) await lockUser(tx, challenge.userId)
      // of two right proofs at once one uses it up; the other finds it used
      const [used] = await tx
        .update(authChallenges)
        .set({ usedAt: ctx.now() })
        .where(and(eq(authChallenges.id, challenge.id), isNull(authChallenges.usedAt)))
        .returning({ id: authChallenges.id })
      const proved = used ? await prove(tx, challenge) : null
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- no error: it rolls back, and is caught below
      if (proved === null) throw wrong
      return proved
    })
  } catch (thrown) {
    if (thrown === wrong) return wrong
    throw thrown
  }
}

async function demandFewFailures(ctx: Ctx, tx: Tx, { kind, userId }: { kind: Challenge['kind']; userId: string }): Promise<void> {
  const since = (hours: number) => sql`created_at > ${new Date(ctx.now().getTime() - hours * 3_600_000).toISOString()}::timestamptz`
  // a challenge that was answered, or ended with the sessions, has one try that was no failure
  const failures = sql`greatest(${triesOfChallenge} - tries_left - (used_at is not null)::int, 0)`
  const [counted] = await tx.execute<{ hour: number; day: number }>(sql`
    select coalesce(sum(${failures}) filter (where ${since(1)}), 0)::int as hour, coalesce(sum(${failures}), 0)::int as day
    from auth_challenges where user_id = ${userId}::uuid and kind = ${kind} and ${since(24)}`)
  if ((counted?.hour ?? 0) >= mostFailures.hour) throw new RateLimited(3600)
  if ((counted?.day ?? 0) >= mostFailures.day) throw new RateLimited(24 * 3600)
}

/** For so long failures count, and no longer is who failed at what of use. */
const countedMs = 24 * 3_600_000

/** Empties challenges that ended a day ago: whose they were, on which device, in which session (control C8). The server may not delete them. */
export const forgetChallenges: JobHandler = async ({ db, now }) => {
  const told = or(...forgotten.map((column) => isNotNull(authChallenges[column])))
  await db
    .update(authChallenges)
    .set({ userId: null, sessionId: null, deviceId: null, deviceName: null, devicePlatform: null, webauthnChallenge: null })
    .where(and(lte(authChallenges.expiresAt, new Date(now().getTime() - countedMs)), told))
}
const forgotten = ['userId', 'sessionId', 'deviceId', 'deviceName', 'devicePlatform', 'webauthnChallenge'] as const
