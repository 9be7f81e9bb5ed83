import { desc, eq, sql } from 'drizzle-orm'
import { categories, publications } from '../../../db/schema/index.ts'
import type { Tx } from '../../../db/client.ts'
import type { Ctx, Deps } from '../../kit/context.ts'
import { Conflict, Invalid, NotFound } from '../../kit/errors.ts'
import { usableTrackers } from '../../lib/addresses.ts'
import { PublishRequest, type Publication } from './contract.ts'

/** Waiting ones of all nodes: each is a row, and hours of work. */
const mostWaiting = 1_000

/**
 * Has a file or folder published by the node of this data folder, as soon as it comes to it: it becomes a torrent, its bytes are
 * copied, the title appears. @throws Invalid for a category that there is not, or trackers that may not be used
 */
export async function requestPublication(ctx: Ctx, request: PublishRequest): Promise<{ id: string }> {
  const [category] = await ctx.db.select({ id: categories.id }).from(categories).where(eq(categories.id, request.category ?? 'other'))
  if (!category) throw new Invalid([{ path: 'category', message: 'is not the id of a category' }])
  trackersOf(ctx.config, request)
  const id = ctx.newId()
  await ctx.db.transaction(async (tx) => {
    const waiting = await tx.$count(publications, eq(publications.state, 'waiting'))
    if (waiting >= mostWaiting) throw new Conflict(`${mostWaiting} publications are waiting already.`)
    await tx.insert(publications).values({ id, nodeId: ctx.nodeId, request, state: 'waiting', webSeed: request.webSeed, createdAt: ctx.now() })
    await ctx.audit(tx, { action: 'publication.request', target: { kind: 'publication', id }, details: { title: request.title, approve: request.approve, webSeed: request.webSeed, private: request.private } })
    await workJob(ctx, tx)
  })
  return { id }
}

/** Its own, or those of the settings; each may be used. @throws Invalid */
export function trackersOf({ torrent, publishTrackers }: Deps['config'], request: Pick<PublishRequest, 'trackers' | 'private'>): string[] {
  const given = request.trackers ?? publishTrackers
  const { trackers, dropped } = usableTrackers(given, { allowPrivate: torrent.allowPrivate, allowServicePorts: torrent.allowServicePorts })
  const [first] = dropped
  if (first) throw new Invalid([{ path: 'trackers', message: `holds one that cannot be used (${first.code})`, code: first.code }])
  if (request.private && trackers.length === 0) throw new Invalid([{ path: 'trackers', message: 'must name one: peers of a private torrent come from nowhere else', code: 'no_peer_source' }])
  return trackers
}

/** The node's worker looks for what waits. */
export const workJob = ({ jobs, nodeId }: Pick<Deps, 'jobs' | 'nodeId'>, tx: Tx): Promise<void> => jobs.add(tx, `publication.work@${nodeId}`, {}, { key: `publication.work@${nodeId}` })

/** A node brings what it seeds in line with what is approved. */
export const tendJob = ({ jobs }: Pick<Deps, 'jobs'>, tx: Tx, nodeId: string): Promise<void> => jobs.add(tx, `publication.tend@${nodeId}`, {}, { key: `publication.tend@${nodeId}` })

/**
 * After a start: goes on with what an earlier process left waiting, and seeds what is approved. Each in a transaction of its own: a
 * worker that begins now enters the names of all its jobs at once, and two that are entered here in another order would lock it out.
 */
export async function resumePublications(deps: Deps): Promise<void> {
  await deps.db.transaction((tx) => workJob(deps, tx))
  await deps.db.transaction((tx) => tendJob(deps, tx, deps.nodeId))
}

/** What became of a publication. @throws NotFound */
export async function publicationById({ db }: Pick<Deps, 'db'>, id: string): Promise<Publication> {
  const [row] = await db.select().from(publications).where(eq(publications.id, id))
  if (!row) throw new NotFound('publication')
  return toPublication(row)
}

/** The latest of all nodes. */
export async function listPublications({ db }: Pick<Deps, 'db'>, limit = 200): Promise<Publication[]> {
  const rows = await db.select().from(publications).orderBy(desc(publications.createdAt), sql`${publications.id}`).limit(limit)
  return rows.map(toPublication)
}

function toPublication(row: typeof publications.$inferSelect): Publication {
  const { title, path } = PublishRequest.parse(row.request)
  const time = (date: Date | null) => date?.toISOString() ?? null
  const { id, state, bytesRead, torrentId, infoHash, webSeed, faultCode, fault } = row
  return {
    ...{ id, state, title, path, bytesRead, torrentId, infoHash, webSeed },
    createdAt: row.createdAt.toISOString(),
    startedAt: time(row.startedAt),
    finishedAt: time(row.finishedAt),
    fault: fault === null ? null : { code: faultCode ?? 'internal', message: fault },
  }
}
