import { eq } from 'drizzle-orm'
import { torrentInfos, torrents } from '../../../db/schema/index.ts'
import type { TorrentSource } from '../../engine/reader.ts'
import type { Deps } from '../../kit/context.ts'
import { NotFound } from '../../kit/errors.ts'
import { buildTorrentFile } from '../../lib/torrent.ts'

/** What the engine needs to join a title's swarm: built here from the verified info dictionary, never a stranger's file. */
export function torrentSource({ db }: Pick<Deps, 'db'>, { torrentId, infoHash }: { torrentId: string; infoHash: string }): TorrentSource {
  return {
    infoHash,
    load: async () => {
      const [row] = await db
        .select({ info: torrentInfos.info, trackers: torrents.trackers })
        .from(torrents)
        .innerJoin(torrentInfos, eq(torrentInfos.torrentId, torrents.id))
        .where(eq(torrents.id, torrentId))
      if (!row) throw new NotFound('title')
      return { torrent: buildTorrentFile(row.info, row.trackers), trackers: row.trackers }
    },
  }
}
