/** Runs stages, as many at a time as the cores allow, each as a process group of its own that can be ended whole. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Stage } from './stages.ts'
import { inWords, none, type Tally } from './tally.ts'

const CORES = 2
/** What a stage may take to stop (vitest stops Postgres) before it is killed. */
const GRACE_MS = 10_000
const HEARTBEAT_MS = 30_000

export interface Outcome {
  stage: string
  verdict: 'passed' | 'failed' | 'not run'
  tally: Tally
}

type Chosen = { stage: Stage; more: string[] }
export interface Surroundings {
  root: string
  /** Where each stage's whole output is kept as `<stage>.log`. */
  logs: string
  print: (line: string) => void
  colour: boolean
  /** Aborted: what runs is ended, what waits is not started. */
  signal: AbortSignal
}

/** @returns one outcome per stage, in the order given */
export async function runStages(chosen: Chosen[], around: Surroundings): Promise<Outcome[]> {
  mkdirSync(around.logs, { recursive: true })
  const outcomes = new Map<string, Outcome>()
  const running = new Map<string, { cores: number; began: number; done: Promise<void> }>()
  const waiting = [...chosen]
  const heartbeat = setInterval(() => {
    for (const [name, { began }] of running) around.print(`  … ${name.padEnd(10)}${seconds(began).padStart(8)} so far`)
  }, HEARTBEAT_MS)

  const isPending = (name: string) => running.has(name) || waiting.some(({ stage }) => stage.name === name)
  const freeCores = () => CORES - [...running.values()].reduce((used, { cores }) => used + cores, 0)
  const start = ({ stage, more }: Chosen) => {
    const failed = stage.after?.find((name) => outcomes.has(name) && outcomes.get(name)?.verdict !== 'passed')
    if (failed ?? around.signal.aborted) {
      if (failed) around.print(`- ${stage.name.padEnd(12)} not run: ${failed} failed`)
      outcomes.set(stage.name, { stage: stage.name, verdict: 'not run', tally: none() })
      return
    }
    const done = runStage(stage, more, around).then((outcome) => {
      outcomes.set(stage.name, outcome)
      running.delete(stage.name)
    })
    running.set(stage.name, { cores: stage.cores, began: performance.now(), done })
  }

  while (waiting.length > 0 || running.size > 0) {
    const index = waiting.findIndex(({ stage }) => stage.cores <= freeCores() && !stage.after?.some(isPending))
    const [next] = index < 0 ? [] : waiting.splice(index, 1)
    if (next) start(next)
    else await Promise.race([...running.values()].map(({ done }) => done))
  }
  clearInterval(heartbeat)
  return chosen.flatMap(({ stage }) => outcomes.get(stage.name) ?? [])
}

async function runStage(stage: Stage, more: string[], { root, logs, print, colour, signal }: Surroundings): Promise<Outcome> {
  const began = performance.now()
  const colours = colour ? { FORCE_COLOR: '1' } : { NO_COLOR: '1', FORCE_COLOR: undefined }
  const child = spawn(process.execPath, stage.command(more), {
    cwd: root,
    env: { ...process.env, ...colours, ...stage.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const end = () => void endGroup(child)
  signal.addEventListener('abort', end, { once: true })
  const output: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => output.push(chunk))
  const [code] = (await once(child, 'close')) as [number | null]
  signal.removeEventListener('abort', end)
  const text = Buffer.concat(output).toString('utf8')
  writeFileSync(join(logs, `${stage.name}.log`), text)

  const tally = counted(stage, code === 0)
  const verdict = code === 0 && tally.failed === 0 ? 'passed' : 'failed'
  const counts = stage.tally ? `  ${inWords(tally)}` : ''
  print(`${verdict === 'passed' ? '✓' : '✗'} ${stage.name.padEnd(12)}${seconds(began).padStart(8)}${counts}`)
  if (verdict === 'failed' && !signal.aborted) print(text.trimEnd())
  return { stage: stage.name, verdict, tally }
}

/** A stage that failed without saying in which test has failed once: it broke before or after its tests. */
function counted(stage: Stage, succeeded: boolean): Tally {
  const one: Tally = { ...none(), passed: succeeded ? 1 : 0, failed: succeeded ? 0 : 1 }
  if (!stage.tally) return one
  try {
    const tally = stage.tally()
    const isEmpty = tally.passed + tally.failed + tally.skipped.length === 0
    return (succeeded || tally.failed > 0) && !isEmpty ? tally : { ...tally, failed: tally.failed + 1 }
  } catch {
    return { ...none(), failed: 1 }
  }
}

async function endGroup(child: ChildProcess) {
  if (child.pid === undefined) return
  signalGroup(child.pid, 'SIGINT')
  await Promise.race([once(child, 'close'), pause(GRACE_MS, undefined, { ref: false })])
  signalGroup(child.pid, 'SIGKILL')
}

function signalGroup(pid: number, signal: NodeJS.Signals) {
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

const seconds = (since: number) => `${((performance.now() - since) / 1_000).toFixed(1)} s`

