import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startInstance, type Instance } from '../setup/instance.ts'

type Options = { name: string; settings?: Record<string, string>; report: (line: string) => void }

/** A data folder below the temporary one, which goes when disposed. */
export async function ownDataFolder(name: string): Promise<AsyncDisposable & { dataDir: string }> {
  const folder = await mkdtemp(join(tmpdir(), `torrent-streamer-${name}-`))
  // run by root, the database belongs to the user postgres, who has to walk through
  if (process.getuid?.() === 0) await chmod(folder, 0o711)
  // again where it fills anew: an engine whose server was killed writes for a moment more
  return { dataDir: join(folder, 'data'), [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true, maxRetries: 10 }) }
}

/** The settings of an instance that touches nothing else on the machine: free ports, peers on loopback, none of our environment. */
export function ownSettings(dataDir: string, settings: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { PATH, NODE_OPTIONS } = process.env
  return { NODE_ENV: 'production', PATH, ...(NODE_OPTIONS === undefined ? {} : { NODE_OPTIONS }), HOST: '127.0.0.1', PORT: '0', DATA_DIR: dataDir, ALLOW_PRIVATE_PEERS: 'on', ...settings }
}

/** A whole instance of its own, as `npm start` would start it; what it leaves goes with it. */
export async function startOwnInstance({ name, settings, report }: Options): Promise<AsyncDisposable & { instance: Instance; env: NodeJS.ProcessEnv }> {
  await using made = new AsyncDisposableStack()
  const { dataDir } = made.use(await ownDataFolder(name))
  const env = ownSettings(dataDir, settings)
  const instance = made.use(await startInstance({ env, report }))
  const closing = made.move()
  return { instance, env, [Symbol.asyncDispose]: () => closing.disposeAsync() }
}
