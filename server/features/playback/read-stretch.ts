import { SegmentReader } from '../../engine/segment-reader.ts'
import type { Deps } from '../../kit/context.ts'
import { torrentSource } from './source.ts'

type File = { torrentId: string; infoHash: string; fileIndex: number }

/**
 * The bytes from `start` to `end` (excluded) of a title's file, through the range gate: the engine fetches these alone, and is told
 * at once when they are no longer wanted. @throws EngineError
 */
export async function readStretch(deps: Pick<Deps, 'engine' | 'db' | 'config'>, file: File, { start, end }: { start: number; end: number }, signal: AbortSignal): Promise<Uint8Array> {
  using reader = deps.engine.reader({ source: torrentSource(deps, file), fileIndex: file.fileIndex, start, end, signal })
  using segments = new SegmentReader(deps.engine.dataDir, file.infoHash, file.fileIndex)
  const bytes = Buffer.allocUnsafeSlow(end - start)
  for (let at = start; at < end;) {
    const upTo = await reader.waitFor(at, deps.config.torrent.timeoutMs)
    while (at < upTo) at += await segments.read(at, upTo - at, bytes.subarray(at - start))
    reader.progress(at)
  }
  return bytes
}
