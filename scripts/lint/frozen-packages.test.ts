import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'

const manifest = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as Record<'dependencies' | 'devDependencies' | 'optionalDependencies', Record<string, string>>
const { dependencies, devDependencies, optionalDependencies } = manifest

test('remix, which is listed but never imported, stands at the version of its parts', () => {
  const parts = Object.entries({ ...dependencies, ...devDependencies }).filter(([name]) => name.startsWith('@remix-run/'))
  expect(parts.length).toBeGreaterThan(3)
  expect(new Set(parts.map(([, version]) => version))).toEqual(new Set([dependencies['remix']]))
})

test('every version is exact, because the registry lacks some newer parts', () => {
  const loose = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies }).filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
  expect(loose).toEqual([])
})

test('the Node of every system is the same one', () => {
  expect(new Set(Object.entries(optionalDependencies).filter(([name]) => name.startsWith('node-')).map(([, version]) => version)).size).toBe(1)
})
