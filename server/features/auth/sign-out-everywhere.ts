import type { Authed } from '../../kit/context.ts'
import { endSessionsOfUser } from './sessions.ts'

/** Ends every session of the caller, this one included, with its tokens and streams. */
export async function signOutEverywhere(ctx: Authed): Promise<void> {
  const { userId } = ctx.actor
  await ctx.db.transaction(async (tx) => {
    const ended = await endSessionsOfUser(ctx, tx, userId, 'sign_out_everywhere')
    await ctx.audit(tx, { action: 'session.end_all', target: { kind: 'user', id: userId }, details: { count: ended.length } })
  })
}
