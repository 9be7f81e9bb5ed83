import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { buildConsole } from './console-build.ts'

// A project whose builder counts how often it ran, and how often while another of it ran.
const builder = `
  const { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } = require('node:fs')
  const source = readFileSync('admin/page.tsx', 'utf8')
  if (source.includes('broken')) { console.error('page.tsx: it is broken'); process.exit(1) }
  appendFileSync('builds.log', existsSync('busy') ? 'overlapping\\n' : process.argv[2] + '\\n')
  writeFileSync('busy', '')
  rmSync('build', { recursive: true, force: true })
  mkdirSync('build/server', { recursive: true })
  setTimeout(() => { writeFileSync('build/server/index.js', source); rmSync('busy') }, 200)`

let root = ''
let said: string[] = []
const report = (line: string) => void said.push(line)
const build = () => buildConsole(report, { root })
const builds = async () => (existsSync(join(root, 'builds.log')) ? (await readFile(join(root, 'builds.log'), 'utf8')).trim().split('\n') : [])
const change = (source: string) => writeFile(join(root, 'admin', 'page.tsx'), source)

beforeEach(async () => {
  said = []
  root = await mkdtemp(join(tmpdir(), 'console-build-'))
  await chmod(root, 0o755)
  await mkdir(join(root, 'node_modules', '@remix-run', 'dev', 'dist'), { recursive: true })
  await mkdir(join(root, 'admin'))
  await writeFile(join(root, 'node_modules', '@remix-run', 'dev', 'dist', 'cli.js'), builder)
  await change('first')
})

afterEach(() => rm(root, { recursive: true, force: true }))

test('builds once, and again when a source has changed or another one came', async () => {
  await build()
  await build()
  expect(await builds()).toEqual(['vite:build'])
  await change('second')
  await build()
  expect(await readFile(join(root, 'build', 'server', 'index.js'), 'utf8')).toBe('second')
  await mkdir(join(root, 'server', 'features', 'users'), { recursive: true })
  await writeFile(join(root, 'server', 'features', 'users', 'contract.ts'), 'export {}')
  await build()
  expect(await builds()).toHaveLength(3)
  await writeFile(join(root, 'admin', 'page.test.tsx'), 'tests are not built')
  await build()
  expect(await builds()).toHaveLength(3)
  expect(said).toEqual(Array(3).fill('Building the console.'))
})

test('several starts at once build once, never into each other', async () => {
  await Promise.all([build(), build(), build()])
  expect(await builds()).toEqual(['vite:build'])
})

test('a build that fails says why and counts as none; so does one that was killed', async () => {
  await build()
  await change('broken')
  await expect(build()).rejects.toThrow('The console could not be built:\npage.tsx: it is broken')
  await change('first')
  await build()
  expect(await builds()).toHaveLength(2)

  await change('third')
  const stopped = new AbortController()
  const building = buildConsole(() => stopped.abort(), { root, signal: stopped.signal })
  await expect(building).rejects.toThrow('aborted')
  await build()
  expect(await readFile(join(root, 'build', 'server', 'index.js'), 'utf8')).toBe('third')
})

test('in a folder that cannot be written a build that is there is used, and a missing one is told', async () => {
  const asNobody = async (work: () => Promise<void>) => {
    const isRoot = process.geteuid?.() === 0
    if (isRoot) process.seteuid?.(65_534)
    else await chmod(root, 0o555)
    try {
      await work()
    } finally {
      if (isRoot) process.seteuid?.(0)
      else await chmod(root, 0o755)
    }
  }
  await asNobody(() => expect(build()).rejects.toThrow('The console has to be built and'))
  await mkdir(join(root, 'build', 'server'), { recursive: true })
  await cp(join(root, 'admin', 'page.tsx'), join(root, 'build', 'server', 'index.js'))
  await chmod(join(root, 'build'), 0o555)
  await asNobody(build)
  await chmod(join(root, 'build'), 0o755)
  expect(said).toEqual(['Using the console as it was built: this folder cannot be written.'])
  expect(await builds()).toEqual([])
})
