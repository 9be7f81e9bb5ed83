/** The engine's process. It is told everything by its parent over IPC, and ends with it. */
import { flushCompileCache } from 'node:module'
import { EngineError, FromServer, type EngineReply, type EngineRequest, type Failure, type FromEngine } from './contract.ts'
import { Engine } from './engine.ts'

let engine: Engine | null = null

const send = (message: FromEngine): void => {
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}

process.on('message', (message) => {
  const parsed = FromServer.parse(message) // a server that says something else is a bug: crash, and be started anew
  if (parsed.kind === 'progress') return engine?.progress(parsed.readerId, parsed.position)
  if (parsed.kind === 'release') return engine?.release(parsed.readerId)
  answer(parsed).then(
    (value) => send({ kind: 'reply', id: parsed.id, ok: true, value }),
    (error: unknown) => send({ kind: 'reply', id: parsed.id, ok: false, error: failureOf(error) }),
  )
})

/** The server went away, however it did. */
process.on('disconnect', () => {
  setTimeout(() => process.exit(), 1_000)
  void Promise.resolve(engine?.close()).finally(() => process.exit())
})

/** A leak ends the engine, not the machine. The heap has a limit of its own; buffers are outside it. */
function watchMemory(mostBytes: number): void {
  setInterval(() => {
    if (process.memoryUsage.rss() <= mostBytes) return
    send({ kind: 'notice', event: 'engine_memory', detail: `more than ${mostBytes} bytes` })
    process.exit(70)
  }, 1_000).unref()
}

// Ctrl-C reaches the whole process group: the server decides when the engine ends.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

async function answer(request: EngineRequest): Promise<EngineReply<EngineRequest['op']>> {
  if (request.op === 'ping') return null
  if (request.op === 'configure') {
    watchMemory(request.input.memoryBytes)
    engine = await Engine.start(request.input, send)
    flushCompileCache() // now, as it may be killed later
    return { port: engine.port }
  }
  if (!engine) throw new EngineError('internal', 'The engine is not configured.')
  switch (request.op) {
    case 'open': return engine.open(request.input)
    case 'metadata': return engine.metadata(request.input)
    case 'want': return (await engine.want(request.input)) ?? null
    case 'warm': return engine.warm(request.input) ?? null
    case 'buffered': return engine.buffered(request.input)
    case 'stage': return (await engine.stage(request.input)) ?? null
    case 'publish': return (await engine.publish(request.input)) ?? null
    case 'discard': return (await engine.discard(request.input)) ?? null
    case 'seed': return engine.seed(request.input)
    case 'remove': return (await engine.remove(request.input)) ?? null
    case 'evict': return engine.evict(request.input)
    case 'stats': return engine.stats()
  }
}

function failureOf(error: unknown): Failure {
  if (error instanceof EngineError) return { code: error.code, message: error.message }
  return { code: 'internal', message: error instanceof Error ? error.message : String(error) }
}
