import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { storedBytes } from '../../server/test/disk.ts'
import type { Look, SoakNode, Vitals } from './node.ts'

/** Open descriptors of a process. Sockets to the database are apart: pools keep as many as were last needed. */
export interface Descriptors { readonly sockets: number; readonly database: number; readonly files: number; readonly others: number }

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

export function descriptorsOf(pid: number, databasePort: number): Descriptors {
  const database = new Set(inodesTo(databasePort))
  const found = { sockets: 0, database: 0, files: 0, others: 0 }
  for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
    const target = linkOf(`/proc/${pid}/fd/${descriptor}`)
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1]
    if (inode !== undefined) found[database.has(inode) ? 'database' : 'sockets'] += 1
    else if (target.startsWith('/') && !target.startsWith('/dev/')) found.files += 1
    else found.others += 1
  }
  return found
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return '' // closed meanwhile: it was that of the listing itself, say
  }
}

/** Sockets connected to a port (proc_net_tcp(5)): the second address of a row is the remote one, the tenth field its inode. */
function inodesTo(port: number): string[] {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const rows = ['tcp', 'tcp6'].flatMap((table) => readFileSync(`/proc/net/${table}`, 'latin1').split('\n').slice(1))
  return rows.map((row) => row.trim().split(/\s+/)).flatMap((fields) => (fields[2]?.endsWith(wanted) ? (fields[9] ?? []) : []))
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
