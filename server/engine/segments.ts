/**
 * Where a torrent's bytes lie: one folder per info-hash, each file as segments of a fixed size, named by number alone.
 * Both processes compute it: the engine writes there, the server reads what the engine has called verified.
 */
import { join } from 'node:path'

/** 32 MiB: the grain in which stored data can be dropped without leaving holes. */
export const segmentBytes = 32 * 1024 * 1024

export interface FileSpan { readonly fileIndex: number; readonly offset: number; readonly length: number }
export interface SegmentOfFile { readonly fileIndex: number; readonly segment: number }
/** `length` bytes at `offset` of the file `path` (relative to the engine's data folder). */
export interface SegmentSpan extends SegmentOfFile { readonly path: string; readonly offset: number; readonly length: number }

/** Beside them, Node's compile cache of the engine's own code. */
export const compiledFolder = 'compiled'

/** What is being published lies here, a folder for each, until it is whole; the engine empties it when it starts. */
export const stagingFolder = 'staging'

/** A `.torrent` for each info-hash whose bytes are the operator's own: with it, they count as published. */
export const publishedFolder = 'published'

export const torrentFolder = (infoHash: string): string => infoHash

export const segmentName = ({ fileIndex, segment }: SegmentOfFile): string => `${fileIndex}-${segment}`

export const segmentPath = (infoHash: string, fileIndex: number, segment: number): string =>
  join(torrentFolder(infoHash), segmentName({ fileIndex, segment }))

export const stagedPath = (id: string, segment: SegmentOfFile): string => join(stagingFolder, id, segmentName(segment))

/** Null for a name that is no segment's. */
export function segmentOfName(name: string): SegmentOfFile | null {
  const [, fileIndex, segment] = /^(\d{1,5})-(\d{1,10})$/.exec(name) ?? []
  return fileIndex === undefined || segment === undefined ? null : { fileIndex: Number(fileIndex), segment: Number(segment) }
}

/** The segments that hold a stretch of a file, in order. */
export function segmentSpans(infoHash: string, { fileIndex, offset, length }: FileSpan): SegmentSpan[] {
  const spans: SegmentSpan[] = []
  for (let at = offset; at < offset + length;) {
    const segment = Math.floor(at / segmentBytes)
    const within = at - segment * segmentBytes
    const taken = Math.min(segmentBytes - within, offset + length - at)
    spans.push({ path: segmentPath(infoHash, fileIndex, segment), fileIndex, segment, offset: within, length: taken })
    at += taken
  }
  return spans
}
