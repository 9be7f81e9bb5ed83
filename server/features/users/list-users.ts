import { and, asc, eq, gt } from 'drizzle-orm'
import { users } from '../../../db/schema/index.ts'
import type { Deps } from '../../kit/context.ts'
import type { Role } from '../../kit/permissions.ts'
import { maskEmail } from './users.ts'

export type ListedUser = { id: string; email: string; role: Role; createdAt: string; banned: boolean }

const pageSize = 500

/** Every account but erased ones, in the order of its id, e-mail addresses masked (control C5); page by page, however many there are. */
export async function* listUsers({ db, sealer }: Pick<Deps, 'db' | 'sealer'>, { role }: { role?: Role | undefined } = {}): AsyncGenerator<ListedUser> {
  const shown = { id: users.id, emailSealed: users.emailSealed, role: users.role, createdAt: users.createdAt, bannedAt: users.bannedAt }
  for (let after: string | undefined; ; ) {
    const page = await db
      .select(shown)
      .from(users)
      .where(and(after ? gt(users.id, after) : undefined, role ? eq(users.role, role) : undefined))
      .orderBy(asc(users.id))
      .limit(pageSize)
    for (const { id, emailSealed, createdAt, bannedAt, ...rest } of page) {
      if (!emailSealed) continue
      yield { id, email: maskEmail(sealer.openText('column', `users/${id}`, emailSealed)), ...rest, createdAt: createdAt.toISOString(), banned: bannedAt !== null }
    }
    after = page.at(-1)?.id
    if (page.length < pageSize) return
  }
}
