import type { z } from 'zod'
import type { Tx } from '../../../db/client.ts'
import type { Ctx } from '../../kit/context.ts'
import { shownUser } from '../users/users.ts'
import type { Session } from './contract.ts'
import { draftSession, type NewSession, type Opening } from './sessions.ts'
import { issueTokens } from './tokens.ts'

/** The end of every sign-in: the session of someone who has proved all that is asked of them. */
export async function startSession(ctx: Ctx, tx: Tx, opening: Opening): Promise<NewSession> {
  const { session, store } = await draftSession(ctx, tx, opening)
  await Promise.all([store(), noteStart(ctx, tx, opening, session)])
  return session
}

/** As startSession, for an app: with its tokens. */
export async function completeSignIn(ctx: Ctx, tx: Tx, given: Omit<Opening, 'kind'>): Promise<z.infer<typeof Session>> {
  const opening: Opening = { ...given, kind: 'app' }
  const { session, store } = await draftSession(ctx, tx, opening)
  // on one connection: sent together, done in this order
  const [, tokens] = await Promise.all([store(), issueTokens(ctx, tx, { role: session.account.role, session }), noteStart(ctx, tx, opening, session)])
  return { status: 'signed_in', user: shownUser(ctx, session.account), tokens, mfa: null, deviceToken: session.deviceToken }
}

const noteStart = (ctx: Ctx, tx: Tx, { kind, methods }: Opening, { publicId }: NewSession) =>
  ctx.audit(tx, { action: 'session.start', target: { kind: 'session', id: publicId }, details: { kind, methods } })
