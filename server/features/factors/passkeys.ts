import { and, asc, eq, isNull, lt, or, sql } from 'drizzle-orm'
import type { z } from 'zod'
import type { Db, Tx } from '../../../db/client.ts'
import { authChallenges, passkeys } from '../../../db/schema/index.ts'
import type { Authed, Ctx } from '../../kit/context.ts'
import { Conflict, NotFound } from '../../kit/errors.ts'
import { secondFactorsOf } from '../../kit/proofs.ts'
import { noteProof } from '../auth/auth.ts'
import { lockUser } from '../users/users.ts'
import { answerChallenge, newChallenge } from './challenges.ts'
import { afterAddition, afterRemoval, demandAnother, lockOneself, tellOfChange } from './changes.ts'
import type { FinishPasskey, NewPasskey, Passkey, PasskeyChallenge, PasskeyRef } from './contract.ts'
import { creationOptions, readAssertion, requestOptions, verifyCreation } from './webauthn.ts'

const most = 20
const live = (userId: string) => and(eq(passkeys.userId, userId), isNull(passkeys.removedAt))
const shown = { id: passkeys.id, name: passkeys.name, createdAt: passkeys.createdAt, lastUsedAt: passkeys.lastUsedAt, backedUp: passkeys.backedUp }
type Row = { id: string; name: string; createdAt: Date; lastUsedAt: Date | null; backedUp: boolean }
const asPasskey = ({ createdAt, lastUsedAt, ...rest }: Row): z.infer<typeof Passkey> => ({ ...rest, createdAt: createdAt.toISOString(), lastUsedAt: lastUsedAt?.toISOString() ?? null })

export async function listPasskeys(ctx: Authed): Promise<z.infer<typeof Passkey>[]> {
  const rows = await ctx.db.select(shown).from(passkeys).where(live(ctx.actor.userId)).orderBy(asc(passkeys.createdAt), asc(passkeys.id))
  return rows.map(asPasskey)
}

const known = (tx: Db | Tx, userId: string) => tx.select({ credentialId: passkeys.credentialId, transports: passkeys.transports }).from(passkeys).where(live(userId))

/** @throws Conflict when there are as many as anyone may have */
export async function beginPasskey(ctx: Authed): Promise<z.infer<typeof PasskeyChallenge>> {
  const { userId, sessionId } = ctx.actor
  return ctx.db.transaction(async (tx) => {
    const person = await lockOneself(ctx, tx)
    const have = await known(tx, userId)
    if (have.length >= most) throw new Conflict(`An account holds ${most} passkeys at most.`)
    const { id, webauthnChallenge, expiresAt } = await newChallenge(ctx, tx, { kind: 'passkey_enrolment', userId, sessionId, sessionKind: 'app' })
    const options = await creationOptions(ctx, { challenge: webauthnChallenge, userId, email: person.email, name: person.name, known: have })
    return { challengeId: id, options, expiresAt: expiresAt.toISOString() }
  })
}

/** Adds the passkey made for the challenge of this session. @throws AppError 403 challenge_ended, proof_invalid, step_up_required; Unauthenticated session_ended; Conflict */
export function finishPasskey(ctx: Authed, { challengeId, name, attestation }: z.infer<typeof FinishPasskey>): Promise<z.infer<typeof NewPasskey>> {
  const { userId, sessionId } = ctx.actor
  const purpose = { kind: 'passkey_enrolment' as const, where: and(eq(authChallenges.userId, userId), eq(authChallenges.sessionId, sessionId)) }
  return answerChallenge(ctx, challengeId, purpose, {
    async prove(tx, { webauthnChallenge }) {
      const credential = webauthnChallenge && (await verifyCreation(ctx, webauthnChallenge, attestation))
      if (!credential) return null
      const person = await lockOneself(ctx, tx)
      const before = await secondFactorsOf(tx, userId)
      const [added] = await tx
        .insert(passkeys)
        .values({ ...credential, id: ctx.newId(), userId, name, createdAt: ctx.now() })
        .onConflictDoNothing({ target: passkeys.credentialId })
        .returning(shown)
      if (!added) throw new Conflict('This passkey is in use already.')
      await noteProof(ctx, tx, ctx.actor, ['passkey'], { fresh: false })
      await tellOfChange(ctx, tx, person, { what: 'added', action: 'passkey.add' })
      return { passkey: asPasskey(added), recoveryCodes: await afterAddition(ctx, tx, { before }) }
    },
  })
}

/** @throws NotFound, also for another's; Conflict where staff would be left without a second factor */
export async function removePasskey(ctx: Authed, { passkeyId }: z.infer<typeof PasskeyRef>): Promise<void> {
  const { userId } = ctx.actor
  await ctx.db.transaction(async (tx) => {
    const person = await lockOneself(ctx, tx)
    const removed = await tx
      .update(passkeys)
      .set({ removedAt: ctx.now() })
      .where(and(eq(passkeys.id, passkeyId), live(userId)))
      .returning({ id: passkeys.id })
    if (removed.length === 0) throw new NotFound('passkey')
    await demandAnother(ctx, tx, person)
    await afterRemoval(ctx, tx)
    await tellOfChange(ctx, tx, person, { what: 'removed', action: 'passkey.remove' })
  })
}

/** JSON text that asks a browser or phone for one of the person's passkeys. */
export async function askForPasskey(ctx: Pick<Ctx, 'publicUrl' | 'config'>, tx: Tx, { userId, challenge }: { userId: string; challenge: Uint8Array }): Promise<string> {
  return requestOptions(ctx, { challenge, known: await known(tx, userId) })
}

/**
 * Whose passkey has signed the challenge, or null. Its counter moves forward by one conditional UPDATE: of a passkey and
 * its copy one is found out (WebAuthn, 6.1.1).
 */
export async function acceptAssertion(ctx: Ctx, tx: Tx, { challenge, assertion }: { challenge: Uint8Array; assertion: string }): Promise<string | null> {
  const given = readAssertion(assertion)
  if (!given) return null
  const [passkey] = await tx.select().from(passkeys).where(and(eq(passkeys.credentialId, given.credentialId), isNull(passkeys.removedAt)))
  if (!passkey || (given.userId !== null && given.userId !== passkey.userId.replaceAll('-', ''))) return null
  const verified = await given.verify(ctx, challenge, passkey)
  if (!verified) return null
  const { counter, backedUp } = verified
  // the person before their passkey, as whoever removes it does: in the other order the two would wait for each other
  await lockUser(tx, passkey.userId)
  const [accepted] = await tx
    .update(passkeys)
    .set({ counter, backedUp, lastUsedAt: ctx.now() })
    // many keep no counter: theirs stays 0
    .where(and(eq(passkeys.id, passkey.id), isNull(passkeys.removedAt), or(lt(passkeys.counter, counter), and(eq(passkeys.counter, 0), sql`${counter} = 0`))))
    .returning({ userId: passkeys.userId })
  return accepted?.userId ?? null
}
