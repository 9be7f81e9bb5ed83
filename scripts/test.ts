/**
 * `npm test`, all stages; `npm test -- lint vitest server/lib`, some of them, with arguments. Ends with one line that counts:
 * every test of vitest and Playwright, and each other stage as one.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runStages } from './test/run.ts'
import { choose, stagesOf } from './test/stages.ts'
import { inWords, sum } from './test/tally.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const reports = mkdtempSync(join(tmpdir(), 'test-reports-'))
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort(signal))

try {
  const chosen = choose(stagesOf(root, reports), process.argv.slice(2))
  const outcomes = await runStages(chosen, {
    root,
    logs: join(root, 'test-results', 'logs'),
    print: (line) => process.stdout.write(`${line}\n`),
    colour: process.stdout.isTTY && !process.env['NO_COLOR'],
    signal: interrupted.signal,
  })
  const total = sum(outcomes.map(({ tally }) => tally))
  if (total.skipped.length > 0) console.log('\nSkipped:')
  for (const { test, reason } of total.skipped) console.log(`  ${test}: ${reason}`)
  if (interrupted.signal.aborted) console.log(`\nEnded by ${String(interrupted.signal.reason)}; what ran was stopped.`)
  console.log(`\nTests: ${inWords(total)}`)
  if (total.passed === 0 || outcomes.some(({ verdict }) => verdict !== 'passed')) process.exitCode = 1
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 2
} finally {
  rmSync(reports, { recursive: true, force: true })
}
