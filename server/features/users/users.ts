import { eq, sql } from 'drizzle-orm'
import type { z } from 'zod'
import type { Db, Tx } from '../../../db/client.ts'
import { users } from '../../../db/schema/index.ts'
import type { Authed, Deps } from '../../kit/context.ts'
import { Invalid, NotFound } from '../../kit/errors.ts'
import type { Role } from '../../kit/permissions.ts'
import { canonicalEmail } from '../../lib/email-addresses.ts'
import type { User } from '../auth/contract.ts'

export { demandAuthority, demandOwnRole } from './authority.ts'

/** The one spelling of an address (decision 0011). @throws Invalid for what is none */
export function normaliseEmail(given: string): string {
  const email = canonicalEmail(given)
  if (email === null) throw new Invalid([{ path: 'email', message: 'must be an e-mail address' }])
  return email
}

export const lookupOf = ({ sealer }: Pick<Deps, 'sealer'>, email: string): Uint8Array => sealer.lookup('users.email', email)

// One order of locks, so that nobody waits in a circle: the address, the person, then what belongs to them: flows and challenges,
// sessions, devices and factors.

/** Until the transaction ends, nobody else makes an account of this address, moves one to it, or opens a mailed code of it. */
export const lockAddress = (tx: Tx, emailLookup: Uint8Array) =>
  tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`address ${Buffer.from(emailLookup).toString('hex')}`}, 0))`)
/** The person's row: whatever ends, proves or changes something of theirs comes one after the other. Does not wait for rows that only refer to it. */
export const lockUser = (tx: Tx, id: string) => tx.select({ id: users.id }).from(users).where(eq(users.id, id)).for('no key update')

type NewUser = { email: string; name: string | null; locale: string; role: Role; passwordHash: string }

/** @returns the new user's id, or null where the address has an account. */
export async function insertUser(deps: Pick<Deps, 'now' | 'newId' | 'sealer'>, tx: Tx, { email: given, ...user }: NewUser): Promise<string | null> {
  const email = normaliseEmail(given)
  const emailLookup = lookupOf(deps, email)
  const id = deps.newId()
  await lockAddress(tx, emailLookup)
  const [row] = await tx
    .insert(users)
    .values({ ...user, id, pseudonym: deps.newId(), emailLookup, emailSealed: deps.sealer.seal('column', `users/${id}`, email), createdAt: deps.now() })
    .onConflictDoNothing({ target: users.emailLookup })
    .returning({ id: users.id })
  return row?.id ?? null
}

/** Whose an address is. */
export async function ownerOf(tx: Tx, emailLookup: Uint8Array): Promise<{ id: string; locale: string; banned: boolean } | null> {
  const [owner] = await tx.select({ id: users.id, locale: users.locale, bannedAt: users.bannedAt }).from(users).where(eq(users.emailLookup, emailLookup))
  return owner ? { id: owner.id, locale: owner.locale, banned: owner.bannedAt !== null } : null
}

const shown = { id: users.id, emailSealed: users.emailSealed, name: users.name, locale: users.locale, role: users.role, createdAt: users.createdAt }
type Row = Pick<typeof users.$inferSelect, keyof typeof shown>

/** The account as its owner sees it. @throws NotFound */
export async function userById(deps: Pick<Deps, 'sealer'>, tx: Db | Tx, id: string): Promise<z.infer<typeof User>> {
  const [row] = await tx.select(shown).from(users).where(eq(users.id, id))
  if (!row) throw new NotFound('account')
  return shownUser(deps, row)
}

/** As userById, of a row that was read already. @throws NotFound where it was erased */
export function shownUser({ sealer }: Pick<Deps, 'sealer'>, { id, emailSealed, name, locale, role, createdAt }: Row): z.infer<typeof User> {
  if (!emailSealed) throw new NotFound('account')
  return { id, name, role, locale: locale === 'fr' ? 'fr' : 'en', email: sealer.openText('column', `users/${id}`, emailSealed), createdAt: createdAt.toISOString() }
}

export const me = (ctx: Authed) => userById(ctx, ctx.db, ctx.actor.userId)

/** For lists that staff see: `a…@example.org`. */
export function maskEmail(email: string): string {
  const at = email.lastIndexOf('@')
  return `${email.slice(0, 1)}…${email.slice(at)}`
}
