/** What `npm test` runs, in the order of its lines. Each stage is one program of node_modules, run by the Node that runs this. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { playwrightTally, type Tally, vitestTally } from './tally.ts'

export interface Stage {
  name: string
  /** Arguments of Node; `more` are those the caller gave this stage. */
  command(more: string[]): string[]
  env?: Record<string, string>
  /** How many of the machine's two cores it fills. */
  cores: 1 | 2
  /** Runs only after these, where they run at all, and not when one of them failed. */
  after?: string[]
  /** Reads the report that the stage wrote. A stage without one counts as a single test. */
  tally?: () => Tally
}

/** @param root the checkout @param reports an empty folder for what the stages write */
export function stagesOf(root: string, reports: string): Stage[] {
  const tool = (...path: string[]) => join(root, 'node_modules', ...path)
  const vitestReport = join(reports, 'vitest.json')
  const playwrightReport = join(reports, 'playwright.json')
  return [
    { name: 'lint', cores: 1, command: (more) => [tool('eslint/bin/eslint.js'), '--max-warnings', '0', ...(more.length > 0 ? more : ['.'])] },
    { name: 'types', cores: 1, command: (more) => [tool('typescript/bin/tsc'), '--project', root, ...more] },
    {
      name: 'imports',
      cores: 1,
      command: (more) => [tool('dependency-cruiser/bin/dependency-cruiser.mjs'), '--config', '.dependency-cruiser.cjs', ...(more.length > 0 ? more : ['server', 'db', 'admin', 'scripts', 'e2e'])],
    },
    { name: 'secrets', cores: 1, command: (more) => [tool('secretlint/bin/secretlint.js'), '--no-glob', ...(more.length > 0 ? more : checkedInFiles(root))] },
    { name: 'console', cores: 1, command: () => [join(root, 'scripts/test/console.ts')] },
    {
      name: 'vitest',
      cores: 2,
      after: ['console'],
      command: (more) => [tool('vitest/vitest.mjs'), 'run', '--reporter=default', `--reporter=${join(root, 'scripts/test/vitest-reporter.ts')}`, ...more],
      env: { VITEST_REPORT: vitestReport },
      tally: () => vitestTally(vitestReport),
    },
    {
      name: 'playwright',
      cores: 2,
      after: ['console'],
      command: (more) => [tool('@playwright/test/cli.js'), 'test', ...more],
      env: { PLAYWRIGHT_REPORT: playwrightReport },
      tally: () => playwrightTally(playwrightReport),
    },
  ]
}

/** What git tracks or would track: a secret is found before it is committed. Outside a clone: everything. */
function checkedInFiles(root: string): string[] {
  if (!existsSync(join(root, '.git'))) return ['.']
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 })
  return listed.split('\0').filter((file) => file && existsSync(join(root, file)))
}

/** `lint vitest server/lib` → both stages, the second with one argument; nothing: all. @throws a sentence for what is neither. */
export function choose(stages: Stage[], words: string[]): { stage: Stage; more: string[] }[] {
  const chosen: { stage: Stage; more: string[] }[] = []
  for (const word of words) {
    const stage = stages.find(({ name }) => name === word)
    const last = chosen.at(-1)
    if (stage) chosen.push({ stage, more: [] })
    else if (last) last.more.push(word)
    else throw new Error(`There is no stage "${word}"; there are ${stages.map(({ name }) => name).join(', ')}.`)
  }
  return chosen.length > 0 ? chosen : stages.map((stage) => ({ stage, more: [] }))
}
