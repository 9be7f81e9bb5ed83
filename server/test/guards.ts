/**
 * Set-up file of every vitest file: a test fails when it wrote to console.error or console.warn, or when it, or a Node process
 * it started, tried to reach beyond loopback; a file fails when it ends with sockets, servers, timers or children still alive.
 */
import { subscribe } from 'node:diagnostics_channel'
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Socket, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { format } from 'node:util'
import { afterAll, afterEach } from 'vitest'

/** How long a file may take to let go of what it closed. */
const LEAK_BOUND_MS = 3_000

const started = countResources()
const children = new Set<ChildProcess>()
const faults: string[] = []

const home = mkdtempSync(join(tmpdir(), 'guards-'))
const outboundLog = join(home, 'outbound.jsonl')
const loopbackOnly = fileURLToPath(new URL('./loopback-only.cjs', import.meta.url))
process.env['LOOPBACK_ONLY_LOG'] = outboundLog
process.env['NODE_OPTIONS'] = [process.env['NODE_OPTIONS'], `--require ${JSON.stringify(loopbackOnly)}`].filter(Boolean).join(' ')
createRequire(import.meta.url)(loopbackOnly)

for (const method of ['error', 'warn'] as const) {
  const write = console[method].bind(console)
  console[method] = (...args: unknown[]) => {
    faults.push(`console.${method}: ${format(...args)}`)
    write(...args)
  }
}

// Too many listeners, a timer too long, a promise never observed: each is a leak or a bug that Node only mentions.
process.on('warning', (warning) => {
  if (/^(MaxListenersExceeded|TimeoutOverflow|PromiseRejectionHandled)Warning$/.test(warning.name)) faults.push(String(warning.stack))
})

subscribe('child_process', (message) => {
  const { process: child } = message as { process: ChildProcess }
  children.add(child)
  child.once('exit', () => children.delete(child))
  child.once('error', () => child.pid === undefined && children.delete(child))
})

afterEach(failOnFaults)

afterAll(async () => {
  // Not vi.waitFor: its own timers would count.
  const bound = performance.now() + LEAK_BOUND_MS
  let leaks = findLeaks()
  while (leaks.length > 0 && performance.now() < bound) {
    await setTimeout(20, undefined, { ref: false })
    leaks = findLeaks()
  }
  try {
    if (leaks.length > 0) throw new Error(`This file leaves behind:\n  ${leaks.join('\n  ')}`)
  } finally {
    failOnFaults(true)
  }
})

function failOnFaults(last: unknown) {
  if (existsSync(outboundLog)) {
    for (const line of readFileSync(outboundLog, 'utf8').trim().split('\n')) {
      const { pid, stack } = JSON.parse(line) as { pid: number; stack: string }
      faults.push(pid === process.pid ? stack : `in process ${pid}: ${stack}`)
    }
    rmSync(outboundLog)
  }
  if (last === true) rmSync(home, { recursive: true, force: true })
  if (faults.length > 0) throw new Error(`Guards: ${faults.splice(0).join('\n')}`)
}

/** Names as Node gives them (TCPSocketWrap, TCPServerWrap, UDPWRAP, ProcessWrap, PipeWrap…) → how many keep the process alive. */
function countResources() {
  const counts = new Map<string, number>()
  for (const name of process.getActiveResourcesInfo()) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

function findLeaks(): string[] {
  const leaks = [...children].map((child) => `child process ${child.pid} ${child.spawnargs.join(' ')}`)
  for (const [name, count] of countResources()) {
    if (!/^(TCP|TLS|UDP|Pipe|FSEvent|Stat|Timeout)/i.test(name)) continue
    const extra = count - (started.get(name) ?? 0)
    if (extra > 0) leaks.push(`${extra} × ${name}`)
  }
  return leaks.length > 0 ? [...leaks, ...describeHandles()] : leaks
}

/** Who they are, for the message: Node has no public name for this. */
function describeHandles(): string[] {
  const { _getActiveHandles } = process as unknown as { _getActiveHandles?: () => object[] }
  return (_getActiveHandles?.call(process) ?? []).flatMap((handle) => {
    const { remoteAddress, remotePort, address } = handle as Partial<Socket & Server>
    if (remoteAddress) return [`socket to ${remoteAddress}:${remotePort}`]
    const bound = handle.constructor.name === 'Server' ? address?.call(handle as Server) : undefined
    return bound ? [`server on ${JSON.stringify(bound)}`] : []
  })
}
