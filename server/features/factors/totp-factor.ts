import { and, desc, eq, gt, isNotNull, isNull, lt, lte, or, sql } from 'drizzle-orm'
import type { z } from 'zod'
import type { Tx } from '../../../db/client.ts'
import { totpFactors } from '../../../db/schema/index.ts'
import type { Authed, Deps } from '../../kit/context.ts'
import { AppError, Conflict } from '../../kit/errors.ts'
import { forgetGuesses, takeGuess } from '../../kit/guesses.ts'
import type { JobHandler } from '../../kit/jobs.ts'
import { secondFactorsOf } from '../../kit/proofs.ts'
import { noteProof } from '../auth/auth.ts'
import { afterAddition, afterRemoval, demandAnother, dropPendingTotp, lockOneself, pendingTotp, tellOfChange } from './changes.ts'
import type { ConfirmTotp, RecoveryCodes, TotpEnrolment } from './contract.ts'
import { matchingStep, totpKey, totpSecretBytes } from './totp.ts'

const enrolmentMinutes = 15
/** What was begun before can be confirmed no more. */
const begunSince = (now: Date) => new Date(now.getTime() - enrolmentMinutes * 60_000)
const contextOf = (factorId: string) => `totp_factors/${factorId}`
const confirmed = (userId: string) => and(eq(totpFactors.userId, userId), isNotNull(totpFactors.confirmedAt), isNull(totpFactors.removedAt))

/**
 * A new secret for an authenticator app, which counts for nothing before a code of it was given. It is of the session that begins:
 * no other one of the person confirms it, puts it aside or is told it, since a second one may be in a thief's hands; an earlier one
 * of this session that waits is forgotten.
 */
export async function beginTotp(ctx: Authed): Promise<z.infer<typeof TotpEnrolment>> {
  const { userId, sessionId } = ctx.actor
  const now = ctx.now()
  return ctx.db.transaction(async (tx) => {
    const { email } = await lockOneself(ctx, tx)
    await dropPendingTotp(ctx, tx, { userId, sessionId })
    const secret = await insertTotp(ctx, tx, { userId, confirmedAt: null, sessionId })
    return { ...totpKey(secret, email), expiresAt: new Date(now.getTime() + enrolmentMinutes * 60_000).toISOString() }
  })
}

/**
 * Makes the app that begins to count, in the place of one from before; the session has then proved it.
 * @throws Conflict when nothing waits; AppError 403 proof_invalid for a wrong code, step_up_required; RateLimited after too many
 * wrong ones; Unauthenticated session_ended
 */
export async function confirmTotp(ctx: Authed, given: z.infer<typeof ConfirmTotp>): Promise<z.infer<typeof RecoveryCodes>> {
  // over all that the session begins: a new secret brings no new tries, and another session loses none of its own
  const subject = { pace: 'code', of: `totp-enrolment/${ctx.actor.sessionId}` } as const
  const guess = await takeGuess(ctx, subject)
  try {
    return await ctx.db.transaction(async (tx) => {
      const done = await confirmPending(ctx, tx, given)
      await forgetGuesses(ctx, tx, subject)
      return done
    })
  } catch (error) {
    if (error instanceof AppError && error.code === 'proof_invalid') await ctx.db.transaction((tx) => guess.wrong(tx))
    else await guess.forgive(ctx.db)
    throw error
  }
}

async function confirmPending(ctx: Authed, tx: Tx, { code }: z.infer<typeof ConfirmTotp>): Promise<z.infer<typeof RecoveryCodes>> {
  const { userId, sessionId } = ctx.actor
  const person = await lockOneself(ctx, tx)
  const now = ctx.now()
  const [factor] = await tx
    .select()
    .from(totpFactors)
    .where(and(pendingTotp({ userId, sessionId }), gt(totpFactors.createdAt, begunSince(now))))
    .orderBy(desc(totpFactors.createdAt))
  if (!factor) throw new Conflict('No authenticator app waits to be confirmed. Begin again.')
  const step = await matchingStep(ctx.sealer.open('column', contextOf(factor.id), factor.secretSealed), code, now)
  if (step === null) throw new AppError(403, 'proof_invalid', 'That is not the code of the moment. Look at the clock of the device, and try again.')

  const before = await secondFactorsOf(tx, userId)
  const replaced = await tx.update(totpFactors).set({ removedAt: now }).where(confirmed(userId)).returning({ id: totpFactors.id })
  await tx.update(totpFactors).set({ confirmedAt: now, lastStep: step, sessionId: null }).where(eq(totpFactors.id, factor.id))
  await noteProof(ctx, tx, ctx.actor, ['totp'], { fresh: false })
  if (replaced.length > 0) await afterRemoval(ctx, tx)
  await tellOfChange(ctx, tx, person, { what: 'added', action: 'totp.add' })
  return { recoveryCodes: await afterAddition(ctx, tx, { before }) }
}

/** @throws Conflict where there is none, or where staff would be left without a second factor */
export async function removeTotp(ctx: Authed): Promise<void> {
  const { userId } = ctx.actor
  await ctx.db.transaction(async (tx) => {
    const person = await lockOneself(ctx, tx)
    const removed = await tx.update(totpFactors).set({ removedAt: ctx.now() }).where(confirmed(userId)).returning({ id: totpFactors.id })
    if (removed.length === 0) throw new Conflict('This account has no authenticator app.')
    await demandAnother(ctx, tx, person)
    await afterRemoval(ctx, tx)
    await tellOfChange(ctx, tx, person, { what: 'removed', action: 'totp.remove' })
  })
}

/** Is it a code of the person's app that was not taken before? Of many at once, one call is told so. */
export async function acceptTotp(ctx: Pick<Deps, 'sealer' | 'now'>, tx: Tx, { userId, code }: { userId: string; code: string }): Promise<boolean> {
  const [factor] = await tx.select().from(totpFactors).where(confirmed(userId))
  if (!factor) return false
  const step = await matchingStep(ctx.sealer.open('column', contextOf(factor.id), factor.secretSealed), code.replaceAll(' ', ''), ctx.now())
  if (step === null) return false
  const [accepted] = await tx
    .update(totpFactors)
    .set({ lastStep: step })
    .where(and(eq(totpFactors.id, factor.id), isNull(totpFactors.removedAt), or(isNull(totpFactors.lastStep), lt(totpFactors.lastStep, step))))
    .returning({ id: totpFactors.id })
  return accepted !== undefined
}

type NewTotp = { userId: string; confirmedAt: Date | null; sessionId?: string }

/** A new secret; `confirmedAt` null: it waits for a first code, from the session. */
export async function insertTotp(deps: Pick<Deps, 'sealer' | 'now' | 'newId' | 'randomBytes'>, tx: Tx, { userId, confirmedAt, sessionId }: NewTotp): Promise<Uint8Array> {
  const [id, secret] = [deps.newId(), deps.randomBytes(totpSecretBytes)]
  await tx.insert(totpFactors).values({ id, userId, sessionId, secretSealed: deps.sealer.seal('column', contextOf(id), secret), createdAt: deps.now(), confirmedAt })
  return secret
}

/** Empties the secrets that no code is taken by any more: of apps that were removed, and of those that were begun and never confirmed (control C8). */
export const forgetTotpSecrets: JobHandler = async ({ db, now }) => {
  const abandoned = and(isNull(totpFactors.confirmedAt), lte(totpFactors.createdAt, begunSince(now())))
  await db
    .update(totpFactors)
    .set({ secretSealed: new Uint8Array(0), removedAt: sql`coalesce(${totpFactors.removedAt}, ${now().toISOString()}::timestamptz)` })
    .where(and(sql`length(${totpFactors.secretSealed}) > 0`, or(isNotNull(totpFactors.removedAt), abandoned)))
}
