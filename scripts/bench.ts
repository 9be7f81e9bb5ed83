/**
 * `npm run bench [-- name…]`: figures of this machine, compared within one run and never asserted. Names: start-up, search,
 * sign-in, signed-in, refresh, revocation, streaming-complete, streaming-start, streaming-download, streaming-idle,
 * streaming-growth; the first part of a name takes all that begin with it, no name takes all. Everything runs in data folders
 * of its own, which go afterwards.
 */
import type { BenchInstance } from './bench/accounts.ts'
import { table, type Figure } from './bench/figures.ts'
import { closeConnections } from './bench/load.ts'
import { machine } from './bench/machine.ts'
import { benchRefresh } from './bench/refresh.ts'
import { benchRevocation } from './bench/revocation.ts'
import { benchSearch } from './bench/search.ts'
import { benchSignIn } from './bench/sign-in.ts'
import { benchSignedIn } from './bench/signed-in.ts'
import { benchStartUp } from './bench/start-up.ts'
import { benchCompleteFile } from './bench/streaming/complete-file.ts'
import { benchDownloading } from './bench/streaming/downloading.ts'
import { benchGrowth } from './bench/streaming/growth.ts'
import { benchIdleTitles } from './bench/streaming/idle.ts'
import { benchStreamingStart } from './bench/streaming/start.ts'
import { startOwnInstance } from './demo/own-instance.ts'

type Report = (line: string) => void

const benches: Record<string, (report: Report) => Promise<Figure[]>> = {
  'start-up': benchStartUp,
  search: withInstance(benchSearch),
  'sign-in': withInstance(benchSignIn),
  'signed-in': withInstance(benchSignedIn),
  refresh: withInstance(benchRefresh),
  revocation: withInstance(benchRevocation),
  'streaming-complete': benchCompleteFile,
  'streaming-start': benchStreamingStart,
  'streaming-download': benchDownloading,
  'streaming-idle': benchIdleTitles,
  'streaming-growth': benchGrowth,
}

const wanted = process.argv.slice(2)
const isWanted = (wish: string, name: string) => name === wish || name.startsWith(`${wish}-`)
const unknown = wanted.filter((wish) => !Object.keys(benches).some((name) => isWanted(wish, name)))
if (unknown.length > 0) {
  console.error(`There is no bench ${unknown.join(', ')}; there are ${Object.keys(benches).join(', ')}.`)
  process.exit(2)
}

// Obeyed between two rounds, so that everything that was started comes to its end.
class Stopped extends Error {}
let stopping: number | undefined
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]] as const) {
  process.on(signal, () => {
    if (stopping === undefined) console.error('Stopping after this round.')
    stopping = code
  })
}
const report = (line: string) => {
  if (stopping !== undefined) throw new Stopped()
  console.log(`  ${line}`)
}

const figures: Figure[] = []
console.log(`${machine()}\n`)
try {
  for (const [name, bench] of Object.entries(benches)) {
    if (wanted.length > 0 && !wanted.some((wish) => isWanted(wish, name))) continue
    console.log(name)
    figures.push(...(await bench(report)))
  }
  console.log(`\n${table(figures)}`)
} catch (error) {
  if (!(error instanceof Stopped)) console.error(`The bench could not go on: ${(error as Error).message}`)
  process.exitCode = stopping ?? 1
} finally {
  closeConnections()
}

/** Each bench has an instance to itself: nobody's load, cache or titles are another's. The limits of requests are lifted. */
function withInstance(bench: (instance: BenchInstance, report: Report) => Promise<Figure[]>) {
  return async (report: Report): Promise<Figure[]> => {
    await using own = await startOwnInstance({ name: 'bench', settings: { RATE_LIMIT_FACTOR: '100000' }, report: () => {} })
    return await bench(own, report)
  }
}
