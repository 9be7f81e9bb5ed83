import { and, count, eq, isNotNull, isNull } from 'drizzle-orm'
import type { z } from 'zod'
import { recoveryCodes, totpFactors } from '../../../db/schema/index.ts'
import type { Authed } from '../../kit/context.ts'
import { Conflict } from '../../kit/errors.ts'
import { isStaff } from '../../kit/permissions.ts'
import { secondFactorsOf } from '../../kit/proofs.ts'
import { lockOneself, tellOfChange } from './changes.ts'
import type { FactorState, RecoveryCodes } from './contract.ts'
import { listPasskeys } from './passkeys.ts'
import { makeRecoveryCodes } from './recovery-codes.ts'

/** What the caller has besides the password. */
export async function factorState(ctx: Authed): Promise<z.infer<typeof FactorState>> {
  const { userId, role } = ctx.actor
  const [[totp], [codes], passkeys] = await Promise.all([
    ctx.db.select({ confirmedAt: totpFactors.confirmedAt }).from(totpFactors).where(and(eq(totpFactors.userId, userId), isNotNull(totpFactors.confirmedAt), isNull(totpFactors.removedAt))),
    ctx.db.select({ left: count() }).from(recoveryCodes).where(and(eq(recoveryCodes.userId, userId), isNull(recoveryCodes.usedAt), isNull(recoveryCodes.removedAt))),
    listPasskeys(ctx),
  ])
  return { totpConfirmedAt: totp?.confirmedAt?.toISOString() ?? null, recoveryCodesLeft: codes?.left ?? 0, passkeys, required: isStaff(role) }
}

/** Ten new recovery codes in the place of those made before. @throws Conflict for who has nothing that they would stand in for */
export async function newRecoveryCodes(ctx: Authed): Promise<z.infer<typeof RecoveryCodes>> {
  return ctx.db.transaction(async (tx) => {
    const person = await lockOneself(ctx, tx)
    if ((await secondFactorsOf(tx, person.id)).length === 0) throw new Conflict('Recovery codes stand in for a second factor: add one first.')
    const codes = await makeRecoveryCodes(ctx, tx, person.id)
    await tellOfChange(ctx, tx, person, { what: 'recovery_codes', action: 'recovery_code.renew' })
    return { recoveryCodes: codes }
  })
}
