/** Writes what vitest's own JSON leaves out: the reason of each skip, and failures that are no test's. */
import { writeFileSync } from 'node:fs'
import type { Reporter, SerializedError, TestModule } from 'vitest/node'
import type { VitestReport } from './tally.ts'

export default class implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]) {
    const report: VitestReport = { tests: [], faults: errors.map(({ message }) => message) }
    for (const module of modules) {
      report.faults.push(...module.errors().map(({ message }) => `${module.relativeModuleId}: ${message}`))
      for (const suite of module.children.allSuites()) report.faults.push(...suite.errors().map(({ message }) => `${suite.fullName}: ${message}`))
      for (const test of module.children.allTests()) {
        const result = test.result()
        const reason = result.state === 'skipped' ? result.note : undefined
        report.tests.push({ name: `${module.relativeModuleId} › ${test.fullName}`, state: result.state, ...(reason ? { reason } : {}) })
      }
    }
    writeFileSync(process.env['VITEST_REPORT'] ?? 'test-results/vitest.json', JSON.stringify(report))
  }
}
