/**
 * `npm run soak [-- seconds]`: viewers of every kind on a server of its own (50 of one film and 50 of a title each, with seeks,
 * pauses and hang-ups), while its engine is killed now and then and its cache is too small; ten minutes unless told otherwise.
 * Then memory, listeners, descriptors, timers, torrents, rows and the disk are back where they were, or it says what is not
 * and ends with 1. Needs Linux. Everything runs in folders of its own, which go afterwards.
 */
import { fileURLToPath } from 'node:url'
import { createTestDatabase, startTestServer } from '../server/test/database.ts'
import { median, ms } from './bench/figures.ts'
import { machine } from './bench/machine.ts'
import { stopSignal } from './setup/stop-signal.ts'
import { tenMinutes } from './soak/plan.ts'
import { soak } from './soak/soak.ts'

const [given = String(tenMinutes.seconds), ...rest] = process.argv.slice(2)
const seconds = Number(given)
if (rest.length > 0 || !Number.isInteger(seconds) || seconds < 10) {
  console.error('Usage: npm run soak [-- seconds], 10 or more.')
  process.exit(2)
}

const stopped = stopSignal()

console.log(`${machine()}\n`)
try {
  await run()
} catch (error) {
  if (!stopped.aborted) {
    console.error(`The soak could not go on: ${(error as Error).message}`)
    process.exitCode = 1
  }
}

async function run(): Promise<void> {
  await using made = new AsyncDisposableStack()
  const server = await startTestServer(fileURLToPath(new URL('../.cache/test-postgres', import.meta.url)))
  made.defer(() => server.stop())
  const database = made.use(await createTestDatabase(server))
  const plan = { ...tenMinutes, seconds, killEveryMs: Math.min(tenMinutes.killEveryMs, seconds * 250) }
  const { seen, away, evictions, faults } = await soak({ plan, urls: database.urls, report: (line) => console.log(line), signal: stopped })
  console.log(`
${seen.streams} streams, ${(seen.bytes / 1e9).toFixed(1)} GB of bytes compared, ${evictions} segments dropped for room.
${away.length} engines killed at work; the next was there after ${ms(median(away))} (median), ${ms(Math.max(...away))} at most; ${seen.outlived} streams went on over it.`)
  if (faults.length === 0) return console.log('\nEverything is back where it was.')
  console.error(`\n${faults.join('\n')}`)
  process.exitCode = 1
}
