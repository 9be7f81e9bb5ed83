import type { Ctx } from '../../kit/context.ts'
import { Conflict } from '../../kit/errors.ts'
import type { Role } from '../../kit/permissions.ts'
import { insertUser } from '../users/users.ts'
import { demandStrongPassword } from './password-rules.ts'

export type NewAccount = { email: string; password: string; name?: string | undefined; role: Role }

/** An account whose address the operator vouches for: no code is mailed. @throws Invalid for a weak password; Conflict where the address has an account. */
export async function createUser(ctx: Ctx, { email, password, name, role }: NewAccount): Promise<{ userId: string }> {
  await demandStrongPassword(ctx, password, { email, name })
  const passwordHash = await ctx.passwords.hash(password)
  return ctx.db.transaction(async (tx) => {
    const userId = await insertUser(ctx, tx, { email, name: name ?? null, locale: 'en', role, passwordHash })
    if (!userId) throw new Conflict('There is an account with this address already.', 'user_exists')
    await ctx.audit(tx, { action: 'user.create', target: { kind: 'user', id: userId }, details: { role, by: ctx.actor.kind } })
    return { userId }
  })
}
