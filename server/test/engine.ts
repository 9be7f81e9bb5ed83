import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startEngine, type EngineClient, type EngineEvent } from '../engine/client.ts'
import type { GivenEngineSettings } from '../engine/contract.ts'
import type { RangeReader } from '../engine/reader.ts'
import { SegmentReader } from '../engine/segment-reader.ts'
import type { Swarm } from './swarm.ts'

export interface TestEngine extends AsyncDisposable {
  readonly client: EngineClient
  readonly dataDir: string
  readonly events: readonly EngineEvent[]
}

/** Every swarm of a test lives on 127.0.0.1. */
const manyOnOneAddress = { connectsPerAddress: 1_000, connectionsPerAddress: 1_000 }

/** A real engine on loopback with a folder of its own, gone with it; or on `dataDir`, which stays. */
export async function startTestEngine({ heartbeatMs, nodeArguments = [], ...settings }: Partial<GivenEngineSettings> & { heartbeatMs?: number; nodeArguments?: readonly string[] } = {}): Promise<TestEngine> {
  const dataDir = settings.dataDir ?? await mkdtemp(join(tmpdir(), 'engine-'))
  const events: EngineEvent[] = []
  const removeOwn = () => (settings.dataDir === undefined ? rm(dataDir, { recursive: true, force: true }) : Promise.resolve())
  const client = await startEngine({
    settings: { host: '127.0.0.1', port: 0, allowPrivateAddresses: true, cacheBytes: 1024 ** 3, publishedBytes: 1024 ** 3, freeSpaceBytes: 0, windowBytes: 16 * 1024 * 1024, idleMs: 30_000, connectionsPerTorrent: 50, ...manyOnOneAddress, ...settings, dataDir },
    onEvent: (event) => events.push(event),
    ...(heartbeatMs === undefined ? {} : { heartbeatMs }),
    // The engine inherits no environment, so the guard of this process does not reach it by itself.
    nodeArguments: ['--require', fileURLToPath(new URL('./loopback-only.cjs', import.meta.url)), ...nodeArguments],
  }).catch(async (error: unknown) => {
    await removeOwn()
    throw error
  })
  return {
    client,
    dataDir,
    events,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]()
      await removeOwn()
    },
  }
}

export interface ReadOptions { readonly fileIndex?: number; readonly start?: number; readonly end?: number; readonly timeoutMs?: number }

/** Reads a stretch of a file as a player would: as it becomes available, telling how far it is. */
export async function readThrough(client: EngineClient, swarm: Pick<Swarm, 'source' | 'files'>, options: ReadOptions = {}): Promise<Buffer> {
  const { fileIndex = 0, start = 0, end = swarm.files[fileIndex]?.sizeBytes ?? 0 } = options
  using reader = client.reader({ source: swarm.source, fileIndex, start, end })
  return await drain(client, reader, start, options.timeoutMs) // before `using` lets go of it
}

/** Reads what is left of a reader's range, from `start` on. */
export async function drain(client: Pick<EngineClient, 'dataDir'>, reader: RangeReader, start: number, timeoutMs = 60_000): Promise<Buffer> {
  using segments = new SegmentReader(client.dataDir, reader.infoHash, reader.fileIndex)
  const bytes = Buffer.alloc(reader.end - start)
  for (let at = start; at < reader.end;) {
    const upTo = await reader.waitFor(at, timeoutMs)
    while (at < upTo) at += await segments.read(at, upTo - at, bytes.subarray(at - start))
    reader.progress(at)
  }
  return bytes
}
