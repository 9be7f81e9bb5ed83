import { and, eq, isNull } from 'drizzle-orm'
import type { z } from 'zod'
import type { Tx } from '../../../db/client.ts'
import { totpFactors } from '../../../db/schema/index.ts'
import type { AuditEntry } from '../../kit/audit.ts'
import type { Authed, Ctx } from '../../kit/context.ts'
import { Conflict, Unauthenticated } from '../../kit/errors.ts'
import { isStaff } from '../../kit/permissions.ts'
import { demandFactorWhereThereIs, methodsOfSession, secondFactorsOf, type FactorMethod } from '../../kit/proofs.ts'
import { endOtherSessionsOfUser, mails } from '../auth/auth.ts'
import type { User } from '../auth/contract.ts'
import { lockUser, userById } from '../users/users.ts'
import { makeRecoveryCodes, removeRecoveryCodes } from './recovery-codes.ts'

type Person = z.infer<typeof User>

/** Changes of one person's factors wait for each other: two that each leave one would together leave none. @throws NotFound */
export async function lockPerson(ctx: Pick<Ctx, 'sealer'>, tx: Tx, userId: string): Promise<Person> {
  await lockUser(tx, userId)
  return userById(ctx, tx, userId)
}

/**
 * The caller, locked, for a change of their own factors: the session has proved one where there is one by now, whatever was
 * so when the change began (control A9).
 * @throws Unauthenticated session_ended; AppError 403 step_up_required
 */
export async function lockOneself(ctx: Authed, tx: Tx): Promise<Person> {
  const { userId, sessionId } = ctx.actor
  const person = await lockPerson(ctx, tx, userId)
  if (!(await methodsOfSession(tx, sessionId))) throw new Unauthenticated('session_ended', 'This session has ended. Sign in again.')
  await demandFactorWhereThereIs(tx, { userId, sessionId })
  return person
}

/** Authenticator apps that a person began and that wait for their first code; with `sessionId` those of one session. */
type Begun = { userId: string; sessionId?: string }
export const pendingTotp = ({ userId, sessionId }: Begun) =>
  and(eq(totpFactors.userId, userId), sessionId === undefined ? undefined : eq(totpFactors.sessionId, sessionId), isNull(totpFactors.confirmedAt), isNull(totpFactors.removedAt))

export async function dropPendingTotp({ now }: Pick<Ctx, 'now'>, tx: Tx, begun: Begun): Promise<void> {
  await tx.update(totpFactors).set({ removedAt: now() }).where(pendingTotp(begun))
}

/**
 * After an addition. The first factor ends the other sessions, since a password alone let them in, and whatever else was begun.
 * @returns the recovery codes that come with the first, else none
 */
export async function afterAddition(ctx: Authed, tx: Tx, { before }: { before: FactorMethod[] }): Promise<string[]> {
  if (before.length > 0) return []
  await dropPendingTotp(ctx, tx, { userId: ctx.actor.userId })
  await endOtherSessionsOfUser(ctx, tx, ctx.actor, 'factors_reset')
  return makeRecoveryCodes(ctx, tx, ctx.actor.userId)
}

/** After a removal: staff must have one left; recovery codes stand in for a factor, and end with the last. @throws Conflict */
export async function demandAnother(ctx: Authed, tx: Tx, { id, role }: Person): Promise<void> {
  if ((await secondFactorsOf(tx, id)).length > 0) return
  if (isStaff(role)) throw new Conflict('Staff keep a second factor: add another one first.', 'factor_required')
  await removeRecoveryCodes(ctx, tx, id)
}

/** Sessions that what is gone let in are over; the one that asks goes on. */
export async function afterRemoval(ctx: Authed, tx: Tx): Promise<void> {
  await endOtherSessionsOfUser(ctx, tx, ctx.actor, 'factors_reset')
}

type Change = { what: Parameters<typeof mails.factorsChanged>[1]['what']; action: AuditEntry['action'] }

/** Every change of how someone signs in is told to them and is an audit row (controls A9, E2). */
export async function tellOfChange(ctx: Ctx, tx: Tx, { id, email, locale }: Person, { what, action }: Change): Promise<void> {
  await ctx.audit(tx, { action, target: { kind: 'user', id } })
  await ctx.mailer.queue(tx, { to: email, ...mails.factorsChanged(locale, { what }) })
}
