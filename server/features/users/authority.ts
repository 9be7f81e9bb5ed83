import { eq, inArray } from 'drizzle-orm'
import type { Tx } from '../../../db/client.ts'
import { users } from '../../../db/schema/index.ts'
import type { Authed, UserActor } from '../../kit/context.ts'
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
  demandSame(actor, rows.find(({ id }) => id === actor.userId))
  const subject = rows.find(({ id }) => id === userId && id !== actor.userId)
  if (!subject || subject.erasedAt || (isStaff(subject.role) && actor.role !== 'admin')) throw new NotFound('user')
  return { id: subject.id, role: subject.role, banned: subject.bannedAt !== null }
}

/** The same for what staff do to nobody: the caller has the role still, and keeps it until the transaction ends. @throws Unauthenticated session_ended */
export async function demandOwnRole(tx: Tx, actor: UserActor): Promise<void> {
  const [own] = await tx.select({ role: users.role, bannedAt: users.bannedAt }).from(users).where(eq(users.id, actor.userId)).for('no key update')
  demandSame(actor, own)
}

function demandSame({ role }: UserActor, own: { role: Role; bannedAt: Date | null } | undefined): void {
  if (own?.role !== role || own.bannedAt) throw new Unauthenticated('session_ended', 'This session has ended. Sign in again.')
}
