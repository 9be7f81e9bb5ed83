import { rm } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { removeEmbeddedPostgres } from '../../db/embedded.ts'
import { SetUpFault } from '../../db/set-up-fault.ts'
import { buildConsole } from './console-build.ts'
import { type ReadyUrls, openDatabase } from './database.ts'
import { prepareDataFolder, takeDataFolder } from './data-folder.ts'
import { type Ready, type ServerProcess, awaitLeftoverServer, serverEnvironment, startServer } from './server-process.ts'
import { readSafeSettings } from './settings.ts'

type Report = (line: string) => void
type Options = {
  /** The settings; nothing is read from the environment of this process. */
  env: NodeJS.ProcessEnv
  report: Report
  /** Where the server's log goes: to `DATA_DIR/server.log`, or to our own output. */
  log?: 'file' | 'inherit'
  /** Ends a start that is under way; what it has started so far is stopped again. */
  signal?: AbortSignal
}

export type Instance = AsyncDisposable & {
  /** Origin of the service, such as `http://localhost:3000`. */
  baseUrl: string
  urls: Ready['urls']
  setupLink: string | undefined
  dataDir: string
  /** For benches and tests; the server itself has only `app`. */
  databaseUrls: ReadyUrls
  /** Resolves, with the reason, when the instance cannot be kept running. */
  failed: Promise<SetUpFault>
  stop(): Promise<void>
  /** Stops it and deletes its data folder with everything in it. */
  destroy(): Promise<void>
}

const RESTARTS = 5
const RESTART_WINDOW_MS = 60_000

/** Starts a whole instance: database, migrations, console, server; keeps it running until `stop`. @throws SetUpFault, ConfigError, the signal's reason */
export async function startInstance({ env, report, log = 'file', signal }: Options): Promise<Instance> {
  const { config, secrets } = await readSafeSettings(env)
  const { dataDir, keysDir } = config
  await prepareDataFolder(dataDir)
  await using made = new AsyncDisposableStack()

  const taken = await takeDataFolder(dataDir, 'start', ({ pid, url }) => {
    const where = typeof url === 'string' ? ` at ${url}` : ''
    return new SetUpFault(`An instance with the data folder ${dataDir} is already running${where} (process ${pid}); stop it, or set DATA_DIR and PORT to start another.`)
  })
  if ('instance' in taken) throw taken.instance
  made.defer(() => taken.lock.release())

  await awaitLeftoverServer(dataDir, report)
  signal?.throwIfAborted()
  const database = made.use(await openDatabase({ config, secrets }, report))
  signal?.throwIfAborted()
  await buildConsole(report, { signal })
  const start = (port?: string) =>
    startServer({ env: serverEnvironment(env, { databaseUrl: database.urls.app, dataDir, keysDir, port }), dataDir, log, signal })
  signal?.throwIfAborted()
  report('Starting the server.')
  const first = await start()
  const server = keepRunning(first, { report, again: () => start(portOf(first, config.publicUrl)) })
  made.defer(server.stop)
  taken.lock.note({ use: 'start', url: first.urls.console })

  const all = made.move()
  let stopping: Promise<void> | undefined
  const stop = () => (stopping ??= all.disposeAsync())
  return {
    baseUrl: first.urls.console,
    urls: first.urls,
    setupLink: first.setupLink,
    dataDir,
    databaseUrls: database.urls,
    failed: Promise.race([database.failed, server.failed]),
    stop,
    async destroy() {
      await stop()
      await removeEmbeddedPostgres(dataDir)
      await rm(dataDir, { recursive: true, force: true })
    },
    [Symbol.asyncDispose]: stop,
  }
}

/** The port to come back on. Where PORT is 0 and no PUBLIC_URL is given, it is the one in the server's own address. */
function portOf(first: ServerProcess, publicUrl: string | null): string | undefined {
  return publicUrl === null ? new URL(first.urls.console).port : undefined
}

/** Starts a server that died by itself again, unless it dies over and over. */
function keepRunning(first: ServerProcess, { report, again }: { report: Report; again: () => Promise<ServerProcess> }) {
  let current = first
  let stopping = false
  const deaths: number[] = []
  const failed = Promise.withResolvers<SetUpFault>()

  async function watch() {
    for (;;) {
      const how = await current.ended
      if (stopping) return
      deaths.push(performance.now())
      const recent = deaths.filter((at) => at > performance.now() - RESTART_WINDOW_MS).length
      if (recent > RESTARTS) return failed.resolve(new SetUpFault(`The server ended again and again, the last time by ${how}.`))
      report(`The server ended unexpectedly (${how}); starting it again.`)
      await pause(recent === 1 ? 0 : 250 * 2 ** recent)
      if (stopping) return
      try {
        current = await again()
      } catch (error) {
        return failed.resolve(error instanceof SetUpFault ? error : new SetUpFault('The server could not be started again.', { cause: error }))
      }
      report('The server runs again.')
    }
  }
  const watching = watch()

  async function stop() {
    stopping = true
    await current.stop()
    await watching
    // A restart may have been under way.
    await current.stop()
  }
  return { failed: failed.promise, stop }
}
