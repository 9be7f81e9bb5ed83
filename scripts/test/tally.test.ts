/** The counts are read from what vitest and Playwright really write. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inWords, playwrightTally, sum, vitestTally } from './tally.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))
let root = ''

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tally-'))
  await symlink(join(project, 'node_modules'), join(root, 'node_modules'))
  await writeFile(join(root, 'package.json'), '{"type":"module"}')
})
afterAll(() => rm(root, { recursive: true, force: true }))

/** Runs a tool of the project in the folder, however it ends. */
async function runTool(tool: string, args: string[], env: Record<string, string>) {
  await new Promise((done) => execFile(process.execPath, [join(project, 'node_modules', tool), ...args], { cwd: root, env: { ...process.env, NODE_OPTIONS: '', ...env } }, done))
}

test('vitest: tests, reasons of skips, files that do not load, hooks that fail, errors nobody caught', { timeout: 120_000 }, async () => {
  await mkdir(join(root, 'unit'))
  await writeFile(
    join(root, 'unit/a.test.ts'),
    `import { afterAll, describe, expect, test } from 'vitest'
    test('good', () => {})
    test('bad', () => expect(1).toBe(2))
    describe('group', () => {
      test('left out', ({ skip }) => skip('no aria2 here'))
      test.skip('silent', () => {})
      afterAll(() => { throw new Error('hook') })
    })
    test('later', () => { setTimeout(() => { throw new Error('uncaught') }) })`,
  )
  await writeFile(join(root, 'unit/b.test.ts'), `import './absent.ts'`)
  const report = join(root, 'vitest.json')
  await runTool('vitest/vitest.mjs', ['run', '--root', 'unit', `--reporter=${join(project, 'scripts/test/vitest-reporter.ts')}`], { VITEST_REPORT: report })
  expect(vitestTally(report)).toEqual({
    passed: 2,
    failed: 4,
    skipped: [
      { test: 'a.test.ts › group > left out', reason: 'no aria2 here' },
      { test: 'a.test.ts › group > silent', reason: 'no reason given' },
    ],
  })
})

test('Playwright: tests, reasons of skips, flaky ones and files that do not load as failures', { timeout: 120_000 }, async () => {
  await mkdir(join(root, 'journeys'))
  await writeFile(
    join(root, 'journeys/a.spec.ts'),
    `import { expect, test } from '@playwright/test'
    test('good', () => {})
    test('bad', () => expect(1).toBe(2))
    test('sometimes', () => expect(test.info().retry).toBe(1))
    test.describe('group', () => { test('left out', () => { test.skip(true, 'no ffprobe here') }) })`,
  )
  const report = join(root, 'playwright.json')
  const run = () => runTool('@playwright/test/cli.js', ['test', 'journeys', '--retries=1', '--reporter=json'], { PLAYWRIGHT_JSON_OUTPUT_NAME: report })
  await run()
  expect(playwrightTally(report)).toEqual({ passed: 1, failed: 2, skipped: [{ test: 'journeys/a.spec.ts › group › left out', reason: 'no ffprobe here' }] })
  await writeFile(join(root, 'journeys/b.spec.ts'), `import './absent.ts'`)
  await run()
  expect(playwrightTally(report).failed).toBeGreaterThan(0)
})

test('the closing line', () => {
  const total = sum([{ passed: 2, failed: 0, skipped: [] }, { passed: 40, failed: 1, skipped: [{ test: 'x', reason: 'y' }] }])
  expect(inWords(total)).toBe('42 passed, 1 failed, 1 skipped')
})
