/** Every rule of the house fires on its planted violations, is quiet where it is allowed, and has a row: a rule without one fails. */
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ESLint, type Linter } from 'eslint'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { clean, planted } from './planted.ts'
import { house } from './house.ts'

// Plain JavaScript: two of its plugins have no types.
const { default: config } = (await import(new URL('../../eslint.config.js', import.meta.url).href)) as { default: Linter.Config[] }
const project = fileURLToPath(new URL('../..', import.meta.url))
const rows = planted.map((row, index) => ({
  ...row,
  path: row.path.replace('*', String(index)),
  allowed: row.allowed?.replace('*', String(index)),
}))
let root = ''
let found: Map<string, string[]>

/** Writes the tree beside a copy of nothing but node_modules and the compiler's rules, and lints it as one project. */
beforeAll(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'bans-')))
  await symlink(join(project, 'node_modules'), join(root, 'node_modules'))
  await writeFile(join(root, 'package.json'), '{"type":"module"}')
  await writeFile(join(root, 'tsconfig.json'), JSON.stringify({ extends: join(project, 'tsconfig.json'), include: ['**/*'] }))
  const files = new Map<string, string>(clean.map(({ path, code }) => [path, code]))
  files.set('server/kit/context.ts', 'export type Authed = { now(): Date; newId(): string; randomBytes(length: number): Uint8Array }\n')
  for (const { path, code, allowed } of rows) {
    expect(files.has(path), `${path} is planted twice`).toBe(false)
    files.set(path, code)
    if (allowed && !files.has(allowed)) files.set(allowed, code)
  }
  for (const [path, code] of files) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), code)
  }
  const eslint = new ESLint({ cwd: root, overrideConfigFile: join(project, 'eslint.config.js') })
  const results = await eslint.lintFiles([...files.keys()])
  found = new Map(results.map((result) => [result.filePath.slice(root.length + 1), result.messages.map((message) => message.ruleId ?? message.message)]))
}, 120_000)

afterAll(() => rm(root, { recursive: true, force: true }))

test.each(rows)('$rule fires on $path', ({ rule, path, code, allowed }) => {
  expect(found.get(path), code).toContain(rule)
  if (allowed) expect(found.get(allowed), `allowed in ${allowed}`).not.toContain(rule)
})

test.each(clean)('nothing fires on $path', ({ path }) => {
  expect(found.get(path)).toEqual([])
})

test('every rule that the house switches on has a row, and every rule it made is switched on', () => {
  const on = config.filter(({ name }) => name?.startsWith('house/')).flatMap(({ rules = {} }) => Object.entries(rules).filter(([, level]) => level !== 'off').map(([rule]) => rule))
  const have = new Set(planted.map(({ rule }) => rule))
  expect([...have].sort()).toEqual([...new Set(on)].sort())
  expect(on).toEqual(expect.arrayContaining(Object.keys(house.rules).map((name) => `house/${name}`)))
})
