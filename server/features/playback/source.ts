import { and, eq, inArray } from 'drizzle-orm'
import { torrentInfos, torrents } from '../../../db/schema/index.ts'
import { EngineError } from '../../engine/contract.ts'
import type { TorrentSource } from '../../engine/reader.ts'
import type { Deps } from '../../kit/context.ts'
import { buildTorrentFile } from '../../lib/torrent.ts'

/**
 * What the engine needs to join a title's swarm: built here from the verified info dictionary, never a stranger's file. A title that
 * was withdrawn since is not opened again, whoever still asks (control D1).
 */
export function torrentSource({ db }: Pick<Deps, 'db'>, { torrentId, infoHash }: { torrentId: string; infoHash: string }): TorrentSource {
  return {
    infoHash,
    load: async () => {
      const [row] = await db
        .select({ info: torrentInfos.info, trackers: torrents.trackers })
        .from(torrents)
        .innerJoin(torrentInfos, eq(torrentInfos.torrentId, torrents.id))
        .where(and(eq(torrents.id, torrentId), inArray(torrents.state, ['pending', 'approved'])))
      if (!row) throw new EngineError('removed', 'The title was withdrawn.')
      return { torrent: buildTorrentFile(row.info, row.trackers), trackers: row.trackers }
    },
  }
}
