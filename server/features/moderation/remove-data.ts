import { and, eq, inArray } from 'drizzle-orm'
import { z } from 'zod'
import type { Tx } from '../../../db/client.ts'
import { torrents } from '../../../db/schema/index.ts'
import type { Deps } from '../../kit/context.ts'
import type { JobHandler } from '../../kit/jobs.ts'
import { infoHashPattern } from '../../lib/infohash.ts'

const Payload = z.object({ torrentId: z.uuid(), infoHash: z.string().regex(infoHashPattern) })

export const removeDataJob = ({ jobs }: Pick<Deps, 'jobs'>, tx: Tx, payload: z.infer<typeof Payload>): Promise<void> =>
  jobs.add(tx, 'torrent.remove_data', payload, { key: `torrent.remove_data:${payload.torrentId}` })

/** Has the engine leave the swarm of a title that is no longer shown, and delete its data. Comes again until the engine has done it. */
export const removeData: JobHandler = async ({ db, engine }, payload) => {
  const { torrentId, infoHash } = Payload.parse(payload)
  const [gone] = await db.select({ id: torrents.id }).from(torrents).where(and(eq(torrents.id, torrentId), inArray(torrents.state, ['rejected', 'taken_down'])))
  if (gone) await engine.remove(infoHash)
}
