import { eq } from 'drizzle-orm'
import type { z } from 'zod'
import type { Tx } from '../../../db/client.ts'
import { authChallenges } from '../../../db/schema/index.ts'
import type { Ctx } from '../../kit/context.ts'
import { PermissionDenied } from '../../kit/errors.ts'
import { isStaff } from '../../kit/permissions.ts'
import { completeSignIn, startSession, type NewSession } from '../auth/auth.ts'
import type { Session } from '../auth/contract.ts'
import { answerChallenge, newChallenge, type Challenge } from './challenges.ts'
import type { FinishPasskeySignIn, PasskeyChallenge } from './contract.ts'
import { acceptAssertion } from './passkeys.ts'
import { demandGoodStanding } from './second-factor.ts'
import { requestOptions } from './webauthn.ts'

type Kind = Challenge['sessionKind']

/** Begins a sign-in without a name or a password: the passkey says who it is. */
export async function beginPasskeySignIn(ctx: Ctx, sessionKind: Kind = 'app'): Promise<z.infer<typeof PasskeyChallenge>> {
  const { id, webauthnChallenge, expiresAt } = await ctx.db.transaction((tx) => newChallenge(ctx, tx, { kind: 'passkey_sign_in', sessionKind }))
  return { challengeId: id, options: await requestOptions(ctx, { challenge: webauthnChallenge, known: [] }), expiresAt: expiresAt.toISOString() }
}

/** @throws AppError 401 challenge_ended, proof_invalid; PermissionDenied account_banned */
export function finishPasskeySignIn(ctx: Ctx, { device, ...answer }: z.infer<typeof FinishPasskeySignIn>): Promise<z.infer<typeof Session>> {
  return prove(ctx, answer, 'app', (tx, person) => completeSignIn(ctx, tx, { ...person, methods: ['passkey'], device }))
}

/** As finishPasskeySignIn, for the console (begun with the kind `console`): the caller makes the cookie. */
export function finishConsolePasskeySignIn(ctx: Ctx, { device, ...answer }: z.infer<typeof FinishPasskeySignIn>): Promise<NewSession> {
  return prove(ctx, answer, 'console', (tx, { userId, role }) => {
    if (!isStaff(role)) throw new PermissionDenied('permission_denied', 'This account has no access to the console.')
    return startSession(ctx, tx, { userId, kind: 'console', methods: ['passkey'], device })
  })
}

type Answer = Omit<z.infer<typeof FinishPasskeySignIn>, 'device'>
type Person = Awaited<ReturnType<typeof demandGoodStanding>>

function prove<T>(ctx: Ctx, { challengeId, assertion }: Answer, sessionKind: Kind, open: (tx: Tx, person: Person) => Promise<T>): Promise<T> {
  return answerChallenge(ctx, challengeId, { kind: 'passkey_sign_in', where: eq(authChallenges.sessionKind, sessionKind) }, {
    async prove(tx, { webauthnChallenge }) {
      const userId = webauthnChallenge && (await acceptAssertion(ctx, tx, { challenge: webauthnChallenge, assertion }))
      return userId ? open(tx, await demandGoodStanding(tx, userId)) : null
    },
  })
}
