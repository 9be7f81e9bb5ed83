import { and, eq, inArray, isNotNull, isNull, lte, ne } from 'drizzle-orm'
import type { Tx } from '../../../db/client.ts'
import { users } from '../../../db/schema/index.ts'
import { auditFor } from '../../kit/audit.ts'
import type { Deps } from '../../kit/context.ts'
import type { JobHandler } from '../../kit/jobs.ts'
import { endSessionsOfUser } from '../auth/auth.ts'
import { noteErased, readLedger } from './erasure-ledger.ts'
import { emptyExpiredExports } from './exports.ts'
import { forgetPerson, nobodyId } from './forget.ts'
import { lockAddress } from './users.ts'

type ErasureDeps = Pick<Deps, 'db' | 'config' | 'now' | 'newId' | 'randomBytes' | 'sealer'>

/** What is due in accounts, by the hour: erasures, those of a restored backup, exports that nobody fetched. Twice does no harm. */
export const tendAccounts: JobHandler = async (deps) => {
  await emptyExpiredExports(deps)
  await eraseDue(deps)
  await repeatErasures(deps)
}

/** Erases everyone whose time of grace is over (control C7). */
async function eraseDue(deps: ErasureDeps): Promise<void> {
  const due = and(lte(users.eraseAfter, deps.now()), isNull(users.erasedAt))
  for (const { id } of await deps.db.select({ id: users.id }).from(users).where(due)) await erase(deps, id, due)
}

/**
 * Applies every erasure of the ledger again: a database that was restored from an older backup holds people who are gone.
 * And writes down what other nodes erased, so that each node's ledger is whole. Before a server answers, and by the hour.
 */
export async function repeatErasures(deps: ErasureDeps): Promise<void> {
  const ledger = await readLedger(deps.config)
  const known = isNull(users.erasedAt)
  for (const { id } of await deps.db.select({ id: users.id }).from(users).where(and(inArray(users.id, [...ledger]), known))) await erase(deps, id, known)
  const erased = await deps.db.select({ id: users.id }).from(users).where(and(isNotNull(users.erasedAt), ne(users.id, nobodyId)))
  for (const { id } of erased) if (!ledger.has(id)) await noteErased(deps.config, id)
}

/** Erases one person if `still` holds once their row is locked: who has just signed in again is kept. */
async function erase(deps: ErasureDeps, id: string, still: ReturnType<typeof and>): Promise<void> {
  const done = await deps.db.transaction(async (tx: Tx) => {
    // who opens a code of the address just now makes an account of it before or after
    const [found] = await tx.select({ emailLookup: users.emailLookup }).from(users).where(eq(users.id, id))
    if (found?.emailLookup) await lockAddress(tx, found.emailLookup)
    const [user] = await tx
      .select({ emailLookup: users.emailLookup, emailSealed: users.emailSealed })
      .from(users)
      .where(and(eq(users.id, id), still))
      .for('no key update')
    if (!user) return false
    await endSessionsOfUser(deps, tx, id, 'deletion')
    // while the pseudonym is still theirs: it is the last row that says it
    await auditFor(deps, { kind: 'system' }, null)(tx, { action: 'user.erase', target: { kind: 'user', id } })
    await forgetPerson(deps, tx, { id, ...user })
    return true
  })
  // only what is committed: a person noted here is erased from every backup to come
  if (done) await noteErased(deps.config, id)
}
