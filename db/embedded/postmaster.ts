import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import postgres from 'postgres'
import { type Account, plainEnvironment } from './account.ts'
import type { Binaries } from './binaries.ts'
import { SetUpFault } from '../set-up-fault.ts'

// The server runs below a shell that also watches a pipe to us: when we die, however we die, the pipe closes and the shell asks the
// server for a fast shutdown. The shell reaps the server too, which process 1 of a container may not do.
const KEEPER = `
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ read -r _ <&3; kill -INT "$server"; } >/dev/null 2>&1 &
watch=$!
wait "$server"
code=$?
kill "$watch" 2>/dev/null
exit "$code"
`

const LOG_BYTES = 10 * 1024 * 1024

export type Postmaster = {
  port: number
  /** Resolves when the server has ended, whoever ended it. */
  ended: Promise<unknown>
  stop(): Promise<void>
}

type Start = {
  cluster: string
  logFile: string
  account: Account
  binaries: Binaries
  port: number
  password: string
  settings: Record<string, string>
}

/** Starts the server and waits until it answers a query. @throws `PortTaken` when something else listens on the port. */
export async function startPostmaster(start: Start): Promise<Postmaster> {
  const deadline = performance.now() + 15_000
  for (;;) {
    const child = launch(start)
    const from = logSize(start.logFile)
    const ended = once(child, 'exit')
    const answered = await Promise.race([ended.then(() => false), answers(start, child)])
    if (answered) return { port: start.port, ended, stop: () => stop(child, start.cluster) }
    const log = readFileSync(start.logFile).subarray(from).toString()
    if (/Address already in use/.test(log)) throw new PortTaken()
    // The processes of a killed server take a moment to see that it is gone.
    if (/shared memory block|lock file .* already exists/.test(log) && performance.now() < deadline) {
      await pause(100)
      continue
    }
    const why = log.match(/(?:FATAL|PANIC): *(.*)/)?.[1] ?? 'it ended at once'
    throw new SetUpFault(`The database did not start (${why}); its log is ${start.logFile}.`)
  }
}

export class PortTaken extends Error {}

function launch({ cluster, logFile, account, binaries, port, settings }: Start): ChildProcess {
  const all = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    password_encryption: 'scram-sha-256',
    log_checkpoints: 'off',
    ...settings,
  }
  const args = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  if (logSize(logFile) > LOG_BYTES) renameSync(logFile, `${logFile}.1`)
  const log = openSync(logFile, 'a', 0o600)
  try {
    return spawn('/bin/sh', ['-c', KEEPER, 'postgres-keeper', binaries.postgres, '-D', cluster, ...args], {
      ...account,
      cwd: '/',
      env: plainEnvironment,
      // A group of its own: Ctrl-C in the terminal must reach the server's users first.
      detached: true,
      stdio: ['pipe', log, log],
    })
  } finally {
    closeSync(log)
  }
}

function logSize(file: string) {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}

/** Asks until there is an answer: a server that recovers from a crash takes connections late, and may take minutes. */
async function answers({ port, password }: Start, child: ChildProcess): Promise<boolean> {
  while (child.exitCode === null && child.signalCode === null) {
    const sql = postgres({ host: '127.0.0.1', port, user: 'postgres', password, database: 'postgres', max: 1, connect_timeout: 5, onnotice: () => {} })
    // Somebody else may have the port and keep silent.
    const hangUp = () => void sql.end({ timeout: 0 })
    child.once('exit', hangUp)
    try {
      await sql`select 1`
      return true
    } catch {
      await pause(25)
    } finally {
      child.off('exit', hangUp)
      await sql.end({ timeout: 1 })
    }
  }
  return false
}

async function stop(child: ChildProcess, cluster: string) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.stdin?.end()
  // Cleared, because the next server of this cluster may run by then.
  const patience = setTimeout(() => signal(pidOf(cluster), 'SIGQUIT'), 30_000)
  await ended
  clearTimeout(patience)
}

/** The pid in the cluster's postmaster.pid, if a server of this very cluster runs under it. */
function pidOf(cluster: string): number | undefined {
  try {
    const pid = Number(readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n')[0])
    process.kill(pid, 0)
    if (process.platform !== 'linux') return pid
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(cluster) ? pid : undefined
  } catch {
    return undefined
  }
}

function signal(pid: number | undefined, name: NodeJS.Signals) {
  if (pid !== undefined) process.kill(pid, name)
}

/** Ends a server that a killed start has left behind, and removes the pid file of one that was killed itself. */
export async function endLeftover(cluster: string): Promise<void> {
  const began = performance.now()
  for (let pid = pidOf(cluster); pid !== undefined; pid = pidOf(cluster)) {
    signal(pid, performance.now() - began > 20_000 ? 'SIGQUIT' : 'SIGINT')
    await pause(100)
  }
  // A number that now belongs to another process would keep Postgres from starting.
  rmSync(join(cluster, 'postmaster.pid'), { force: true })
}

/** A port of 127.0.0.1 that nobody has right now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new SetUpFault('The system gives out no port on 127.0.0.1.')
  return address.port
}
