import { inArray } from 'drizzle-orm'
import type { Tx } from '../../../db/client.ts'
import { users } from '../../../db/schema/index.ts'
import type { Authed } from '../../kit/context.ts'
import { NotFound, Unauthenticated } from '../../kit/errors.ts'
import { isStaff, type Role } from '../../kit/permissions.ts'

export type Subject = { id: string; role: Role; banned: boolean }

/**
 * The person that staff act on, both rows locked in the order of their ids: of two admins who turn on each other at the same
 * time, the second finds that they may no longer. Moderators act on users, admins on everybody, nobody on themselves.
 * @throws NotFound for whom one may not act on, as if they were not there; Unauthenticated session_ended where the actor has lost the role
 */
export async function demandAuthority({ actor }: Authed, tx: Tx, userId: string): Promise<Subject> {
  const rows = await tx
    .select({ id: users.id, role: users.role, bannedAt: users.bannedAt, erasedAt: users.erasedAt })
    .from(users)
    .where(inArray(users.id, [actor.userId, userId]))
    .orderBy(users.id)
    .for('no key update')
  const own = rows.find(({ id }) => id === actor.userId)
  if (own?.role !== actor.role || own.bannedAt) throw new Unauthenticated('session_ended', 'This session has ended. Sign in again.')
  const subject = rows.find(({ id }) => id === userId && id !== actor.userId)
  if (!subject || subject.erasedAt || (isStaff(subject.role) && actor.role !== 'admin')) throw new NotFound('user')
  return { id: subject.id, role: subject.role, banned: subject.bannedAt !== null }
}
