import type { TorrentInfo } from '../lib/torrent.ts'
import { MapFile } from './map-file.ts'
import { lengthOfPiece, pieceSpans } from './piece-spans.ts'
import { segmentName } from './segments.ts'
import { storedSegments, type StoredSegment } from './stored-segments.ts'

/**
 * The map of a torrent's folder, written down as it is now, and the segments found there. Pieces whose segments are missing, too short, or
 * not of the size and time that the map knows are left out of it.
 */
export async function storedMap(folder: string, info: TorrentInfo, published: boolean): Promise<{ map: MapFile; segments: StoredSegment[] }> {
  const pieces = info.pieceHashes.length / 20
  const [found, segments] = await Promise.all([MapFile.read(folder, pieces), storedSegments(folder)])
  const map = found ?? new MapFile(folder, pieces)
  map.published = published
  const sizes = new Map(segments.map(({ name, size }) => [name, size]))
  for (const { name, size, changedNs } of segments) {
    const sealed = map.records.get(name)?.sealed
    if (sealed && (sealed.size !== size || sealed.changedNs !== changedNs)) sizes.delete(name)
  }
  const isThere = (span: ReturnType<typeof pieceSpans>[number]) => span.path === null || (sizes.get(segmentName(span)) ?? 0) >= span.offset + span.length
  for (let piece = 0; piece < pieces; piece += 1) {
    if (map.pieces.has(piece) && !pieceSpans(info, piece, 0, lengthOfPiece(info, piece)).every(isThere)) map.strike(piece)
  }
  const names = new Set(segments.map(({ name }) => name))
  for (const [name, record] of map.records) {
    if (!names.has(name)) map.forget(name)
    else if (!sizes.has(name)) map.record({ ...record, sealed: null })
  }
  // Before anything is written, or what was struck could be taken for what comes to lie in its place.
  await map.save()
  return { map, segments }
}
