import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { runStages } from './run.ts'
import { choose, type Stage, stagesOf } from './stages.ts'

let root = ''
let printed: string[]
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'stages-'))
  printed = []
})
afterEach(() => rm(root, { recursive: true, force: true }))

const file = (name: string) => join(root, name)
/** A program that may use fs, and `until(condition)`, which waits for a condition. */
const stage = (name: string, code: string, more: Partial<Stage> = {}): Stage => ({
  name,
  cores: 1,
  command: (args) => ['-e', `const until = async (met) => { while (!met()) await new Promise(setImmediate) };const fs = require('fs');(async () => {${code}})()`, ...args],
  ...more,
})
const run = (stages: Stage[], signal = new AbortController().signal) =>
  runStages(
    stages.map((one) => ({ stage: one, more: [] })),
    { root, logs: file('logs'), print: (line) => printed.push(line), colour: false, signal },
  )

describe('stages', () => {
  test('one line each with its time; the output of a failed one only; every output is kept', async () => {
    const outcomes = await run([stage('good', 'console.log("quiet")'), stage('bad', 'console.log("loud"); console.error("and clear"); process.exit(3)')])
    expect(outcomes.map(({ stage: name, verdict, tally }) => [name, verdict, tally.passed, tally.failed])).toEqual([
      ['good', 'passed', 1, 0],
      ['bad', 'failed', 0, 1],
    ])
    expect(printed.filter((line) => /^[✓✗]/.test(line)).sort()).toEqual([expect.stringMatching(/^✓ good +\d+\.\d s$/), expect.stringMatching(/^✗ bad +\d+\.\d s$/)])
    expect(printed.join('\n')).toContain('loud\nand clear')
    expect(printed.join('\n')).not.toContain('quiet')
    expect(await readFile(file('logs/good.log'), 'utf8')).toBe('quiet\n')
  })

  test('two of one core run side by side', async () => {
    // each ends only once the other has begun
    const meet = (mine: string, other: string) => `fs.writeFileSync('${mine}', ''); await until(() => fs.existsSync('${other}'))`
    const outcomes = await run([stage('one', meet('a', 'b')), stage('two', meet('b', 'a'))])
    expect(outcomes.map(({ verdict }) => verdict)).toEqual(['passed', 'passed'])
  })

  test('one of two cores runs alone', async () => {
    const alone = `if (fs.existsSync('busy')) process.exit(1); fs.writeFileSync('busy', ''); setTimeout(() => fs.rmSync('busy'), 200)`
    const outcomes = await run([stage('a', alone, { cores: 2 }), stage('b', alone, { cores: 2 }), stage('c', alone)])
    expect(outcomes.map(({ verdict }) => verdict)).toEqual(['passed', 'passed', 'passed'])
  })

  test('what stands on a failed one is not run, and nothing passes for it', async () => {
    const outcomes = await run([stage('base', 'process.exit(1)'), stage('top', `fs.writeFileSync('ran', '')`, { after: ['base'] })])
    expect(outcomes[1]).toEqual({ stage: 'top', verdict: 'not run', tally: { passed: 0, failed: 0, skipped: [] } })
    expect(existsSync(file('ran'))).toBe(false)
  })

  test.each([
    ['that ends well but counted a failure', 0, () => ({ passed: 3, failed: 1, skipped: [] }), 1],
    ['that ends badly without naming a test', 1, () => ({ passed: 3, failed: 0, skipped: [] }), 1],
    ['that counted nothing', 0, () => ({ passed: 0, failed: 0, skipped: [] }), 1],
    ['that left no report', 0, () => { throw new Error('no such file') }, 1],
  ])('one %s has failed', async (_, code, tally, failed) => {
    const [outcome] = await run([stage('tests', `process.exit(${code})`, { tally })])
    expect(outcome?.verdict).toBe('failed')
    expect(outcome?.tally.failed).toBe(failed)
  })

  test('an interruption ends what runs, with the children it started, and starts nothing more', async () => {
    const interruption = new AbortController()
    const parent = `const child = require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' }); fs.writeFileSync('pid', String(child.pid)); setInterval(() => {}, 1000)`
    const outcomes = run([stage('long', parent, { cores: 2 }), stage('next', `fs.writeFileSync('ran', '')`)], interruption.signal)
    const pid = await vi.waitFor(async () => Number(await readFile(file('pid'), 'utf8')) || Promise.reject(new Error('not yet')), { timeout: 10_000 })
    interruption.abort()
    expect((await outcomes).map(({ verdict }) => verdict)).toEqual(['failed', 'not run'])
    await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), { timeout: 10_000 })
    expect(existsSync(file('ran'))).toBe(false)
  })
})

describe('choice', () => {
  const stages = stagesOf(root, root)
  test('nothing named: all', () => {
    expect(choose(stages, []).map(({ stage: { name } }) => name)).toEqual(['lint', 'types', 'imports', 'secrets', 'console', 'vitest', 'playwright'])
  })
  test('words after a stage are its arguments', () => {
    expect(choose(stages, ['lint', 'vitest', 'server/lib', '-t', 'ranges']).map(({ stage: { name }, more }) => [name, more])).toEqual([
      ['lint', []],
      ['vitest', ['server/lib', '-t', 'ranges']],
    ])
  })
  test('a word that is none is refused with the names that are', () => {
    expect(() => choose(stages, ['vtest'])).toThrow('There is no stage "vtest"; there are lint, types')
  })
})
