import { and, eq, isNull, notExists, or, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import type { Tx } from '../../../db/client.ts'
import { authChallenges, dataExports, emailFlows, invites, knownDevices, passkeys, playbackLinks, recoveryCodes, sessions, totpFactors, users } from '../../../db/schema/index.ts'
import type { Deps } from '../../kit/context.ts'
import { dropMailsTo } from '../../kit/waiting-mails.ts'
import { forgetLibrary } from '../library/library.ts'
import { emptyFlows, forgetTriesAt } from '../auth/auth.ts'

type ForgetDeps = Pick<Deps, 'now' | 'newId' | 'randomBytes' | 'sealer'>
type Person = { id: string; emailLookup: Uint8Array | null; emailSealed: Uint8Array | null }

/** Whom the rows of erased people belong to: nobody. One row for all of them, so that none leads from an audit row to a person. */
export const nobodyId = '00000000-0000-4000-8000-000000000000'
const nothing = new Uint8Array(0)

/**
 * Empties every column that says who someone was, and gives their rows to nobody: after it no row leads from a pseudonym of the
 * audit log to a user id, nor from either to a person (control C7). The server may not delete, so rows stay as shells.
 */
export async function forgetPerson(deps: ForgetDeps, tx: Tx, person: Person): Promise<void> {
  const { id } = person
  await makeNobody(deps, tx)
  const emails = await addressesOf(deps, tx, person)
  await forgetSignIns(tx, id)
  await forgetLibrary(tx, id)
  await forgetFactors(deps, tx, id)
  await forgetFlows(deps, tx, person)
  await tx.update(dataExports).set({ userId: nobodyId, sealed: null, tokenHash: null }).where(eq(dataExports.userId, id))
  await tx.update(invites).set({ createdBy: nobodyId }).where(eq(invites.createdBy, id))
  await tx.update(invites).set({ usedBy: nobodyId }).where(eq(invites.usedBy, id))
  for (const email of emails) {
    await dropMailsTo(deps, tx, email)
    await forgetTriesAt(deps, tx, email)
  }
  await tx
    .update(users)
    .set({ pseudonym: deps.newId(), emailLookup: null, emailSealed: null, name: null, locale: 'en', role: 'user', passwordHash: null, bannedAt: null, banReason: null, erasedAt: deps.now() })
    .where(eq(users.id, id))
}

async function makeNobody(deps: ForgetDeps, tx: Tx): Promise<void> {
  const now = deps.now()
  await tx.insert(users).values({ id: nobodyId, pseudonym: deps.newId(), role: 'user', createdAt: now, erasedAt: now }).onConflictDoNothing()
}

async function forgetSignIns(tx: Tx, id: string): Promise<void> {
  await tx.update(playbackLinks).set({ userId: nobodyId }).where(eq(playbackLinks.userId, id))
  await tx.update(sessions).set({ userId: nobodyId, deviceName: null, devicePlatform: null, network: null, deviceId: null }).where(eq(sessions.userId, id))
}

async function forgetFactors(deps: ForgetDeps, tx: Tx, id: string): Promise<void> {
  const removedAt = deps.now()
  await tx.update(totpFactors).set({ userId: nobodyId, sessionId: null, secretSealed: nothing, removedAt }).where(eq(totpFactors.userId, id))
  await tx.update(recoveryCodes).set({ userId: nobodyId, codeHash: nothing, removedAt }).where(eq(recoveryCodes.userId, id))
  // what has to be unique is overwritten row by row
  for (const { passkeyId } of await tx.select({ passkeyId: passkeys.id }).from(passkeys).where(eq(passkeys.userId, id))) {
    const emptied = { credentialId: deps.randomBytes(32), publicKey: nothing, name: '', transports: [], counter: 0 }
    await tx.update(passkeys).set({ ...emptied, userId: nobodyId, removedAt }).where(eq(passkeys.id, passkeyId))
  }
  for (const { deviceId } of await tx.select({ deviceId: knownDevices.id }).from(knownDevices).where(eq(knownDevices.userId, id))) {
    await tx.update(knownDevices).set({ userId: nobodyId, tokenHash: deps.randomBytes(32), name: null, platform: null, removedAt }).where(eq(knownDevices.id, deviceId))
  }
}

/**
 * The person's address, and those of their flows: where they meant to go. Not one that is somebody else's now, nor one with which
 * others began something: mails and tries there are theirs.
 */
async function addressesOf({ sealer }: ForgetDeps, tx: Tx, { id, emailSealed }: Person): Promise<string[]> {
  const others = alias(emailFlows, 'others')
  const flows = await tx
    .selectDistinctOn([emailFlows.emailLookup], { id: emailFlows.id, sealed: emailFlows.emailSealed })
    .from(emailFlows)
    .where(
      and(
        eq(emailFlows.userId, id),
        sql`length(${emailFlows.emailSealed}) > 0`,
        notExists(tx.select({ id: users.id }).from(users).where(eq(users.emailLookup, emailFlows.emailLookup))),
        notExists(tx.select({ id: others.id }).from(others).where(and(eq(others.emailLookup, emailFlows.emailLookup), isNull(others.userId)))),
      ),
    )
  const meant = flows.map((flow) => sealer.openText('column', `email_flows/${flow.id}`, flow.sealed))
  return emailSealed ? [...meant, sealer.openText('column', `users/${id}`, emailSealed)] : meant
}

/** Their own, and what strangers began with the address that is theirs. */
async function forgetFlows(deps: ForgetDeps, tx: Tx, { id, emailLookup }: Person): Promise<void> {
  await tx
    .update(authChallenges)
    .set({ userId: null, sessionId: null, deviceId: null, deviceName: null, devicePlatform: null, webauthnChallenge: null, usedAt: deps.now() })
    .where(eq(authChallenges.userId, id))
  const ofAddress = emailLookup ? and(isNull(emailFlows.userId), eq(emailFlows.emailLookup, emailLookup)) : undefined
  await emptyFlows(deps, tx, or(eq(emailFlows.userId, id), ofAddress))
}
