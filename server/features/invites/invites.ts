import { and, desc, eq, gt, inArray, isNull, sql } from 'drizzle-orm'
import type { z } from 'zod'
import type { Tx } from '../../../db/client.ts'
import { invites, users } from '../../../db/schema/index.ts'
import type { Authed, Ctx } from '../../kit/context.ts'
import { Conflict, NotFound, PermissionDenied } from '../../kit/errors.ts'
import { roleMay, roles } from '../../kit/permissions.ts'
import { secretToken, tokenHash } from '../../kit/secret-tokens.ts'
import { demandOwnRole, lookupOf, normaliseEmail } from '../users/users.ts'
import type { CreatedInvite, InvitePage, InviteQuery, InviteRef, InviteState, NewInvite } from './contract.ts'

const dayMs = 86_400_000
const prefix = 'tsi_'

/**
 * Makes an invite in the name of a member of staff; only a hash of its code is kept. The same Idempotency-Key has the same answer:
 * its code is then derived from that key by the operator's secret, so that it can be told again without being kept.
 * @throws Conflict when the key came with another request before; Unauthenticated session_ended where the caller has lost the role
 */
export async function createInvite(ctx: Ctx, createdBy: string, { days }: z.infer<typeof NewInvite>): Promise<z.infer<typeof CreatedInvite>> {
  const { idempotencyKey } = ctx.request
  const derived = () => prefix + Buffer.from(ctx.sealer.lookup('invites.code', `${createdBy}/${idempotencyKey}`)).toString('base64url')
  const code = idempotencyKey === null ? secretToken(ctx.randomBytes, prefix) : derived()
  const codeHash = tokenHash(code)
  const id = ctx.newId()
  const createdAt = ctx.now()
  const expiresAt = new Date(createdAt.getTime() + days * dayMs)
  return ctx.db.transaction(async (tx) => {
    if (ctx.actor.kind === 'user') await demandOwnRole(tx, ctx.actor)
    const [made] = await tx.insert(invites).values({ id, codeHash, createdBy, createdAt, expiresAt }).onConflictDoNothing({ target: invites.codeHash }).returning({ id: invites.id })
    if (made) {
      await ctx.audit(tx, { action: 'invite.create', target: { kind: 'invite', id }, details: { days } })
      return { id, code, createdAt: createdAt.toISOString(), expiresAt: expiresAt.toISOString() }
    }
    const [before] = await tx.select().from(invites).where(eq(invites.codeHash, codeHash))
    if (!before || before.expiresAt.getTime() - before.createdAt.getTime() !== days * dayMs) throw new Conflict('This Idempotency-Key came with another request before.')
    return { id: before.id, code, createdAt: before.createdAt.toISOString(), expiresAt: before.expiresAt.toISOString() }
  })
}

/** As createInvite, for the operator at a terminal, who has no account: in the name of one who may invite. @throws NotFound */
export async function createInviteFor(ctx: Ctx, { email, days }: { email: string; days: number }): Promise<z.infer<typeof CreatedInvite>> {
  const mine = and(eq(users.emailLookup, lookupOf(ctx, normaliseEmail(email))), inArray(users.role, roles.filter((role) => roleMay(role, 'user.invite'))), isNull(users.bannedAt))
  const [host] = await ctx.db.select({ id: users.id }).from(users).where(mine)
  if (!host) throw new NotFound('account that may invite')
  return createInvite(ctx, host.id, { days })
}

/** All invites, the newest first, without their codes. */
export async function listInvites(ctx: Authed, { limit, cursor }: z.infer<typeof InviteQuery>): Promise<z.infer<typeof InvitePage>> {
  const [before, beforeId] = cursor === undefined ? [] : ctx.cursors.decode('invites', cursor)
  const older = before === undefined ? undefined : sql`(${invites.createdAt}, ${invites.id}) < (${before}::timestamptz, ${beforeId}::uuid)`
  const rows = await ctx.db
    .select()
    .from(invites)
    .where(older)
    .orderBy(desc(invites.createdAt), desc(invites.id))
    .limit(limit + 1)
  const now = ctx.now()
  const items = rows.slice(0, limit).map(({ codeHash: _hidden, createdAt, expiresAt, usedAt, revokedAt, ...rest }) => ({
    ...rest,
    state: stateOf({ expiresAt, usedAt, revokedAt }, now),
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    usedAt: usedAt?.toISOString() ?? null,
    revokedAt: revokedAt?.toISOString() ?? null,
  }))
  const last = items.at(-1)
  return { items, nextCursor: rows.length > limit && last ? ctx.cursors.encode('invites', [last.createdAt, last.id]) : null }
}

function stateOf({ usedAt, revokedAt, expiresAt }: { usedAt: Date | null; revokedAt: Date | null; expiresAt: Date }, now: Date): z.infer<typeof InviteState> {
  if (usedAt) return 'used'
  if (revokedAt) return 'revoked'
  return expiresAt > now ? 'open' : 'expired'
}

/** Ends an invite that nobody used. @throws NotFound, also for one that was used or revoked */
export async function revokeInvite(ctx: Authed, { inviteId }: z.infer<typeof InviteRef>): Promise<void> {
  await ctx.db.transaction(async (tx) => {
    const unused = and(eq(invites.id, inviteId), isNull(invites.usedAt), isNull(invites.revokedAt))
    const [revoked] = await tx.update(invites).set({ revokedAt: ctx.now() }).where(unused).returning({ id: invites.id })
    if (!revoked) throw new NotFound('invite')
    await ctx.audit(tx, { action: 'invite.revoke', target: { kind: 'invite', id: inviteId } })
  })
}

const open = (now: Date) => and(isNull(invites.usedAt), isNull(invites.revokedAt), gt(invites.expiresAt, now))

/** The invite of a code, to be used up by takeInvite. @throws PermissionDenied invite_invalid, the same for whatever is wrong with it */
export async function openInvite(ctx: Ctx, code: string | undefined): Promise<string> {
  const hash = tokenHash(code ?? '')
  const [invite] = await ctx.db.select({ id: invites.id }).from(invites).where(and(eq(invites.codeHash, hash), open(ctx.now())))
  if (!invite) throw inviteInvalid()
  return invite.id
}

/** Uses an invite up: of several who hold it, the first account wins. @throws PermissionDenied invite_invalid */
export async function takeInvite(ctx: Ctx, tx: Tx, inviteId: string, usedBy: string): Promise<void> {
  const now = ctx.now()
  const [taken] = await tx.update(invites).set({ usedAt: now, usedBy }).where(and(eq(invites.id, inviteId), open(now))).returning({ id: invites.id })
  if (!taken) throw inviteInvalid()
  await ctx.audit(tx, { action: 'invite.use', target: { kind: 'invite', id: inviteId } })
}

const inviteInvalid = () => new PermissionDenied('invite_invalid', 'This invite is not good for a sign-up. Ask for another one.')
