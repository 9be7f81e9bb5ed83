import { and, eq } from 'drizzle-orm'
import { publications, torrentFiles, torrents } from '../../../db/schema/index.ts'
import type { Deps } from '../../kit/context.ts'

/** A published file that may be had over HTTP by whoever asks. */
export interface WebSeedFile { readonly torrentId: string; readonly infoHash: string; readonly fileIndex: number; readonly sizeBytes: number }

/** Under the API: clients put the torrent's name, and for a folder the file's path, behind it (BEP 19). */
export const webSeedUrl = ({ publicUrl }: Pick<Deps, 'publicUrl'>, infoHash: string): string => `${publicUrl()}/api/v1/web-seed/${infoHash}/`

/**
 * The file that a web seed's path means, `name` or `name/path/of/file`; null unless this node has it, it was published with a web
 * seed, and its title is approved now.
 */
export async function findWebSeedFile({ db, nodeId }: Pick<Deps, 'db' | 'nodeId'>, { infoHash, path }: { infoHash: string; path: string }): Promise<WebSeedFile | null> {
  const [title] = await db
    .select({ torrentId: torrents.id, folder: publications.folder })
    .from(torrents)
    .innerJoin(publications, eq(publications.torrentId, torrents.id))
    .where(and(eq(torrents.infoHash, infoHash), eq(torrents.state, 'approved'), eq(publications.nodeId, nodeId), eq(publications.state, 'published'), eq(publications.webSeed, true)))
    .limit(1)
  if (!title) return null
  const { torrentId, folder } = title
  const wanted = path.normalize('NFC')
  if (folder !== null && !wanted.startsWith(`${folder}/`)) return null
  const inside = folder === null ? wanted : wanted.slice(folder.length + 1)
  const [file] = await db
    .select({ fileIndex: torrentFiles.index, sizeBytes: torrentFiles.sizeBytes })
    .from(torrentFiles)
    .where(and(eq(torrentFiles.torrentId, torrentId), eq(torrentFiles.path, inside)))
    .limit(1)
  return file ? { torrentId, infoHash, ...file } : null
}
