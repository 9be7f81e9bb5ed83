import { and, arrayOverlaps, eq, gt, inArray, isNull, or, sql } from 'drizzle-orm'
import type { Db } from '../../../db/client.ts'
import { playbackLinks, sessions, torrentFiles, torrents, users } from '../../../db/schema/index.ts'
import type { Deps } from '../../kit/context.ts'

/** Control D2: used within minutes, then alive while it is used, a day at most. */
export const linkLife = { unusedMinutes: 5, idleMinutes: 30, totalHours: 24 }

export type LiveLink = {
  linkId: string
  sessionId: string
  userId: string
  torrentId: string
  infoHash: string
  fileIndex: number
  path: string
  sizeBytes: number
  mimeType: string
  /** Of play; null until the file has been looked into. */
  bytesPerSecond: number | null
  lastUsedAt: Date | null
}

/** Everything a link hangs on, in one place: the link, its session, its user, its title. */
const alive = (now: Date) =>
  and(
    isNull(playbackLinks.endedAt),
    gt(playbackLinks.expiresAt, now),
    isNull(sessions.endedAt),
    gt(sessions.expiresAt, now),
    gt(sessions.absoluteExpiresAt, now),
    isNull(users.bannedAt),
    // staff watch nothing by a session without a second factor (control A9)
    or(eq(users.role, 'user'), arrayOverlaps(sessions.methods, ['totp', 'recovery_code', 'passkey'])),
    or(eq(torrents.state, 'approved'), and(eq(playbackLinks.kind, 'preview'), eq(torrents.state, 'pending'))),
  )

/** The link with what it plays, if it may be used now; looked up at every range. */
export async function findLiveLink({ db, now }: Pick<Deps, 'db' | 'now'>, linkId: string): Promise<LiveLink | null> {
  const [link] = await db
    .select({
      linkId: playbackLinks.id,
      sessionId: playbackLinks.sessionId,
      userId: playbackLinks.userId,
      torrentId: playbackLinks.torrentId,
      infoHash: torrents.infoHash,
      fileIndex: playbackLinks.fileIndex,
      path: torrentFiles.path,
      sizeBytes: torrentFiles.sizeBytes,
      mimeType: torrentFiles.mimeType,
      bytesPerSecond: torrentFiles.bytesPerSecond,
      lastUsedAt: playbackLinks.lastUsedAt,
    })
    .from(playbackLinks)
    .innerJoin(sessions, eq(sessions.publicId, playbackLinks.sessionId))
    .innerJoin(users, eq(users.id, playbackLinks.userId))
    .innerJoin(torrents, eq(torrents.id, playbackLinks.torrentId))
    .innerJoin(torrentFiles, and(eq(torrentFiles.torrentId, playbackLinks.torrentId), eq(torrentFiles.index, playbackLinks.fileIndex)))
    .where(and(eq(playbackLinks.id, linkId), alive(now())))
  return link ?? null
}

/** Which of these links may still be used. */
export async function stillAlive({ db, now }: Pick<Deps, 'db' | 'now'>, linkIds: string[]): Promise<Set<string>> {
  if (linkIds.length === 0) return new Set()
  const rows = await db
    .select({ id: playbackLinks.id })
    .from(playbackLinks)
    .innerJoin(sessions, eq(sessions.publicId, playbackLinks.sessionId))
    .innerJoin(users, eq(users.id, playbackLinks.userId))
    .innerJoin(torrents, eq(torrents.id, playbackLinks.torrentId))
    .where(and(inArray(playbackLinks.id, linkIds), alive(now())))
  return new Set(rows.map(({ id }) => id))
}

/** Has the link's expiry to be moved? Once a minute is enough. */
export const isTouchDue = ({ now }: Pick<Deps, 'now'>, { lastUsedAt }: LiveLink): boolean => lastUsedAt === null || now().getTime() - lastUsedAt.getTime() > 60_000

/** Moves the expiry of links in use, never past a day. */
export async function touchLinks({ db, now }: { db: Db; now: () => Date }, linkIds: string[]): Promise<void> {
  if (linkIds.length === 0) return
  const at = now()
  const idleEnd = new Date(at.getTime() + linkLife.idleMinutes * 60_000)
  await db
    .update(playbackLinks)
    .set({ lastUsedAt: at, expiresAt: sql`least(${idleEnd.toISOString()}::timestamptz, ${playbackLinks.createdAt} + make_interval(hours => ${linkLife.totalHours}))` })
    .where(and(inArray(playbackLinks.id, linkIds), gt(playbackLinks.expiresAt, at)))
}
