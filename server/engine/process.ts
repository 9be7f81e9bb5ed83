import { fork, type ChildProcess } from 'node:child_process'
import { mkdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { EngineError, engineReplies, FromEngine, type EngineInput, type EngineOp, type EngineReply, type FromServer, type TorrentLayout } from './contract.ts'
import type { TorrentSource } from './reader.ts'
import { compiledFolder } from './segments.ts'

const main = fileURLToPath(new URL('./main.ts', import.meta.url))

/** One that lets this many questions in a row go unanswered hangs, and is killed (control D6). */
const mostMissedBeats = 4
const startMs = 60_000
const stopMs = 3_000

export interface EngineProcessOptions {
  readonly dataDir: string
  readonly memoryBytes: number
  readonly nodeArguments: readonly string[]
  readonly onMessage: (message: Exclude<FromEngine, { kind: 'reply' | 'closed' }>) => void
  readonly onOutput: (line: string) => void
}

interface Asked { readonly op: EngineOp; readonly resolve: (value: unknown) => void; readonly reject: (error: EngineError) => void }

/** One life of the engine: a child process with an empty environment, its questions and their answers. */
export class EngineProcess {
  /** Resolves with how it ended, once it has. */
  readonly exited: Promise<string>
  #child: ChildProcess
  #asked = new Map<number, Asked>()
  #lastId = 0
  #opened = new Map<string, Promise<TorrentLayout>>()
  #watchdog: NodeJS.Timeout

  constructor({ dataDir, memoryBytes, nodeArguments, onMessage, onOutput }: EngineProcessOptions) {
    this.#child = fork(main, {
      // Nothing inherited, so no secrets. Compiled code is kept: it takes a third off each start.
      env: { NODE_ENV: 'production', NODE_COMPILE_CACHE: join(dataDir, compiledFolder) },
      execArgv: ['--disable-warning=ExperimentalWarning', ...wallsOf(dataDir), `--max-old-space-size=${Math.floor(memoryBytes / 2 / 1024 ** 2)}`, ...nodeArguments],
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    for (const stream of [this.#child.stdout, this.#child.stderr]) if (stream) createInterface({ input: stream }).on('line', onOutput)
    this.#child.on('message', (message) => {
      const parsed = FromEngine.safeParse(message)
      if (parsed.success) return this.#onMessage(parsed.data, onMessage)
      onOutput(`The engine said something that is not in the contract: ${parsed.error.message}`)
      this.#child.kill('SIGKILL')
    })
    const { promise, resolve } = Promise.withResolvers<string>()
    this.#child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
    this.#child.once('error', (error) => resolve(error.message))
    this.exited = promise.then((how) => this.#onExit(how))
    this.#watchdog = setTimeout(() => this.#child.kill('SIGKILL'), startMs).unref()
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Rejects with EngineError: what the engine answered, or `unavailable` when it died before it did. */
  async request<Op extends EngineOp>(op: Op, input: EngineInput<Op>): Promise<EngineReply<Op>> {
    this.#lastId += 1
    const id = this.#lastId
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    if (!this.#child.connected) throw new EngineError('unavailable', 'The engine is not running.')
    this.#asked.set(id, { op, resolve, reject })
    this.#send({ kind: 'request', id, op, input } as FromServer)
    return (await promise) as EngineReply<Op>
  }

  note(message: Extract<FromServer, { kind: 'progress' | 'release' }>): void {
    this.#send(message)
  }

  /** Opens a torrent, once however many ask. */
  open(source: TorrentSource): Promise<TorrentLayout> {
    const known = this.#opened.get(source.infoHash)
    if (known) return known
    const opening = source.load().then(({ torrent, trackers, peers = [] }) =>
      this.request('open', { infoHash: source.infoHash, torrent, trackers: [...trackers], peers: [...peers] }))
    this.#opened.set(source.infoHash, opening)
    opening.catch(() => this.#opened.delete(source.infoHash))
    return opening
  }

  /** Asks about an open torrent; opens it again when the engine has forgotten it (it does, of idle ones). */
  async withOpen<Answer>(source: TorrentSource, ask: () => Promise<Answer>): Promise<Answer> {
    await this.open(source)
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof EngineError) || error.code !== 'not_open') throw error
      this.#opened.delete(source.infoHash)
      await this.open(source)
      return ask()
    }
  }

  /** From now on, asks it so often whether it still answers. Until then it has a minute to start. */
  watch(everyMs: number): void {
    let missed = 0
    clearTimeout(this.#watchdog)
    this.#watchdog = setInterval(() => {
      missed += 1
      if (missed > mostMissedBeats) this.#child.kill('SIGKILL')
      else if (missed === 1) this.request('ping', {}).then(() => { missed = 0 }, () => {})
    }, everyMs).unref()
  }

  /** Asks it to end, and sees to it. */
  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopMs)
    await this.exited
    clearTimeout(timer)
  }

  #send(message: FromServer): void {
    // A failed send means that it is dying: its exit settles whatever was asked.
    if (this.#child.connected) this.#child.send(message, () => {})
  }

  #onMessage(message: FromEngine, onMessage: EngineProcessOptions['onMessage']): void {
    if (message.kind === 'closed') return void this.#opened.delete(message.infoHash)
    if (message.kind !== 'reply') return onMessage(message)
    const asked = this.#asked.get(message.id)
    this.#asked.delete(message.id)
    if (!asked) return
    if (!message.ok) return asked.reject(new EngineError(message.error.code, message.error.message))
    const value = engineReplies[asked.op].safeParse(message.value)
    if (value.success) asked.resolve(value.data)
    else asked.reject(new EngineError('internal', `The engine answered ${asked.op} with something else.`, { cause: value.error }))
  }

  #onExit(how: string): string {
    clearInterval(this.#watchdog)
    this.#child.removeAllListeners('message') // what it promised holds no more
    for (const { reject } of this.#asked.values()) reject(new EngineError('unavailable', 'The engine stopped before it answered.'))
    this.#asked.clear()
    return how
  }
}

/**
 * A second wall, should a peer ever make the engine run what it sent: it reads its own code and its folder, writes its folder
 * alone, and starts no process (Node's permission model). Addons are let in, as webtorrent loads some; starts are no slower.
 */
function wallsOf(dataDir: string): string[] {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const own = [...new Set([dataDir, realpathSync(dataDir)])]
  const code = ['../../node_modules', '../../server', '../../package.json'].map((path) => realpathSync(fileURLToPath(new URL(path, import.meta.url))))
  // The last one is how a native addon's loader finds out which C library there is.
  const readable = [...code, ...own, '/etc/alpine-release']
  return ['--permission', '--allow-addons', '--disable-warning=SecurityWarning', ...readable.map((path) => `--allow-fs-read=${path}`), ...own.map((path) => `--allow-fs-write=${path}`)]
}
