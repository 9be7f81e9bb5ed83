import type { z } from 'zod'
import type { Tx } from '../../../db/client.ts'
import type { Ctx } from '../../kit/context.ts'
import type { Role } from '../../kit/permissions.ts'
import { userById } from '../users/users.ts'
import type { Session } from './contract.ts'
import { openSession, type NewSession, type Opening } from './sessions.ts'
import { issueTokens } from './tokens.ts'

/** The end of every sign-in: the session of someone who has proved all that is asked of them. */
export async function startSession(ctx: Ctx, tx: Tx, opening: Opening): Promise<NewSession> {
  const session = await openSession(ctx, tx, opening)
  await noteStart(ctx, tx, opening, session)
  return session
}

/** As startSession, for an app: with its tokens. */
export async function completeSignIn(ctx: Ctx, tx: Tx, { role, ...given }: Omit<Opening, 'kind'> & { role: Role }): Promise<z.infer<typeof Session>> {
  const opening: Opening = { ...given, kind: 'app' }
  const session = await openSession(ctx, tx, opening)
  // on one connection: sent together, answered in this order
  const [tokens, user] = await Promise.all([issueTokens(ctx, tx, { role, session }), userById(ctx, tx, opening.userId), noteStart(ctx, tx, opening, session)])
  return { status: 'signed_in', user, tokens, mfa: null, deviceToken: session.deviceToken }
}

const noteStart = (ctx: Ctx, tx: Tx, { kind, methods }: Opening, { publicId }: NewSession) =>
  ctx.audit(tx, { action: 'session.start', target: { kind: 'session', id: publicId }, details: { kind, methods } })
