/** Counts, read from the reports that vitest (vitest-reporter.ts) and Playwright (its json reporter) leave behind. */
import { readFileSync } from 'node:fs'

export interface Tally {
  passed: number
  failed: number
  /** Each with its reason. */
  skipped: { test: string; reason: string }[]
}

const unexplained = 'no reason given'

export const none = (): Tally => ({ passed: 0, failed: 0, skipped: [] })

export function sum(tallies: Tally[]): Tally {
  return {
    passed: tallies.reduce((total, { passed }) => total + passed, 0),
    failed: tallies.reduce((total, { failed }) => total + failed, 0),
    skipped: tallies.flatMap(({ skipped }) => skipped),
  }
}

/** `12 passed, 0 failed, 1 skipped` */
export const inWords = ({ passed, failed, skipped }: Tally) => `${passed} passed, ${failed} failed, ${skipped.length} skipped`

export interface VitestReport {
  tests: { name: string; state: 'passed' | 'failed' | 'skipped' | 'pending'; reason?: string }[]
  /** Files that did not load, hooks that failed, errors nobody caught: each fails the run without being a test. */
  faults: string[]
}

export function vitestTally(file: string): Tally {
  const { tests, faults } = JSON.parse(readFileSync(file, 'utf8')) as VitestReport
  return {
    passed: tests.filter(({ state }) => state === 'passed').length,
    failed: tests.filter(({ state }) => state === 'failed' || state === 'pending').length + faults.length,
    skipped: tests.filter(({ state }) => state === 'skipped').map(({ name, reason }) => ({ test: name, reason: reason || unexplained })),
  }
}

interface PlaywrightSuite {
  title: string
  suites?: PlaywrightSuite[]
  specs?: { title: string; tests: { status: 'expected' | 'unexpected' | 'flaky' | 'skipped'; annotations: { type: string; description?: string }[] }[] }[]
}

/** Flaky counts as failed: a test that passes sometimes says nothing. */
export function playwrightTally(file: string): Tally {
  const { suites, errors } = JSON.parse(readFileSync(file, 'utf8')) as { suites: PlaywrightSuite[]; errors: unknown[] }
  const tally = none()
  const walk = (suite: PlaywrightSuite, path: string[]) => {
    for (const spec of suite.specs ?? []) {
      for (const { status, annotations } of spec.tests) {
        if (status === 'expected') tally.passed++
        else if (status !== 'skipped') tally.failed++
        else {
          const why = annotations.find(({ type }) => type === 'skip' || type === 'fixme')?.description
          tally.skipped.push({ test: [...path, spec.title].join(' › '), reason: why || unexplained })
        }
      }
    }
    for (const inner of suite.suites ?? []) walk(inner, [...path, inner.title])
  }
  for (const suite of suites) walk(suite, [suite.title])
  tally.failed += errors.length
  return tally
}
