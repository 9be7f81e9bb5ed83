import { z } from 'zod'
import { Id, page, paging, Time } from '../../kit/zod.ts'

export const NewInvite = z.strictObject({ days: z.int().min(1).max(90).default(7).describe('How long it may be used') }).meta({ id: 'NewInvite' })
/** The code is shown this once. */
export const CreatedInvite = z.object({ id: Id, code: z.string(), createdAt: Time, expiresAt: Time }).meta({ id: 'CreatedInvite' })

export const InviteRef = z.strictObject({ inviteId: Id })
export const InviteQuery = z.strictObject(paging)
export const InviteState = z.enum(['open', 'used', 'expired', 'revoked']).meta({ id: 'InviteState' })
export const Invite = z
  .object({ id: Id, state: InviteState, createdBy: Id, createdAt: Time, expiresAt: Time, usedAt: Time.nullable(), usedBy: Id.nullable(), revokedAt: Time.nullable() })
  .meta({ id: 'Invite' })
export const InvitePage = z.object(page(Invite)).meta({ id: 'InvitePage' })
