import { eq } from 'drizzle-orm'
import type { z } from 'zod'
import type { Tx } from '../../../db/client.ts'
import { users } from '../../../db/schema/index.ts'
import type { AuditEntry } from '../../kit/audit.ts'
import type { Authed, Ctx } from '../../kit/context.ts'
import { Conflict } from '../../kit/errors.ts'
import { isStaff } from '../../kit/permissions.ts'
import { secondFactorsOf } from '../../kit/proofs.ts'
import { endOtherSessionsOfUser, mails } from '../auth/auth.ts'
import type { User } from '../auth/contract.ts'
import { userById } from '../users/users.ts'
import { removeRecoveryCodes } from './recovery-codes.ts'

type Person = z.infer<typeof User>

/** Changes of one person's factors wait for each other: two that each leave one would together leave none. @throws NotFound */
export async function lockPerson(ctx: Pick<Ctx, 'sealer'>, tx: Tx, userId: string): Promise<Person> {
  await tx.select({ id: users.id }).from(users).where(eq(users.id, userId)).for('update')
  return userById(ctx, tx, userId)
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
