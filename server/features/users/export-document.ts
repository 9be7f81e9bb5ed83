import { and, asc, eq, inArray, or, sql } from 'drizzle-orm'
import * as schema from '../../../db/schema/index.ts'
import type { Db } from '../../../db/client.ts'
import type { Deps } from '../../kit/context.ts'
import { exportLibrary } from '../library/library.ts'

const { users, sessions, knownDevices, totpFactors, recoveryCodes, passkeys, authChallenges, emailFlows, invites, playbackLinks, dataExports, auditLog } = schema

/** Where each table that refers to a person stands in the export. A test walks the schema and fails for one that is not here. */
export const sectionOfTable: Record<string, string> = {
  users: 'profile',
  sessions: 'sessions',
  known_devices: 'devices',
  totp_factors: 'factors',
  recovery_codes: 'factors',
  passkeys: 'factors',
  auth_challenges: 'challenges',
  email_flows: 'mailedCodes',
  invites: 'invites',
  playback_links: 'playback',
  data_exports: 'exports',
  favorites: 'library',
  watch_history: 'library',
  user_preferences: 'library',
}

/** Everything that is kept about a person, as JSON for people to read: no secret, no hash, no key. Null where there is nobody (any more). */
export async function exportDocument({ db, sealer, now }: Pick<Deps, 'db' | 'sealer' | 'now'>, userId: string): Promise<string | null> {
  const [user] = await db.select().from(users).where(eq(users.id, userId))
  if (!user?.emailSealed || !user.emailLookup) return null
  const { name, locale, role, createdAt, bannedAt, banReason, eraseAfter, pseudonym } = user
  const [signedIn, devices, factors, challenges, mailedCodes, madeInvites, playback, exports, library, history] = await Promise.all([
    sessionsOf(db, userId),
    devicesOf(db, userId),
    factorsOf(db, userId),
    challengesOf(db, userId),
    mailedCodesOf({ db, sealer }, userId, user.emailLookup),
    invitesOf(db, userId),
    playbackOf(db, userId),
    exportsOf(db, userId),
    exportLibrary(db, userId),
    historyOf(db, userId, pseudonym),
  ])
  const profile = { id: userId, email: sealer.openText('column', `users/${userId}`, user.emailSealed), name, locale, role, createdAt, bannedAt, banReason, eraseAfter }
  const document = { madeAt: now(), profile, sessions: signedIn, devices, factors, challenges, mailedCodes, invites: madeInvites, playback, library, exports, history }
  return JSON.stringify(document, null, 2)
}

const sessionsOf = (db: Db, userId: string) => {
  const { publicId: id, kind, createdAt, lastSeenAt, expiresAt, absoluteExpiresAt, endedAt, endReason, authenticatedAt, methods, network, deviceName, devicePlatform } = sessions
  const shown = { id, kind, createdAt, lastSeenAt, expiresAt, absoluteExpiresAt, endedAt, endReason, authenticatedAt, methods, network, deviceName, devicePlatform }
  return db.select(shown).from(sessions).where(eq(sessions.userId, userId)).orderBy(asc(createdAt))
}

const devicesOf = (db: Db, userId: string) => {
  const { name, platform, createdAt, lastSeenAt, removedAt } = knownDevices
  return db.select({ name, platform, createdAt, lastSeenAt, removedAt }).from(knownDevices).where(eq(knownDevices.userId, userId)).orderBy(asc(createdAt))
}

async function factorsOf(db: Db, userId: string) {
  const { name, transports, backedUp, lastUsedAt } = passkeys
  return {
    totp: await db
      .select({ createdAt: totpFactors.createdAt, confirmedAt: totpFactors.confirmedAt, removedAt: totpFactors.removedAt })
      .from(totpFactors)
      .where(eq(totpFactors.userId, userId)),
    recoveryCodes: await db
      .select({ createdAt: recoveryCodes.createdAt, usedAt: recoveryCodes.usedAt, removedAt: recoveryCodes.removedAt })
      .from(recoveryCodes)
      .where(eq(recoveryCodes.userId, userId)),
    passkeys: await db
      .select({ name, transports, backedUp, lastUsedAt, createdAt: passkeys.createdAt, removedAt: passkeys.removedAt })
      .from(passkeys)
      .where(eq(passkeys.userId, userId)),
  }
}

const challengesOf = (db: Db, userId: string) => {
  const { kind, deviceName, devicePlatform, createdAt, expiresAt, usedAt } = authChallenges
  return db.select({ kind, deviceName, devicePlatform, createdAt, expiresAt, usedAt }).from(authChallenges).where(eq(authChallenges.userId, userId))
}

/** Of the person, and of others who tried to sign up with the person's address; what those others typed is not the person's. */
async function mailedCodesOf({ db, sealer }: Pick<Deps, 'db' | 'sealer'>, userId: string, emailLookup: Uint8Array) {
  const rows = await db
    .select()
    .from(emailFlows)
    .where(and(or(eq(emailFlows.userId, userId), eq(emailFlows.emailLookup, emailLookup)), sql`length(${emailFlows.emailSealed}) > 0`))
    .orderBy(asc(emailFlows.createdAt))
  return rows.map(({ id, kind, emailSealed, createdAt, expiresAt, usedAt }) => ({ kind, email: sealer.openText('column', `email_flows/${id}`, emailSealed), createdAt, expiresAt, usedAt }))
}

const invitesOf = (db: Db, userId: string) => {
  const { createdAt, expiresAt, usedAt, revokedAt } = invites
  const part = sql<'made' | 'used'>`case when ${invites.createdBy} = ${userId}::uuid then 'made' else 'used' end`
  return db.select({ part, createdAt, expiresAt, usedAt, revokedAt }).from(invites).where(or(eq(invites.createdBy, userId), eq(invites.usedBy, userId)))
}

const playbackOf = (db: Db, userId: string) => {
  const { kind, torrentId, fileIndex, createdAt, lastUsedAt, expiresAt, endedAt } = playbackLinks
  return db.select({ kind, torrentId, fileIndex, createdAt, lastUsedAt, expiresAt, endedAt }).from(playbackLinks).where(eq(playbackLinks.userId, userId)).orderBy(asc(createdAt))
}

const exportsOf = (db: Db, userId: string) => {
  const { createdAt, readyAt, fetchedAt, expiresAt } = dataExports
  return db.select({ createdAt, readyAt, fetchedAt, expiresAt }).from(dataExports).where(eq(dataExports.userId, userId)).orderBy(asc(createdAt))
}

/** Audit rows of what the person did and of what was done to them: by whom only as a kind, and never what another person is called in the log. */
async function historyOf(db: Db, userId: string, pseudonym: string) {
  const { at, actorKind, actorId, action, targetKind, targetId, details } = auditLog
  const ofTheirSessions = db.select({ id: sql<string>`${sessions.publicId}::text` }).from(sessions).where(eq(sessions.userId, userId))
  const rows = await db
    .select({ at, actorKind, actorId, action, targetKind, targetId, details })
    .from(auditLog)
    .where(or(eq(actorId, pseudonym), eq(targetId, pseudonym), inArray(targetId, ofTheirSessions)))
    .orderBy(asc(auditLog.id))
  return rows.map((row) => ({
    at: row.at,
    by: row.actorId === pseudonym ? 'you' : row.actorKind,
    action: row.action,
    target: row.targetId === pseudonym ? 'you' : row.targetKind,
    ...(row.targetKind === 'user' ? {} : { targetId: row.targetId }),
    details: row.details,
  }))
}
