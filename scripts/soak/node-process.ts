/**
 * The server of a soak as a process of its own, put together as tests do: with an engine whose vitals can be asked for, and that
 * leaves idle titles sooner. It is told over IPC what to do, and ends with its parent.
 */
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import type { EngineClient } from '../../server/engine/client.ts'
import { EngineError, type EngineStats } from '../../server/engine/contract.ts'
import { createLog } from '../../server/kit/log.ts'
import type { Person } from '../../server/test/actors.ts'
import { startTestApp, type TestApp } from '../../server/test/app.ts'
import { startTestEngine, type TestEngine } from '../../server/test/engine.ts'
import { approveTitle, offerTitle } from '../../server/test/titles.ts'
import { engineVitals, vitalsArguments } from '../../server/test/vitals.ts'
import type { Answer, Command, NodeOrder } from './node.ts'

const say = (answer: Answer) => process.send?.(answer)

const [order] = (await once(process, 'message')) as [NodeOrder]
const engine = await startTestEngine({ ...order.engine, nodeArguments: vitalsArguments })
const warm = engine.client.warm.bind(engine.client)
engine.client.warm = (source, forMs) => warm(source, Math.min(forMs, order.warmMs))
const app = await startTestApp({
  database: { urls: order.urls, [Symbol.asyncDispose]: () => Promise.resolve() },
  dataDir: order.dataDir,
  jobs: true,
  settings: { RATE_LIMIT_FACTOR: '100000', STREAMS_PER_USER: '1000', STREAMS_PER_NODE: '1000', SWARM_TIMEOUT_SECONDS: '60' },
  overrides: { engine: engine.client, log: createLog('debug', { write: tell }) },
})
const people: Person[] = []
// one after the other: who signs in at once leaves as many connections open for a minute, which would be there at rest
while (people.length < order.people) people.push(await app.as.user())
const moderator = await app.as.moderator()
say({ kind: 'ready', baseUrl: app.baseUrl, people: people.map(({ refreshToken }) => refreshToken) })

process.on('message', (command: Command) => {
  obey(command).then((value) => say({ kind: 'done', id: command.id, value }), (error: unknown) => say({ kind: 'failed', id: command.id, message: String(error) }))
})
await once(process, 'disconnect')
// whatever hangs: nobody is there any more who would end it
setTimeout(() => process.exit(1), 15_000).unref()
for (const part of [app, engine]) await part[Symbol.asyncDispose]()
process.exit()

/** Errors, and streams that broke off by our fault. */
function tell(line: string): void {
  if (/"severity":"(error|fatal)"|"outcome":"(failed|stalled)"/.test(line)) say({ kind: 'log', line })
}

async function obey(command: Command): Promise<unknown> {
  switch (command.op) {
    case 'offer': return offer(app, command.title)
    case 'look': return look(engine, app)
    case 'engine-vitals': return engineVitals(engine)
    case 'kill': return kill(engine)
    case 'remove': return engine.client.remove(command.infoHash)
  }
}

async function offer(node: TestApp, title: Extract<Command, { op: 'offer' }>['title']): Promise<string> {
  const id = await offerTitle(node, title, title.name)
  await approveTitle(node, id, moderator.token)
  return id
}

async function look({ client }: TestEngine, { deps }: TestApp): Promise<Extract<Command, { op: 'look' }>['answer']> {
  const [{ torrents, cache }, [rows]] = await Promise.all([statsOf(client), deps.sql<{ count: number }[]>`select count(*)::int as count from live_streams`])
  const { pid, port } = client.listening() ?? { pid: 0, port: 0 }
  return { engine: { pid, port }, torrents: torrents.length, readers: torrents.reduce((sum, { readers }) => sum + readers, 0), streamRows: rows?.count ?? 0, cache }
}

/** It may be killed under the question: then the next one is asked. */
async function statsOf(client: EngineClient): Promise<EngineStats> {
  for (;;) {
    try {
      return await client.stats()
    } catch (error) {
      if (!(error instanceof EngineError) || error.code !== 'unavailable') throw error
      await pause(20)
    }
  }
}

/** Kills the engine where it stands. Resolves when the next one is up, with how many milliseconds that took. */
async function kill({ client }: TestEngine): Promise<number> {
  const killed = client.listening()?.pid
  if (killed === undefined) return 0
  const began = performance.now()
  process.kill(killed, 'SIGKILL')
  while ((client.listening()?.pid ?? killed) === killed) await pause(2)
  return performance.now() - began
}
