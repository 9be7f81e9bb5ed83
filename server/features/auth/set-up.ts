import { and, eq, gt, isNull } from 'drizzle-orm'
import type { z } from 'zod'
import { setupLinks, users } from '../../../db/schema/index.ts'
import type { Ctx, Deps } from '../../kit/context.ts'
import { auditFor } from '../../kit/audit.ts'
import { AppError, Conflict } from '../../kit/errors.ts'
import { secretToken, tokenHash } from '../../kit/secret-tokens.ts'
import { insertUser } from '../users/users.ts'
import type { SetUp } from './contract.ts'
import { demandStrongPassword } from './password-rules.ts'

const linkMinutes = 60

export async function hasAdmin(deps: Pick<Deps, 'db'>): Promise<boolean> {
  const [admin] = await deps.db.select({ id: users.id }).from(users).where(eq(users.role, 'admin')).limit(1)
  return admin !== undefined
}

/** A link that makes the first admin: once, within the hour. @throws Conflict when there is an admin already. */
export async function makeSetupLink(deps: Pick<Deps, 'db' | 'now' | 'newId' | 'randomBytes' | 'publicUrl'>): Promise<{ url: string; expiresAt: Date }> {
  if (await hasAdmin(deps)) throw new Conflict('There is an admin already: use create-user or set-role.', 'admin_exists')
  const token = secretToken(deps.randomBytes)
  const id = deps.newId()
  const createdAt = deps.now()
  const expiresAt = new Date(createdAt.getTime() + linkMinutes * 60_000)
  await deps.db.transaction(async (tx) => {
    await tx.insert(setupLinks).values({ id, tokenHash: tokenHash(token), createdAt, expiresAt })
    await auditFor(deps, { kind: 'operator' }, null)(tx, { action: 'setup_link.create', target: { kind: 'setup_link', id } })
  })
  return { url: `${deps.publicUrl()}/set-up/${token}`, expiresAt }
}

/** Makes the first admin. Of several who hold links, the first wins. @throws AppError 403 setup_link_ended. */
export async function completeSetUp(ctx: Ctx, input: z.infer<typeof SetUp>): Promise<void> {
  await demandStrongPassword(ctx, input.password, input)
  const passwordHash = await ctx.passwords.hash(input.password)
  const done = await ctx.db.transaction(async (tx) => {
    const now = ctx.now()
    const [link] = await tx
      .update(setupLinks)
      .set({ usedAt: now })
      .where(and(eq(setupLinks.tokenHash, tokenHash(input.token)), isNull(setupLinks.usedAt), gt(setupLinks.expiresAt, now)))
      .returning({ id: setupLinks.id })
    if (!link) return false
    // links that were printed earlier die with this one
    await tx.update(setupLinks).set({ usedAt: now }).where(isNull(setupLinks.usedAt))
    const [admin] = await tx.select({ id: users.id }).from(users).where(eq(users.role, 'admin')).limit(1)
    if (admin) return false
    const userId = await insertUser(ctx, tx, { email: input.email, name: input.name ?? null, locale: 'en', role: 'admin', passwordHash })
    if (!userId) return false
    await ctx.audit(tx, { action: 'user.create', target: { kind: 'user', id: userId }, details: { role: 'admin', by: 'setup_link' } })
    return true
  })
  if (!done) throw new AppError(403, 'setup_link_ended', 'This set-up link was used or is too old. The command "npm run admin -- setup-link" makes a new one.')
}
