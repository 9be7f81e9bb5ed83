import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { startOf } from '../../db/embedded/lock.mjs'
import { SetUpFault } from '../../db/set-up-fault.ts'
import { settings } from '../../server/config.ts'

const main = fileURLToPath(new URL('../../server/main.ts', import.meta.url))
const LOG_BYTES = 50 * 1024 * 1024
/** Longer than the server gives its own streams to end. */
const PATIENCE_MS = 15_000

const Urls = z.object({ console: z.string(), api: z.string(), docs: z.string() })
const Message = z.union([z.object({ ready: z.literal(true), urls: Urls, setupLink: z.string().optional() }), z.object({ failed: z.string() })])

export type Ready = { urls: z.infer<typeof Urls>; setupLink?: string | undefined }
export type ServerProcess = Ready & { pid: number; ended: Promise<string>; stop(): Promise<void> }

// Only set-up may act as these.
const KEPT_FROM_SERVER = new Set(['DATABASE_OWNER_URL', 'DATABASE_MAINTENANCE_URL'])
const PASSED_ON = ['PATH', 'TZ', 'NODE_OPTIONS', 'NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR']

/** The environment of the server: its settings and what Node itself reads, nothing else of ours. */
export function serverEnvironment(env: NodeJS.ProcessEnv, given: { databaseUrl: string; dataDir: string; keysDir: string; port?: string | undefined }): NodeJS.ProcessEnv {
  const names = [...PASSED_ON, ...Object.keys(settings).filter((name) => !KEPT_FROM_SERVER.has(name))]
  const passed = Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])))
  return {
    ...passed,
    NODE_ENV: 'production',
    // A quarter off the start.
    NODE_COMPILE_CACHE: join(given.dataDir, 'compiled'),
    DATABASE_URL: given.databaseUrl,
    DATA_DIR: given.dataDir,
    KEYS_DIR: given.keysDir,
    ...(given.port === undefined ? {} : { PORT: given.port }),
  }
}

type Start = { env: NodeJS.ProcessEnv; dataDir: string; log: 'inherit' | 'file'; signal?: AbortSignal | undefined }

/** Starts server/main.ts and waits until it serves. @throws SetUpFault with the server's own sentence when it cannot */
export async function startServer({ env, dataDir, log, signal }: Start): Promise<ServerProcess> {
  const logFile = join(dataDir, 'server.log')
  const output = log === 'inherit' ? 'inherit' : openLog(logFile)
  const child = fork(main, {
    env,
    execArgv: ['--disable-warning=ExperimentalWarning'],
    // Ctrl-C reaches the one who stops things in order; when that one dies, the channel closes and the server ends by itself.
    detached: true,
    stdio: ['ignore', output, output, 'ipc'],
  })
  if (typeof output === 'number') closeSync(output)
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
    child.once('error', (error) => resolve(error.message))
  })
  const abort = () => void child.kill('SIGKILL')
  signal?.addEventListener('abort', abort)
  const where = log === 'file' ? `; its log is ${logFile}` : ''
  const ready = await Promise.race([
    firstMessage(child),
    ended.then((how) => ({ failed: `The server ended before it was ready (${how})${where}.` })),
  ])
  signal?.removeEventListener('abort', abort)
  if ('failed' in ready) {
    await ended
    signal?.throwIfAborted()
    throw new SetUpFault(ready.failed)
  }
  const pid = child.pid ?? 0
  writeFileSync(pidFile(dataDir), JSON.stringify({ pid, started: startOf(pid) }), { mode: 0o600 })
  return { ...ready, pid, ended, stop: () => stop(child, ended, dataDir) }
}

async function firstMessage(child: ChildProcess): Promise<{ failed: string } | Ready> {
  const [message] = (await once(child, 'message')) as unknown[]
  const read = Message.safeParse(message)
  if (read.success) return read.data
  child.kill('SIGKILL')
  return { failed: 'The server said something that set-up does not understand.' }
}

async function stop(child: ChildProcess, ended: Promise<string>, dataDir: string) {
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
  await ended
  clearTimeout(timer)
  rmSync(pidFile(dataDir), { force: true })
}

function openLog(file: string) {
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > LOG_BYTES) renameSync(file, `${file}.1`)
  return openSync(file, 'a', 0o600)
}

const pidFile = (dataDir: string) => join(dataDir, 'server.pid')
const Pid = z.object({ pid: z.int().positive(), started: z.string() })

/** Waits for the server of a killed start, which ends by itself but may let streams finish first. */
export async function awaitLeftoverServer(dataDir: string, report: (line: string) => void): Promise<void> {
  let left: z.infer<typeof Pid>
  try {
    left = Pid.parse(JSON.parse(readFileSync(pidFile(dataDir), 'utf8')))
  } catch {
    return
  }
  const began = performance.now()
  const lives = () => startOf(left.pid) === left.started
  if (lives()) report('Waiting for the server of an earlier start to end.')
  while (lives()) {
    if (performance.now() - began > PATIENCE_MS) process.kill(left.pid, 'SIGKILL')
    await pause(50)
  }
  rmSync(pidFile(dataDir), { force: true })
}
