import { and, isNull, lte, sql } from 'drizzle-orm'
import { emailFlows } from '../../../db/schema/index.ts'
import type { JobHandler } from '../../kit/jobs.ts'
import { emptyFlows } from '../auth/auth.ts'

/**
 * Empties what somebody began by mail and never made theirs, UNVERIFIED_SIGN_UP_DAYS after its code was over (control C8): the
 * address, name and password of a sign-up that was not verified, the address of a reset where there is no account. Ended flows of
 * an account go with the account.
 */
export const forgetUnverified: JobHandler = async (deps) => {
  const before = new Date(deps.now().getTime() - deps.config.unverifiedMs)
  await emptyFlows(deps, deps.db, and(isNull(emailFlows.userId), lte(emailFlows.expiresAt, before), sql`length(${emailFlows.emailSealed}) > 0`))
}
