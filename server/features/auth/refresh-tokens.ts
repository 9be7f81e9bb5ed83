import { and, eq, inArray, isNotNull, lte } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import type { Tx } from '../../../db/client.ts'
import { refreshTokens, sessions } from '../../../db/schema/index.ts'
import { draft, statement } from '../../../db/statements.ts'
import type { Deps } from '../../kit/context.ts'
import type { JobHandler } from '../../kit/jobs.ts'
import { createSealer } from '../../kit/seal.ts'
import { secretToken, tokenHash } from '../../kit/secret-tokens.ts'
import { lifetimes } from './lucia.ts'
import { retryWindowMs, type StoredToken } from './rotation.ts'
import type { SessionFacts } from './sessions.ts'

export type RefreshToken = { id: string; token: string; expiresAt: Date }
export type Presented = StoredToken & {
  id: string
  sessionRowId: string
  sessionPublicId: string
  /** The successor, for a retry; null once it was wiped. */
  kept: { id: string; sealed: Uint8Array; expiresAt: Date } | null
}

/** The session's next refresh token; only its hash is stored. */
export async function newRefreshToken(deps: Pick<Deps, 'now' | 'newId' | 'randomBytes' | 'config'>, tx: Tx, session: SessionFacts): Promise<RefreshToken> {
  const id = deps.newId()
  const token = secretToken(deps.randomBytes, 'tsr_')
  const createdAt = deps.now()
  const expiresAt = new Date(Math.min(createdAt.getTime() + lifetimes(deps.config).app.idle.milliseconds(), session.absoluteExpiresAt.getTime()))
  await store(tx, { id, sessionId: session.rowId, tokenHash: tokenHash(token), createdAt, expiresAt })
  return { id, token, expiresAt }
}

const store = statement<{ id: string; sessionId: string; tokenHash: Uint8Array; createdAt: Date; expiresAt: Date }>(({ id, sessionId, tokenHash: hash, createdAt, expiresAt }) =>
  draft.insert(refreshTokens).values({ id, sessionId, tokenHash: hash, createdAt, expiresAt }),
)

/**
 * A presented token as it is stored. The row of its session stays locked until the transaction ends, so that everything which
 * happens to one chain of tokens happens one after the other: two rows of it decide, and one conditional UPDATE would not do.
 */
export async function lockPresented(tx: Tx, token: string): Promise<Presented | null> {
  const hash = tokenHash(token)
  const itsSession = tx.select({ id: refreshTokens.sessionId }).from(refreshTokens).where(eq(refreshTokens.tokenHash, hash))
  const [session] = await tx
    .select({ sessionRowId: sessions.id, sessionPublicId: sessions.publicId, endedAt: sessions.endedAt })
    .from(sessions)
    .where(inArray(sessions.id, itsSession))
    .for('no key update')
  if (!session) return null
  const { endedAt, ...ids } = session
  const next = alias(refreshTokens, 'next')
  const [row] = await tx
    .select({ token: refreshTokens, nextSpentAt: next.spentAt, nextExpiresAt: next.expiresAt })
    .from(refreshTokens)
    .leftJoin(next, eq(next.id, refreshTokens.successorId))
    .where(eq(refreshTokens.tokenHash, hash))
  if (!row) return null
  const { id, expiresAt, spentAt, retryUntil, successorId, successorSealed } = row.token
  const kept = successorId && successorSealed && row.nextExpiresAt ? { id: successorId, sealed: successorSealed, expiresAt: row.nextExpiresAt } : null
  return {
    ...ids,
    id,
    expiresAt,
    spentAt,
    retryUntil,
    successor: kept === null ? 'none' : row.nextSpentAt === null ? 'unused' : 'used',
    session: endedAt === null ? 'live' : 'ended',
    kept,
  }
}

/**
 * Spends a locked token for its successor, which is kept for a retry under a key that only the bearer of the spent one can
 * derive (HKDF of the token). The one before it is of no use from now on: what it kept is wiped.
 */
export async function spend(deps: Pick<Deps, 'now'>, tx: Tx, presented: { id: string; token: string }, successor: RefreshToken): Promise<void> {
  const spentAt = deps.now()
  const successorSealed = createSealer(Buffer.from(presented.token)).seal('successor', presented.id, successor.token)
  await tx
    .update(refreshTokens)
    .set({ spentAt, successorId: successor.id, successorSealed, retryUntil: new Date(spentAt.getTime() + retryWindowMs) })
    .where(eq(refreshTokens.id, presented.id))
  await tx.update(refreshTokens).set({ successorSealed: null }).where(and(eq(refreshTokens.successorId, presented.id), isNotNull(refreshTokens.successorSealed)))
}

/** The successor that an earlier answer carried, for the bearer of the token that it followed. */
export function keptSuccessor({ id, kept }: Presented, token: string): RefreshToken {
  if (!kept) throw new Error('a replay without a successor')
  return { id: kept.id, token: createSealer(Buffer.from(token)).openText('successor', id, kept.sealed), expiresAt: kept.expiresAt }
}

/** Wipes what is kept for retries whose window has ended. A retry finds them dead before that, too. */
export const wipeSuccessors: JobHandler = async ({ db, now }) => {
  await db.update(refreshTokens).set({ successorSealed: null }).where(and(isNotNull(refreshTokens.successorSealed), lte(refreshTokens.retryUntil, now())))
}
