import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { holdsHash, openBreachedPasswords, type ReadAt } from './breached-passwords.ts'

const sha1 = (password: string) => createHash('sha1').update(password).digest('hex').toUpperCase()
/** A list as Have I Been Pwned publishes it. */
const listOf = (hashes: string[], end = '\r\n') => [...hashes].sort().map((hash, i) => `${hash}:${1 + i ** 2}`).join(end) + end

let home: string
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'hibp-'))
})
afterAll(() => rm(home, { recursive: true, force: true }))
const fileOf = async (text: string) => {
  const file = join(home, randomBytes(6).toString('hex'))
  await writeFile(file, text)
  return file
}

describe('the list of breached passwords', () => {
  test.each([['CRLF', '\r\n'], ['LF', '\n']])('finds each that it holds and none besides, with lines ended by %s', async (_what, end) => {
    const held = Array.from({ length: 3_000 }, (_, i) => `password ${i}`)
    await using list = await openBreachedPasswords(await fileOf(listOf(held.map(sha1), end)))
    expect(await Promise.all(held.map((password) => list.has(password)))).toEqual(held.map(() => true))
    const others = Array.from({ length: 3_000 }, (_, i) => `another ${i}`)
    expect(await Promise.all(others.map((password) => list.has(password)))).toEqual(others.map(() => false))
  })

  test.each([1, 2, 3, 63, 64, 65, 66, 200])('finds the first, the last and all between in a list of %i', async (count) => {
    const held = Array.from({ length: count }, (_, i) => `p${i}`)
    for (const text of [listOf(held.map(sha1)), listOf(held.map(sha1)).trimEnd(), listOf(held.map(sha1)).toLowerCase()]) {
      await using list = await openBreachedPasswords(await fileOf(text))
      for (const password of held) expect(await list.has(password)).toBe(true)
      expect(await list.has('absent')).toBe(false)
    }
  })

  test('reads a few kilobytes of a list of any size', async () => {
    const text = Buffer.from(listOf(Array.from({ length: 50_000 }, (_, i) => sha1(String(i)))))
    let reads = 0
    let bytes = 0
    const readAt: ReadAt = (position, length) => {
      reads += 1
      bytes += length
      return Promise.resolve(text.subarray(position, position + length))
    }
    for (const password of ['7', 'absent']) {
      reads = bytes = 0
      expect(await holdsHash(readAt, text.length, sha1(password))).toBe(password === '7')
      expect(reads).toBeLessThanOrEqual(Math.ceil(Math.log2(text.length / 4_096)) + 1)
      expect(bytes).toBeLessThan(8_192)
    }
  })

  test.each([
    ['is absent', () => Promise.resolve(join(home, 'absent')), /HIBP_FILE: .*absent cannot be read \(ENOENT\)/],
    ['is a folder', () => Promise.resolve(home), /HIBP_FILE/],
    ['is empty', () => fileOf(''), /is empty/],
    ['holds passwords in clear', () => fileOf('123456\npassword\n'), /SHA-1:count/],
    ['holds NTLM hashes', () => fileOf(`${'A'.repeat(32)}:5\r\n`), /NTLM/],
    ['is ordered by count', () => fileOf(Array.from({ length: 500 }, (_, i) => `${sha1(String(i))}:${500 - i}`).join('\n')), /not ordered by hash/],
    ['turns into something else', () => fileOf(listOf(Array.from({ length: 300 }, (_, i) => sha1(String(i)))) + 'x'.repeat(9_000)), /SHA-1:count/],
  ])('is refused at the start when it %s', async (_what, make, says) => {
    await expect(openBreachedPasswords(await make())).rejects.toThrow(says)
  })

  test('is not needed', async () => {
    await using none = await openBreachedPasswords(null)
    expect(await none.has('password')).toBe(false)
  })
})
