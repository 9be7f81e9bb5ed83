import { eq } from 'drizzle-orm'
import type { z } from 'zod'
import type { Db, Tx } from '../../../db/client.ts'
import { users } from '../../../db/schema/index.ts'
import type { Authed, Deps } from '../../kit/context.ts'
import { NotFound } from '../../kit/errors.ts'
import type { Role } from '../../kit/permissions.ts'
import type { User } from '../auth/contract.ts'

/** One spelling an address: compatibility forms folded, lower case. */
export const normaliseEmail = (email: string): string => email.normalize('NFKC').toLowerCase()

export const lookupOf = ({ sealer }: Pick<Deps, 'sealer'>, email: string): Uint8Array => sealer.lookup('users.email', email)

type NewUser = { email: string; name: string | null; locale: string; role: Role; passwordHash: string }

/** @returns the new user's id, or null where the address has an account. */
export async function insertUser(deps: Pick<Deps, 'now' | 'newId' | 'sealer'>, tx: Tx, { email: given, ...user }: NewUser): Promise<string | null> {
  const email = normaliseEmail(given)
  const id = deps.newId()
  const [row] = await tx
    .insert(users)
    .values({ ...user, id, pseudonym: deps.newId(), emailLookup: lookupOf(deps, email), emailSealed: deps.sealer.seal('column', `users/${id}`, email), createdAt: deps.now() })
    .onConflictDoNothing({ target: users.emailLookup })
    .returning({ id: users.id })
  return row?.id ?? null
}

const shown = { id: users.id, emailSealed: users.emailSealed, name: users.name, locale: users.locale, role: users.role, createdAt: users.createdAt }

/** The account as its owner sees it. @throws NotFound */
export async function userById(deps: Pick<Deps, 'sealer'>, tx: Db | Tx, id: string): Promise<z.infer<typeof User>> {
  const [row] = await tx.select(shown).from(users).where(eq(users.id, id))
  if (!row?.emailSealed) throw new NotFound('account')
  const { emailSealed, createdAt, locale, ...rest } = row
  return { ...rest, locale: locale === 'fr' ? 'fr' : 'en', email: deps.sealer.openText('column', `users/${id}`, emailSealed), createdAt: createdAt.toISOString() }
}

export const me = (ctx: Authed) => userById(ctx, ctx.db, ctx.actor.userId)

/** For lists that staff see: `a…@example.org`. */
export function maskEmail(email: string): string {
  const at = email.lastIndexOf('@')
  return `${email.slice(0, 1)}…${email.slice(at)}`
}
