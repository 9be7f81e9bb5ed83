import type { Tx } from '../../../db/client.ts'
import { torrentFiles, torrentInfos } from '../../../db/schema/index.ts'
import { mimeTypeOf } from '../../lib/media-types.ts'
import type { TorrentInfo } from '../../lib/torrent.ts'

/** Rows a statement: Postgres takes 65,535 parameters. */
const rowsAtOnce = 5_000

/** Keeps verified info dictionaries and their files; zeros that only align the next file are nobody's to see. */
export async function storeInfos(tx: Tx, verified: { torrentId: string; info: TorrentInfo }[]): Promise<void> {
  if (verified.length === 0) return
  await tx.insert(torrentInfos).values(verified.map(({ torrentId, info }) => ({ torrentId, info: info.infoBytes })))
  const files = verified.flatMap(({ torrentId, info }) =>
    info.files
      .filter(({ padding }) => !padding)
      .map(({ index, path, lengthBytes }) => ({ torrentId, index, path, sizeBytes: lengthBytes, mimeType: mimeTypeOf(path) })),
  )
  for (let from = 0; from < files.length; from += rowsAtOnce) await tx.insert(torrentFiles).values(files.slice(from, from + rowsAtOnce))
}
