import { eq } from 'drizzle-orm'
import type { z } from 'zod'
import type { Tx } from '../../../db/client.ts'
import { authChallenges, users } from '../../../db/schema/index.ts'
import type { Ctx } from '../../kit/context.ts'
import { PermissionDenied } from '../../kit/errors.ts'
import { isStaff, type Role } from '../../kit/permissions.ts'
import type { FactorMethod } from '../../kit/proofs.ts'
import { completeSignIn, startSession, type NewSession, type Opening } from '../auth/auth.ts'
import type { MfaChallenge, Session } from '../auth/contract.ts'
import { answerChallenge, newChallenge, type Challenge } from './challenges.ts'
import type { VerifyMfa } from './contract.ts'
import { askForPasskey } from './passkeys.ts'
import { demandProof, proveFactor } from './prove.ts'

/** `factors`: what secondFactorsOf says of a person who is locked. */
type SignIn = { userId: string; factors: FactorMethod[]; sessionKind: Challenge['sessionKind']; device?: Opening['device'] }

/** After a right password: what is still to be proved, or null for who has no second factor (control A9). */
export async function demandFactor(ctx: Ctx, tx: Tx, { userId, factors: methods, sessionKind, device }: SignIn): Promise<z.infer<typeof MfaChallenge> | null> {
  if (methods.length === 0) return null
  const { id, webauthnChallenge, expiresAt } = await newChallenge(ctx, tx, {
    kind: 'second_factor',
    userId,
    sessionKind,
    deviceId: device?.id ?? null,
    deviceName: device?.name ?? null,
    devicePlatform: device?.platform ?? null,
  })
  const passkeyOptions = methods.includes('passkey') ? await askForPasskey(ctx, tx, { userId, challenge: webauthnChallenge }) : null
  return { challengeId: id, methods, passkeyOptions, expiresAt: expiresAt.toISOString() }
}

/** Ends an app's sign-in by the second factor. @throws AppError 401 challenge_ended, proof_invalid; PermissionDenied account_banned */
export function verifyMfa(ctx: Ctx, input: z.infer<typeof VerifyMfa>): Promise<z.infer<typeof Session>> {
  return prove(ctx, input, 'app', (tx, proved) => completeSignIn(ctx, tx, proved))
}

/** As verifyMfa, for the console: the caller makes the cookie. */
export function finishConsoleSignIn(ctx: Ctx, input: z.infer<typeof VerifyMfa>): Promise<NewSession> {
  return prove(ctx, input, 'console', (tx, { role, ...proved }) => {
    if (!isStaff(role)) throw new PermissionDenied('permission_denied', 'This account has no access to the console.')
    return startSession(ctx, tx, { ...proved, kind: 'console' })
  })
}

/** `device`: the one on which the password was given. */
type Proved = Pick<Opening, 'userId' | 'methods' | 'device'> & { role: Role }

function prove<T>(ctx: Ctx, input: z.infer<typeof VerifyMfa>, sessionKind: Challenge['sessionKind'], open: (tx: Tx, proved: Proved) => Promise<T>): Promise<T> {
  const proof = demandProof(input)
  return answerChallenge(ctx, input.challengeId, { kind: 'second_factor', where: eq(authChallenges.sessionKind, sessionKind) }, {
    async prove(tx, { userId, webauthnChallenge, deviceId, deviceName, devicePlatform }) {
      if (!userId || !(await proveFactor(ctx, tx, { userId, webauthnChallenge }, proof))) return null
      return open(tx, { ...(await demandGoodStanding(tx, userId)), methods: ['password', proof.method], device: { id: deviceId, name: deviceName, platform: devicePlatform } })
    },
  })
}

/** The row stays locked, as firmly as openSession will, until the session is there: a ban that comes now ends it. @throws PermissionDenied account_banned */
export async function demandGoodStanding(tx: Tx, userId: string): Promise<{ userId: string; role: Role }> {
  const [user] = await tx.select({ role: users.role, bannedAt: users.bannedAt }).from(users).where(eq(users.id, userId)).for('no key update')
  if (!user || user.bannedAt) throw new PermissionDenied('account_banned', 'This account has been banned.')
  return { userId, role: user.role }
}
