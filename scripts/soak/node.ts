import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { DatabaseUrls } from '../../db/embedded.ts'
import type { CacheStats, GivenEngineSettings } from '../../server/engine/contract.ts'
import { vitalsArguments, vitalsIn, type Vitals } from '../../server/test/vitals.ts'

/** From parent to child, first. */
export interface NodeOrder {
  readonly urls: DatabaseUrls
  readonly dataDir: string
  readonly engine: Partial<GivenEngineSettings>
  /** How long a title is kept warm at most for a player that does not come. */
  readonly warmMs: number
  /** How many viewers it makes. */
  readonly people: number
}

/** What the engine and the database say. */
export interface Look {
  readonly engine: { readonly pid: number; readonly port: number }
  readonly torrents: number
  readonly readers: number
  readonly streamRows: number
  readonly cache: CacheStats
}

type Ops = {
  offer: { given: { title: { name: string; infoHash: string; torrentFile: Uint8Array } }; answer: string }
  look: { given: object; answer: Look }
  'engine-vitals': { given: object; answer: Vitals }
  kill: { given: object; answer: number }
  remove: { given: { infoHash: string }; answer: undefined }
}
type Op = keyof Ops
/** From parent to child. `answer` is never sent: it says what comes back. */
export type Command = { [O in Op]: { readonly id: number; readonly op: O; readonly answer?: Ops[O]['answer'] } & Ops[O]['given'] }[Op]
/** From child to parent. */
export type Answer =
  | { readonly kind: 'ready'; readonly baseUrl: string; readonly people: readonly string[] }
  | { readonly kind: 'log'; readonly line: string }
  | { readonly kind: 'done'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string }

export interface SoakNode extends AsyncDisposable {
  readonly baseUrl: string
  readonly pid: number
  /** Their refresh tokens. */
  readonly people: readonly string[]
  /** What it logged as an error. */
  readonly errors: readonly string[]
  ask<O extends Op>(op: O, given: Ops[O]['given']): Promise<Ops[O]['answer']>
  /** Of the server's own process. */
  vitals(): Promise<Vitals>
}

const script = fileURLToPath(new URL('node-process.ts', import.meta.url))

export async function startSoakNode(order: NodeOrder): Promise<SoakNode> {
  const child = fork(script, { execArgv: ['--disable-warning=ExperimentalWarning', ...vitalsArguments], serialization: 'advanced', stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  const ended = once(child, 'exit')
  const asked = new Map<number, PromiseWithResolvers<unknown>>()
  const errors: string[] = []
  const ready = Promise.withResolvers<Extract<Answer, { kind: 'ready' }>>()
  child.on('message', (answer: Answer) => {
    if (answer.kind === 'ready') return ready.resolve(answer)
    if (answer.kind === 'log') return void errors.push(answer.line.trim())
    const waiting = asked.get(answer.id)
    asked.delete(answer.id)
    if (answer.kind === 'done') waiting?.resolve(answer.value)
    else waiting?.reject(new Error(answer.message))
  })
  void ended.then(() => {
    const gone = new Error('The server of the soak ended.')
    ready.reject(gone)
    for (const waiting of asked.values()) waiting.reject(gone)
  })
  const lines = createInterface({ input: child.stdout ?? process.stdin })
  let lastId = 0
  child.send(order, () => {})
  const { baseUrl, people } = await ready.promise
  return {
    baseUrl,
    pid: child.pid ?? 0,
    people,
    errors,
    async ask<O extends Op>(op: O, given: Ops[O]['given']) {
      lastId += 1
      const waiting = Promise.withResolvers<unknown>()
      asked.set(lastId, waiting)
      child.send({ id: lastId, op, ...given }, () => {})
      return (await waiting.promise) as Ops[O]['answer']
    },
    async vitals() {
      const said = once(lines, 'line') as Promise<[string]>
      child.kill('SIGUSR2')
      return vitalsIn((await said)[0])
    },
    async [Symbol.asyncDispose]() {
      if (child.connected) child.disconnect()
      await ended
      lines.close()
    },
  }
}
