import { and, eq, inArray } from 'drizzle-orm'
import type { Tx } from '../../../db/client.ts'
import { publications, torrents } from '../../../db/schema/index.ts'
import type { Deps } from '../../kit/context.ts'
import type { JobHandler } from '../../kit/jobs.ts'
import { tendJob } from './requests.ts'

/** Brings what this node seeds in line with the catalogue: approved titles are offered to peers, withdrawn ones are gone. */
export const tendSeeds: JobHandler = async ({ db, engine, log, nodeId }) => {
  const rows = await db
    .selectDistinct({ infoHash: torrents.infoHash, trackers: torrents.trackers, state: torrents.state })
    .from(publications)
    .innerJoin(torrents, eq(torrents.id, publications.torrentId))
    .where(and(eq(publications.nodeId, nodeId), eq(publications.state, 'published'), inArray(torrents.state, ['approved', 'rejected', 'taken_down'])))
  const missing = await engine.seed(rows.filter(({ state }) => state === 'approved').map(({ infoHash, trackers }) => ({ infoHash, trackers })))
  for (const infoHash of missing) log.warn({ infoHash }, 'a published title is not in this data folder: publish it again to seed it')
  for (const { infoHash, state } of rows) if (state !== 'approved') await engine.remove(infoHash)
}

/** The nodes that have a title's own bytes look again: it was approved, or withdrawn. */
export async function tendTitle(deps: Pick<Deps, 'jobs'>, tx: Tx, torrentId: string): Promise<void> {
  const nodes = await tx.selectDistinct({ nodeId: publications.nodeId }).from(publications).where(and(eq(publications.torrentId, torrentId), eq(publications.state, 'published')))
  for (const { nodeId } of nodes) await tendJob(deps, tx, nodeId)
}
