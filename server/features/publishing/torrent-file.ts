import { and, eq } from 'drizzle-orm'
import { publications, torrentInfos, torrents } from '../../../db/schema/index.ts'
import type { Deps } from '../../kit/context.ts'
import { NotFound } from '../../kit/errors.ts'
import { buildTorrentFile } from '../../lib/torrent.ts'
import { webSeedUrl } from './web-seed.ts'

/** The `.torrent` of a publication, for clients of others: its trackers, and its web seed where it has one. @throws NotFound, also before it is published */
export async function torrentFileOf(deps: Pick<Deps, 'db' | 'publicUrl'>, publicationId: string): Promise<{ infoHash: string; torrent: Uint8Array; webSeeds: string[] }> {
  const [row] = await deps.db
    .select({ infoHash: torrents.infoHash, trackers: torrents.trackers, webSeed: publications.webSeed, info: torrentInfos.info })
    .from(publications)
    .innerJoin(torrents, eq(torrents.id, publications.torrentId))
    .innerJoin(torrentInfos, eq(torrentInfos.torrentId, torrents.id))
    .where(and(eq(publications.id, publicationId), eq(publications.state, 'published')))
  if (!row) throw new NotFound('publication')
  const webSeeds = row.webSeed ? [webSeedUrl(deps, row.infoHash)] : []
  return { infoHash: row.infoHash, torrent: buildTorrentFile(row.info, row.trackers, webSeeds), webSeeds }
}
