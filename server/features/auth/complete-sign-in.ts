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
  await ctx.audit(tx, { action: 'session.start', target: { kind: 'session', id: session.publicId }, details: { kind: opening.kind, methods: opening.methods } })
  return session
}

/** As startSession, for an app: with its tokens. */
export async function completeSignIn(ctx: Ctx, tx: Tx, { role, ...opening }: Omit<Opening, 'kind'> & { role: Role }): Promise<z.infer<typeof Session>> {
  const session = await startSession(ctx, tx, { ...opening, kind: 'app' })
  const tokens = await issueTokens(ctx, tx, { role, session })
  return { status: 'signed_in', user: await userById(ctx, tx, opening.userId), tokens, mfa: null, deviceToken: session.deviceToken }
}
