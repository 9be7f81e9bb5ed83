import { eq } from 'drizzle-orm'
import { torrentFiles, torrents } from '../../../db/schema/index.ts'
import type { Deps } from '../../kit/context.ts'
import { m3u } from '../../lib/m3u.ts'
import { playableOf } from '../../lib/media-types.ts'
import type { LiveLink } from './links.ts'
import { streamUrl } from './urls.ts'

/** As people count: episode 2 comes before episode 10. */
const byName = new Intl.Collator('en', { numeric: true })

/**
 * Every playable file of the link's title. Each has a ticket of its own, good for that file alone; all hang on the one link, so
 * that a list that is played through keeps it alive, and nothing has to be written for files that nobody comes to.
 */
export async function playlistOf(deps: Pick<Deps, 'db' | 'keys' | 'publicUrl'>, { linkId, torrentId }: LiveLink): Promise<{ title: string; m3u: string }> {
  const rows = await deps.db
    .select({ title: torrents.title, index: torrentFiles.index, path: torrentFiles.path, seconds: torrentFiles.durationSeconds })
    .from(torrentFiles)
    .innerJoin(torrents, eq(torrents.id, torrentFiles.torrentId))
    .where(eq(torrentFiles.torrentId, torrentId))
  const files = rows.filter(({ path }) => playableOf(path) !== 'no').sort((a, b) => byName.compare(a.path, b.path))
  const title = rows[0]?.title ?? ''
  return { title, m3u: m3u(title, files.map(({ index, path, seconds }) => ({ title: path.split('/').at(-1) ?? path, seconds, url: streamUrl(deps, { linkId, fileIndex: index }, path) }))) }
}
