import { and, eq, isNull } from 'drizzle-orm'
import type { z } from 'zod'
import { users } from '../../../db/schema/index.ts'
import type { Authed } from '../../kit/context.ts'
import { Invalid, NotFound } from '../../kit/errors.ts'
import type { User } from '../auth/contract.ts'
import type { UpdateProfile } from './contract.ts'
import { userById } from './users.ts'

/** Changes what the caller is called, or the language they are written to in. @throws Invalid when nothing is given */
export async function updateProfile(ctx: Authed, { name, locale }: z.infer<typeof UpdateProfile>): Promise<z.infer<typeof User>> {
  const { userId } = ctx.actor
  const changed = [...(name === undefined ? [] : ['name']), ...(locale === undefined ? [] : ['locale'])]
  if (changed.length === 0) throw new Invalid([{ path: '', message: 'must hold at least one field' }])
  return ctx.db.transaction(async (tx) => {
    const set = { ...(name === undefined ? {} : { name }), ...(locale === undefined ? {} : { locale }) }
    const [row] = await tx.update(users).set(set).where(and(eq(users.id, userId), isNull(users.erasedAt))).returning({ id: users.id })
    if (!row) throw new NotFound('account')
    await ctx.audit(tx, { action: 'user.update', target: { kind: 'user', id: userId }, details: { fields: changed } })
    return userById(ctx, tx, userId)
  })
}
