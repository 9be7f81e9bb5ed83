import { eq } from 'drizzle-orm'
import type { z } from 'zod'
import { users } from '../../../db/schema/index.ts'
import type { Ctx } from '../../kit/context.ts'
import { PermissionDenied, Unauthenticated } from '../../kit/errors.ts'
import type { Role } from '../../kit/permissions.ts'
import { lookupOf, normaliseEmail } from '../users/users.ts'
import type { SignIn } from './contract.ts'

/** Who has just proved a first factor. */
export type Known = { id: string; role: Role }

/**
 * The account of an address and its password.
 * @throws Unauthenticated invalid_credentials for everything; PermissionDenied account_banned after a right password.
 */
export async function authenticate(ctx: Ctx, { email, password }: Pick<z.infer<typeof SignIn>, 'email' | 'password'>): Promise<Known> {
  const [user] = await ctx.db
    .select({ id: users.id, role: users.role, passwordHash: users.passwordHash, bannedAt: users.bannedAt })
    .from(users)
    .where(eq(users.emailLookup, lookupOf(ctx, normaliseEmail(email))))
  if (!(await ctx.passwords.matches(user?.passwordHash ?? null, password)) || !user) {
    await ctx.db.transaction((tx) => ctx.audit(tx, { action: 'session.refused', ...(user ? { target: { kind: 'user', id: user.id } } : {}) }))
    throw new Unauthenticated('invalid_credentials', 'The e-mail address or the password is wrong.')
  }
  if (user.bannedAt) throw new PermissionDenied('account_banned', 'This account has been banned.')
  return { id: user.id, role: user.role }
}
