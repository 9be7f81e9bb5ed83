import { mkdir, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { postgresAccount } from './embedded/account.ts'
import { SHARED_FOLDER, findBinaries } from './embedded/binaries.ts'
import { makeCluster } from './embedded/cluster.ts'
import { type Lock, tryLock } from './embedded/lock.mjs'
import { type Passwords, makePasswords, readPasswords } from './embedded/passwords.ts'
import { choosePlace, isCluster, readPlace, writePlace } from './embedded/place.ts'
import { type Postmaster, PortTaken, endLeftover, freePort, startPostmaster } from './embedded/postmaster.ts'
import { DATABASE, setUpRoles } from './roles.ts'
import { SetUpFault } from './set-up-fault.ts'

type Report = (line: string) => void
type Options = { dataDir: string; keysDir: string; report: Report; settings?: Record<string, string> }

/** One address per login. `superuser` and `admin` (its way into the database `postgres`) are for set-up only. */
export type DatabaseUrls = { admin: string; superuser: string; owner: string; app: string; maintenance: string }

export type EmbeddedPostgres = AsyncDisposable & {
  urls: DatabaseUrls
  port: number
  /** Resolves, with the reason, when the database died and could not be started again. */
  failed: Promise<SetUpFault>
  stop(): Promise<void>
}

/** Another process, which lives, runs the database of this data folder. */
export class DatabaseBusy extends SetUpFault {
  override name = 'DatabaseBusy'
}

const RESTARTS = 5
const RESTART_WINDOW_MS = 60_000

/**
 * Starts the database of a data folder, making it first when there is none, and keeps it running until `stop`.
 * @throws SetUpFault, also when another process already runs it
 */
export async function startEmbeddedPostgres(options: Options): Promise<EmbeddedPostgres> {
  const dataDir = resolve(options.dataDir)
  const keysDir = resolve(options.keysDir)
  const { report, settings = {} } = options
  // The user postgres must be able to walk through the data folder to its own; the folder's names stay private.
  await mkdir(dataDir, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 })
  const { lock, holder } = tryLock(join(dataDir, 'postgres.lock'))
  if (!lock) throw new DatabaseBusy(`The database in ${dataDir} is already run by process ${holder.pid}.`)
  try {
    const account = await postgresAccount(report)
    const binaries = await findBinaries(account, report)
    const known = await readPlace(dataDir)
    const place = known ?? (await choosePlace(dataDir, account, report))
    if (!known) await writePlace(dataDir, place)
    const { cluster } = place
    const passwords = await passwordsFor(cluster, keysDir)
    if (!isCluster(cluster)) {
      report('Making the database.')
      await makeCluster(cluster, account, binaries, { superuserPassword: passwords.superuser, durable: settings['fsync'] !== 'off' })
    }
    await endLeftover(cluster)
    const start = (port: number) =>
      startPostmaster({
        cluster, account, binaries, port, settings, password: passwords.superuser, logFile: join(dataDir, 'postgres.log'),
      })
    const first = await startOnSomePort(start, place.port)
    if (first.port !== place.port) await writePlace(dataDir, { cluster, port: first.port })
    const urls = urlsFor(first.port, passwords)
    try {
      await setUpRoles(urls.admin, { passwords, database: DATABASE, existing: 'reset' })
    } catch (error) {
      await first.stop()
      throw error
    }
    return supervise(first, { urls, report, lock, again: () => endLeftover(cluster).then(() => start(first.port)) })
  } catch (error) {
    lock.release()
    throw error
  }
}

/** The addresses of a data folder's database as it was last run; undefined when it has never run. */
export async function embeddedUrls({ dataDir, keysDir }: { dataDir: string; keysDir: string }): Promise<DatabaseUrls | undefined> {
  const [place, passwords] = await Promise.all([readPlace(resolve(dataDir)), readPasswords(resolve(keysDir))])
  return place?.port !== undefined && passwords ? urlsFor(place.port, passwords) : undefined
}

/** Deletes the database of a data folder, also where it lies elsewhere. For instances that were only meant to last a while. */
export async function removeEmbeddedPostgres(dataDir: string): Promise<void> {
  const place = await readPlace(resolve(dataDir))
  if (!place) return
  const parent = dirname(place.cluster)
  await rm(dirname(parent) === SHARED_FOLDER ? parent : place.cluster, { recursive: true, force: true })
  await rm(join(resolve(dataDir), 'postgres.json'), { force: true })
}

async function passwordsFor(cluster: string, keysDir: string): Promise<Passwords> {
  const passwords = await readPasswords(keysDir)
  if (passwords) return passwords
  if (isCluster(cluster)) {
    throw new SetUpFault(`The database in ${cluster} exists but its passwords are missing; restore ${join(keysDir, 'postgres.json')}, or set KEYS_DIR to where it is.`)
  }
  return makePasswords(keysDir)
}

async function startOnSomePort(start: (port: number) => Promise<Postmaster>, remembered: number | undefined): Promise<Postmaster> {
  for (let tries = 0; ; tries++) {
    try {
      return await start(tries === 0 && remembered !== undefined ? remembered : await freePort())
    } catch (error) {
      if (!(error instanceof PortTaken) || tries === 10) throw error
    }
  }
}

function urlsFor(port: number, passwords: Passwords): DatabaseUrls {
  const url = (role: string, password: string, database = DATABASE) => `postgres://${role}:${password}@127.0.0.1:${port}/${database}`
  return {
    admin: url('postgres', passwords.superuser, 'postgres'),
    superuser: url('postgres', passwords.superuser),
    owner: url('ts_owner', passwords.owner),
    app: url('ts_app', passwords.app),
    maintenance: url('ts_maintenance', passwords.maintenance),
  }
}

type Supervised = { urls: DatabaseUrls; report: Report; lock: Lock; again: () => Promise<Postmaster> }

/** Starts a server that died by itself again, on the same port, unless it dies over and over. */
function supervise(first: Postmaster, { urls, report, lock, again }: Supervised): EmbeddedPostgres {
  let current = first
  let stopping: Promise<void> | undefined
  const deaths: number[] = []
  const failed = Promise.withResolvers<SetUpFault>()

  async function watch() {
    for (;;) {
      await current.ended
      if (stopping) return
      deaths.push(performance.now())
      const recent = deaths.filter((at) => at > performance.now() - RESTART_WINDOW_MS)
      if (recent.length > RESTARTS) return failed.resolve(new SetUpFault('The database died again and again; its log says why.'))
      report('The database ended unexpectedly; starting it again.')
      await pause(recent.length === 1 ? 0 : 250 * 2 ** recent.length)
      if (stopping) return
      try {
        current = await again()
      } catch (error) {
        return failed.resolve(error instanceof SetUpFault ? error : new SetUpFault('The database could not be started again.', { cause: error }))
      }
      report('The database runs again.')
    }
  }
  const watching = watch()

  const stop = () =>
    (stopping ??= (async () => {
      await current.stop()
      await watching
      // A restart may have been under way.
      await current.stop()
      lock.release()
    })())
  return { urls, port: first.port, failed: failed.promise, stop, [Symbol.asyncDispose]: stop }
}
