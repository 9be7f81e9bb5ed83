import { AvailableBytes } from '../../engine/available-bytes.ts'
import type { Deps } from '../../kit/context.ts'
import { torrentSource } from './source.ts'

type File = { torrentId: string; infoHash: string; fileIndex: number }

/**
 * The bytes from `start` to `end` (excluded) of a title's file, through the range gate: the engine fetches these alone, and is told
 * at once when they are no longer wanted. @throws EngineError
 */
export async function readStretch(deps: Pick<Deps, 'engine' | 'db' | 'config'>, file: File, { start, end }: { start: number; end: number }, signal: AbortSignal): Promise<Uint8Array> {
  using available = new AvailableBytes(deps.engine, { source: torrentSource(deps, file), fileIndex: file.fileIndex, start, end, signal })
  const bytes = Buffer.allocUnsafeSlow(end - start)
  for (let at = start; at < end;) {
    at += await available.read(at, bytes.subarray(at - start), deps.config.torrent.timeoutMs)
    available.progress(at)
  }
  return bytes
}
