import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { examinerLimits, FromExaminer, type MediaFacts, type ToExaminer } from './contract.ts'

const main = fileURLToPath(new URL('./main.ts', import.meta.url))

/** Nothing to write, no process, a small heap; what WebAssembly takes is bounded inside (bounds.ts, where the one thread is). */
const nodeArguments = ['--disable-warning=ExperimentalWarning', '--max-old-space-size=64', '--permission', '--allow-fs-read=*', '--allow-worker']

export interface Examined {
  readonly sizeBytes: number
  /** Reads a stretch of the file. What it throws is thrown to whoever asked. */
  readonly read: (offset: number, length: number, signal: AbortSignal) => Promise<Uint8Array>
  readonly limits?: Partial<typeof standardLimits>
}

const standardLimits = {
  /** For Node to start, and to load the parser: a third of a second where nothing else runs. */
  startMs: 60_000,
  /** From one question to the next. A film's index takes a second at most. */
  thinkMs: 20_000,
  /** In all, once it has started; the swarm's time included. */
  totalMs: 60_000,
  /** Of the parser's memory. The index of three hours at 60 frames a second takes 180 MiB. */
  wasmBytes: 256 * 1024 * 1024,
}

/** It did not start, or the bytes did not come in time: the file is not to blame, and may be examined again. */
export class ExaminationFailed extends Error {
  override readonly name = 'ExaminationFailed'
}

/**
 * What a media file holds, by a process of its own that is gone afterwards. Null when the file made it crash, hang, or ask for
 * more than it may: no facts are to be had.
 * @throws ExaminationFailed, or what `read` throws
 */
export async function examine({ sizeBytes, read, limits }: Examined): Promise<MediaFacts | null> {
  const { startMs, thinkMs, totalMs, wasmBytes } = { ...standardLimits, ...limits }
  const over = new AbortController()
  const { promise, resolve, reject } = Promise.withResolvers<MediaFacts | null>()
  const child = fork(main, { env: { NODE_ENV: 'production' }, execArgv: nodeArguments, serialization: 'advanced', stdio: 'ignore' })
  const exited = new Promise<void>((done) => child.once('close', () => done()))
  const send = (message: ToExaminer): void => {
    if (child.connected) child.send(message, () => {})
  }
  let ready = false
  let handedOut = 0
  let reading = false
  let waitedMs = 0
  const blame = (why: string) => (ready ? resolve(null) : reject(new ExaminationFailed(`The examiner ${why} before it had begun.`)))
  const within = (ms: number) => setTimeout(() => blame('hung'), ms)
  let thinking = within(startMs)
  let total: NodeJS.Timeout | undefined
  const onTotal = () => (reading || waitedMs > totalMs / 2 ? reject(new ExaminationFailed('The bytes did not come in time.')) : blame('took too long'))

  const hear = (message: FromExaminer): void => {
    clearTimeout(thinking)
    switch (message.kind) {
      case 'ready':
        ready = true
        total ??= setTimeout(onTotal, totalMs)
        thinking = within(thinkMs)
        return
      case 'facts': return resolve(message.facts)
      case 'need': {
        const { offset, length } = message
        handedOut += length
        if (reading || offset + length > sizeBytes || handedOut > examinerLimits.mostBytes) return blame('asked for too much')
        reading = true
        const asked = performance.now()
        read(offset, length, over.signal).then((bytes) => {
          if (over.signal.aborted) return
          reading = false
          waitedMs += performance.now() - asked
          thinking = within(thinkMs)
          send({ kind: 'bytes', bytes })
        }, reject)
      }
    }
  }
  child.on('message', (message) => {
    const parsed = FromExaminer.safeParse(message)
    if (parsed.success) hear(parsed.data)
    else blame('said something that is not in the contract')
  })
  child.once('exit', () => blame('ended'))
  child.once('error', (error) => reject(new ExaminationFailed('The examiner could not be started.', { cause: error })))
  send({ kind: 'examine', sizeBytes, lifeMs: startMs + totalMs, wasmBytes })
  try {
    return await promise
  } finally {
    clearTimeout(thinking)
    clearTimeout(total)
    over.abort()
    child.kill('SIGKILL')
    if (child.pid !== undefined) await exited
  }
}
