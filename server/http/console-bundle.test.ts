import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

// Passwords are judged by the server (control A5). The estimator and its lists, half a megabyte packed, are no load for browsers.

const filesIn = async (folder: string, pick = (_path: string) => true): Promise<[path: string, text: string][]> => {
  const found = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name)).filter(pick)
  return Promise.all(found.map(async (path): Promise<[string, string]> => [path, await readFile(path, 'latin1')]))
}
const client = fileURLToPath(new URL('../../build/client', import.meta.url))
const library = fileURLToPath(new URL('../../node_modules/@zxcvbn-ts/language-common/dist', import.meta.url))
/** The words of the estimator, as the library packs them. */
const lists = await filesIn(library, (path) => /(passwords|diceware)\.json\.mjs$/.test(path))

/** Two dozen characters of a list in every few thousand: no bundler rewrites what stands within a string. */
const fragmentsOf = (list: string): string[] => [...list.matchAll(/\w{24}/g)].map(([fragment]) => fragment).filter((_fragment, i) => i % 100 === 0)
const needles = ['zxcvbn', 'trustno1', 'letmein', 'qwerty123', ...lists.flatMap(([, text]) => fragmentsOf(text))]
const mentionsIn = (text: string): string[] => needles.filter((needle) => text.toLowerCase().includes(needle.toLowerCase()))

describe('what browsers load of the console', () => {
  test('holds neither the estimator of passwords nor any part of its lists', async () => {
    const assets = await filesIn(client)
    const scripts = assets.filter(([path]) => path.endsWith('.js'))
    expect(scripts.length).toBeGreaterThan(10)
    expect(scripts.some(([, text]) => text.includes('/sign-in'))).toBe(true)
    for (const [path, text] of assets) expect([path, mentionsIn(text)]).toEqual([path, []])
  })

  test('would be found out, whichever list it held', () => {
    expect(lists).toHaveLength(2)
    for (const [path, text] of lists) expect([path, mentionsIn(`const a=1;${text};export{a}`).length > 0]).toEqual([path, true])
    expect(mentionsIn("import('/assets/zxcvbn-ts.js')")).toEqual(['zxcvbn'])
  })
})
