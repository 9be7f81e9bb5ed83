import type { TorrentInfo } from '../lib/torrent.ts'
import { segmentBytes, segmentSpans, type SegmentSpan } from './segments.ts'

/** Padding, which is not kept: a stretch of zeros. */
export interface PaddingSpan { readonly path: null; readonly length: number }

export const lengthOfPiece = ({ pieceLength, sizeBytes }: TorrentInfo, piece: number): number => Math.min(pieceLength, sizeBytes - piece * pieceLength)

/** Where a stretch of a piece lies on disk, in order. */
export function pieceSpans({ files, infoHash, pieceLength }: TorrentInfo, piece: number, offset: number, length: number): (SegmentSpan | PaddingSpan)[] {
  const start = piece * pieceLength + offset
  const end = start + length
  const spans: (SegmentSpan | PaddingSpan)[] = []
  for (let index = fileAt(files, start); index < files.length; index += 1) {
    const file = files[index]
    if (!file || file.offset >= end) break
    const from = Math.max(start, file.offset)
    const taken = Math.min(end, file.offset + file.lengthBytes) - from
    if (taken <= 0) continue
    if (file.padding) spans.push({ path: null, length: taken })
    else spans.push(...segmentSpans(infoHash, { fileIndex: index, offset: from - file.offset, length: taken }))
  }
  return spans
}

/** The pieces that have bytes in a segment, both included. */
export function piecesOfSegment({ files, pieceLength }: TorrentInfo, fileIndex: number, segment: number): { from: number; to: number } {
  const file = files[fileIndex]
  if (!file) throw new RangeError(`there is no file ${fileIndex}`)
  const start = file.offset + segment * segmentBytes
  const end = Math.min(start + segmentBytes, file.offset + file.lengthBytes)
  return { from: Math.floor(start / pieceLength), to: Math.floor((end - 1) / pieceLength) }
}

/** The last file that begins at or before a position: by halves, as torrents of thousands of files exist. */
function fileAt(files: TorrentInfo['files'], position: number): number {
  let [low, high] = [0, files.length - 1]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((files[middle]?.offset ?? 0) <= position) low = middle
    else high = middle - 1
  }
  return low
}
