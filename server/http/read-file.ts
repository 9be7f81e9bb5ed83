import type { EngineClient } from '../engine/client.ts'
import type { TorrentSource } from '../engine/reader.ts'
import { SegmentReader } from './segment-reader.ts'

interface SmallFile { readonly source: TorrentSource; readonly fileIndex: number; readonly sizeBytes: number; readonly timeoutMs: number }

/** A small file of a torrent, whole. Rejects with EngineError: `swarm_timeout` when it is not all there in time. */
export async function readFile(engine: Pick<EngineClient, 'dataDir' | 'reader'>, { source, fileIndex, sizeBytes, timeoutMs }: SmallFile): Promise<Uint8Array> {
  const bytes = Buffer.alloc(sizeBytes)
  if (sizeBytes === 0) return bytes
  const deadline = performance.now() + timeoutMs
  using reader = engine.reader({ source, fileIndex, start: 0, end: sizeBytes })
  using segments = new SegmentReader(engine.dataDir, source.infoHash, fileIndex)
  for (let at = 0; at < sizeBytes;) {
    const upTo = await reader.waitFor(at, Math.max(1, deadline - performance.now()))
    while (at < upTo) at += await segments.read(at, upTo - at, bytes.subarray(at))
    reader.progress(at)
  }
  return bytes
}
