import { z } from 'zod'
import { can, rest, router } from '../../kit/procedure.ts'
import { CreatedInvite, InvitePage, InviteQuery, InviteRef, NewInvite } from './contract.ts'
import { createInvite, listInvites, revokeInvite } from './invites.ts'

export const invitesRouter = router({
  create: can('user.invite').meta({ stepUp: true, ...rest('POST /admin/invites', 'createInvite', 'Invites', 'Make a single-use invite; its code is shown once', 201) })
    .input(NewInvite).output(CreatedInvite)
    .mutation(({ ctx, input }) => createInvite(ctx, ctx.actor.userId, input)),
  list: can('user.invite').meta(rest('GET /admin/invites', 'listInvites', 'Invites', 'All invites, the newest first'))
    .input(InviteQuery).output(InvitePage)
    .query(({ ctx, input }) => listInvites(ctx, input)),
  revoke: can('user.invite').meta(rest('DELETE /admin/invites/{inviteId}', 'revokeInvite', 'Invites', 'End an invite that nobody used', 204))
    .input(InviteRef).output(z.void())
    .mutation(({ ctx, input }) => revokeInvite(ctx, input)),
})
