/** What a process holds: asked of one that was started with `vitalsArguments`, or seen from outside (Linux). */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { TestEngine } from './engine.ts'

/** With all garbage collected. */
export interface Vitals {
  readonly pid: number
  readonly rssBytes: number
  readonly heapBytes: number
  readonly externalBytes: number
  /** By the name of their class. */
  readonly emitters: Readonly<Record<string, number>>
  /** Of all of those together. */
  readonly listeners: number
  readonly timers: number
  /** Of leaks, as Node sees them. */
  readonly warnings: readonly string[]
}

/** For Node, before the script. */
export const vitalsArguments: readonly string[] = ['--expose-gc', '--require', fileURLToPath(new URL('./vitals.cjs', import.meta.url))]

const mark = 'vitals '
/** What stands in the line that a process writes at SIGUSR2. */
export const vitalsIn = (line: string): Vitals => JSON.parse(line.slice(mark.length)) as Vitals

/** Of the engine's process, whose output comes as events. */
export async function engineVitals({ client, events }: Pick<TestEngine, 'client' | 'events'>): Promise<Vitals> {
  const from = events.length
  process.kill(client.listening()?.pid ?? 0, 'SIGUSR2')
  for (;;) {
    const line = events.slice(from).find(({ detail }) => detail?.startsWith(mark))?.detail
    if (line !== undefined) return vitalsIn(line)
    await pause(10)
  }
}

/** Open descriptors of a process. Sockets to the database are apart: pools keep as many as were last needed. */
export interface Descriptors { readonly sockets: number; readonly database: number; readonly files: number; readonly others: number }

export function descriptorsOf(pid: number, databasePort = 0): Descriptors {
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
