import { and, arrayOverlaps, eq, gt, inArray, isNull, or, sql } from 'drizzle-orm'
import type { Db } from '../../../db/client.ts'
import { playbackLinks, sessions, torrentFiles, torrents, users } from '../../../db/schema/index.ts'
import type { Deps } from '../../kit/context.ts'
import type { Ticket } from './tickets.ts'

/** Control D2: used within minutes, then alive while it is used, a day at most. */
export const linkLife = { unusedMinutes: 5, idleMinutes: 30, totalHours: 24 }

export type LiveLink = {
  linkId: string
  sessionId: string
  userId: string
  torrentId: string
  infoHash: string
  /** Of the ticket: the link's own file, or another of its title. */
  fileIndex: number
  path: string
  sizeBytes: number
  mimeType: string
  /** Of play; null until the file has been looked into. */
  bytesPerSecond: number | null
  lastUsedAt: Date | null
}

const mayWatch = (now: Date) =>
  and(
    isNull(sessions.endedAt),
    gt(sessions.expiresAt, now),
    gt(sessions.absoluteExpiresAt, now),
    isNull(users.bannedAt),
    // staff watch nothing by a session without a second factor (control A9)
    or(eq(users.role, 'user'), arrayOverlaps(sessions.methods, ['totp', 'recovery_code', 'passkey'])),
  )

/** Everything a link hangs on, in one place: the link, its session, its user, its title. */
const alive = (now: Date) =>
  and(
    isNull(playbackLinks.endedAt),
    gt(playbackLinks.expiresAt, now),
    mayWatch(now),
    or(eq(torrents.state, 'approved'), and(eq(playbackLinks.kind, 'preview'), eq(torrents.state, 'pending'))),
  )

/** The link with what a ticket of it plays, if it may be used now; looked up at every range. */
export async function findLiveLink({ db, now }: Pick<Deps, 'db' | 'now'>, { linkId, fileIndex }: Ticket): Promise<LiveLink | null> {
  const [link] = await db
    .select({
      linkId: playbackLinks.id,
      sessionId: playbackLinks.sessionId,
      userId: playbackLinks.userId,
      torrentId: playbackLinks.torrentId,
      infoHash: torrents.infoHash,
      fileIndex: torrentFiles.index,
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
    .innerJoin(torrentFiles, and(eq(torrentFiles.torrentId, playbackLinks.torrentId), eq(torrentFiles.index, fileIndex ?? playbackLinks.fileIndex)))
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

/** Of these sessions and titles, those that go on: what hangs on no link is asked for by them. */
export async function stillStanding({ db, now }: Pick<Deps, 'db' | 'now'>, held: { sessionIds: string[]; torrentIds: string[] }): Promise<Set<string>> {
  const [people, titles] = await Promise.all([
    held.sessionIds.length === 0 ? [] : db.select({ id: sessions.publicId }).from(sessions).innerJoin(users, eq(users.id, sessions.userId)).where(and(inArray(sessions.publicId, held.sessionIds), mayWatch(now()))),
    held.torrentIds.length === 0 ? [] : db.select({ id: torrents.id }).from(torrents).where(and(inArray(torrents.id, held.torrentIds), eq(torrents.state, 'approved'))),
  ])
  return new Set([...people, ...titles].map(({ id }) => id))
}

/** Has the link's expiry to be moved? Once a minute is enough. */
export const isTouchDue = ({ now }: Pick<Deps, 'now'>, { lastUsedAt }: LiveLink): boolean => lastUsedAt === null || now().getTime() - lastUsedAt.getTime() > 60_000

/** Moves the expiry of links in use, never past a day. */
export async function touchLinks({ db, now }: { db: Db; now: () => Date }, linkIds: string[]): Promise<void> {
  if (linkIds.length === 0) return
  const at = now()
  await db
    .update(playbackLinks)
    .set({ lastUsedAt: at, expiresAt: sql`least(${minutesAfter(at, linkLife.idleMinutes)}::timestamptz, ${aDayAfterItWasMade})` })
    .where(and(inArray(playbackLinks.id, linkIds), gt(playbackLinks.expiresAt, at)))
}

type Wanted = Pick<typeof playbackLinks.$inferSelect, 'sessionId' | 'torrentId' | 'fileIndex' | 'kind'>

/** A link of the session to the file that is good for half a day yet: who asks again gets it again, with minutes to use it. */
export async function renewLink({ now }: Pick<Deps, 'now'>, tx: Pick<Db, 'update'>, { sessionId, torrentId, fileIndex, kind }: Wanted): Promise<{ id: string; expiresAt: Date } | null> {
  const at = now()
  const [link] = await tx
    .update(playbackLinks)
    .set({ expiresAt: sql`greatest(${playbackLinks.expiresAt}, ${minutesAfter(at, linkLife.unusedMinutes)}::timestamptz)` })
    .where(
      and(
        eq(playbackLinks.sessionId, sessionId),
        eq(playbackLinks.torrentId, torrentId),
        eq(playbackLinks.fileIndex, fileIndex),
        eq(playbackLinks.kind, kind),
        isNull(playbackLinks.endedAt),
        gt(playbackLinks.expiresAt, at),
        gt(playbackLinks.createdAt, new Date(at.getTime() - (linkLife.totalHours / 2) * 3_600_000)),
      ),
    )
    .returning({ id: playbackLinks.id, expiresAt: playbackLinks.expiresAt })
  return link ?? null
}

/** A new link, to be used within minutes. */
export async function insertLink({ now, newId }: Pick<Deps, 'now' | 'newId'>, tx: Pick<Db, 'insert'>, wanted: Wanted & { userId: string }): Promise<{ id: string; expiresAt: Date }> {
  const createdAt = now()
  const link = { id: newId(), createdAt, expiresAt: new Date(minutesAfter(createdAt, linkLife.unusedMinutes)) }
  await tx.insert(playbackLinks).values({ ...wanted, ...link })
  return link
}

const minutesAfter = (at: Date, minutes: number): string => new Date(at.getTime() + minutes * 60_000).toISOString()
const aDayAfterItWasMade = sql`${playbackLinks.createdAt} + make_interval(hours => ${linkLife.totalHours})`
