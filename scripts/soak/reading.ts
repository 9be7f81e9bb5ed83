import { storedBytes } from '../../server/test/disk.ts'
import { descriptorsOf, type Descriptors, type Vitals } from '../../server/test/vitals.ts'
import type { Look, SoakNode } from './node.ts'

export interface Reading extends Look {
  readonly server: Vitals & Descriptors
  readonly engineProcess: Vitals & Descriptors
  /** What lies on disk, to be compared with `cache.usedBytes`. */
  readonly diskBytes: number
}

export interface Places { readonly engineDir: string; readonly databasePort: number }

/** Everything that is to return, garbage collected. */
export async function takeReading(node: SoakNode, places: Places): Promise<Reading> {
  const [server, engine, look] = [await node.vitals(), await node.ask('engine-vitals', {}), await node.ask('look', {})]
  return {
    ...look,
    server: { ...server, ...descriptorsOf(server.pid, places.databasePort) },
    engineProcess: { ...engine, ...descriptorsOf(engine.pid, places.databasePort) },
    diskBytes: storedBytes(places.engineDir),
  }
}

const MiB = 1024 * 1024
/** What may differ: a heap that is looked at twice is never quite the same, and a pool holds more or fewer connections. */
const slack = { heapBytes: 8 * MiB, rssBytes: 96 * MiB, listeners: 250, timers: 25 }

/** What has not come back to where it stood, each a sentence; none when all has. */
export function unreturned(before: Reading, now: Reading): string[] {
  const faults: string[] = []
  const demand = (condition: boolean, sentence: string) => {
    if (!condition) faults.push(sentence)
  }
  demand(now.torrents === 0, `${now.torrents} torrents are still in the swarm.`)
  demand(now.readers === 0, `${now.readers} readers are still known to the engine.`)
  demand(now.streamRows === 0, `${now.streamRows} rows of live streams are left in the database.`)
  demand(now.cache.usedBytes === now.diskBytes, `${now.cache.usedBytes} bytes are accounted for, and ${now.diskBytes} lie on disk.`)
  demand(now.cache.usedBytes <= now.cache.budgetBytes, `${now.cache.usedBytes} bytes are used of a budget of ${now.cache.budgetBytes}.`)
  for (const [name, was, is] of [['server', before.server, now.server], ['engine', before.engineProcess, now.engineProcess]] as const) {
    for (const kind of ['sockets', 'files', 'others'] as const) demand(is[kind] <= was[kind], `The ${name} has ${is[kind]} open ${kind}; it had ${was[kind]}.`)
    for (const kind of ['listeners', 'timers'] as const) demand(is[kind] <= was[kind] + slack[kind], `The ${name} has ${is[kind]} ${kind}; it had ${was[kind]}.`)
    for (const kind of ['heapBytes', 'rssBytes'] as const) demand(is[kind] <= was[kind] + slack[kind], `The ${name}'s ${kind === 'heapBytes' ? 'heap' : 'memory'} is ${inMiB(is[kind])}; it was ${inMiB(was[kind])}.`)
    demand(is.warnings.length === 0, `Node warned in the ${name}: ${is.warnings.join('; ')}.`)
  }
  return faults
}

export const inMiB = (bytes: number): string => `${(bytes / MiB).toFixed(0)} MiB`
