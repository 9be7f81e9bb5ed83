import { and, desc, eq, gt, isNotNull, isNull, lt, or } from 'drizzle-orm'
import type { z } from 'zod'
import type { Tx } from '../../../db/client.ts'
import { totpFactors } from '../../../db/schema/index.ts'
import type { Authed, Deps } from '../../kit/context.ts'
import { AppError, Conflict } from '../../kit/errors.ts'
import { forgetGuesses, takeGuess } from '../../kit/guesses.ts'
import { secondFactorsOf } from '../../kit/proofs.ts'
import { noteProof } from '../auth/auth.ts'
import { afterAddition, afterRemoval, demandAnother, dropPendingTotp, lockOneself, tellOfChange } from './changes.ts'
import type { ConfirmTotp, RecoveryCodes, TotpEnrolment } from './contract.ts'
import { matchingStep, totpKey, totpSecretBytes } from './totp.ts'

const enrolmentMinutes = 15
const contextOf = (factorId: string) => `totp_factors/${factorId}`
const confirmed = (userId: string) => and(eq(totpFactors.userId, userId), isNotNull(totpFactors.confirmedAt), isNull(totpFactors.removedAt))
const pending = (userId: string) => and(eq(totpFactors.userId, userId), isNull(totpFactors.confirmedAt), isNull(totpFactors.removedAt))

/** A new secret for an authenticator app. It counts for nothing before a code of it was given; an earlier one that waits is forgotten. */
export async function beginTotp(ctx: Authed): Promise<z.infer<typeof TotpEnrolment>> {
  const { userId } = ctx.actor
  const now = ctx.now()
  return ctx.db.transaction(async (tx) => {
    const { email } = await lockOneself(ctx, tx)
    await dropPendingTotp(ctx, tx, userId)
    const secret = await insertTotp(ctx, tx, { userId, confirmedAt: null })
    return { ...totpKey(secret, email), expiresAt: new Date(now.getTime() + enrolmentMinutes * 60_000).toISOString() }
  })
}

/**
 * Makes the app that begins to count, in the place of one from before; the session has then proved it.
 * @throws Conflict when nothing waits; AppError 403 proof_invalid for a wrong code, step_up_required; RateLimited after too many
 * wrong ones; Unauthenticated session_ended
 */
export async function confirmTotp(ctx: Authed, given: z.infer<typeof ConfirmTotp>): Promise<z.infer<typeof RecoveryCodes>> {
  // over all that is begun: a new secret brings no new tries
  const subject = { pace: 'code', of: `totp-enrolment/${ctx.actor.userId}` } as const
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
  const { userId } = ctx.actor
  const person = await lockOneself(ctx, tx)
  const now = ctx.now()
  const [factor] = await tx
    .select()
    .from(totpFactors)
    .where(and(pending(userId), gt(totpFactors.createdAt, new Date(now.getTime() - enrolmentMinutes * 60_000))))
    .orderBy(desc(totpFactors.createdAt))
  if (!factor) throw new Conflict('No authenticator app waits to be confirmed. Begin again.')
  const step = await matchingStep(ctx.sealer.open('column', contextOf(factor.id), factor.secretSealed), code, now)
  if (step === null) throw new AppError(403, 'proof_invalid', 'That is not the code of the moment. Look at the clock of the device, and try again.')

  const before = await secondFactorsOf(tx, userId)
  const replaced = await tx.update(totpFactors).set({ removedAt: now }).where(confirmed(userId)).returning({ id: totpFactors.id })
  await tx.update(totpFactors).set({ confirmedAt: now, lastStep: step }).where(eq(totpFactors.id, factor.id))
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

/** A new secret; `confirmedAt` null: it waits for a first code. */
export async function insertTotp(deps: Pick<Deps, 'sealer' | 'now' | 'newId' | 'randomBytes'>, tx: Tx, { userId, confirmedAt }: { userId: string; confirmedAt: Date | null }): Promise<Uint8Array> {
  const [id, secret] = [deps.newId(), deps.randomBytes(totpSecretBytes)]
  await tx.insert(totpFactors).values({ id, userId, secretSealed: deps.sealer.seal('column', contextOf(id), secret), createdAt: deps.now(), confirmedAt })
  return secret
}
