import { createHash } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ConfigError } from '../config.ts'
import { operatorSecrets } from './operator-secret.ts'

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'operator-secret-'))
})
afterEach(() => rm(home, { recursive: true, force: true }))

const readOperatorSecret = async (keysDir: string, production: boolean) => (await operatorSecrets(keysDir, production))[0] ?? expect.unreachable()
const hex = (secret: Uint8Array) => Buffer.from(secret).toString('hex')

test('the first start makes a secret that only its owner can read; later starts read the same', async () => {
  const keysDir = join(home, 'data', 'keys')
  const made = await readOperatorSecret(keysDir, false)
  expect(made).toHaveLength(32)
  expect(hex(await readOperatorSecret(keysDir, false))).toBe(hex(made))
  expect(hex(await readOperatorSecret(keysDir, true))).toBe(hex(made))
  expect((await stat(keysDir)).mode & 0o777).toBe(0o700)
  expect((await stat(join(keysDir, 'operator.key'))).mode & 0o777).toBe(0o600)
  expect(await readdir(keysDir)).toEqual(['operator.key'])
})

test('of many starts at once one wins, and all have the same secret', async () => {
  const keysDir = join(home, 'keys')
  const secrets = await Promise.all(Array.from({ length: 20 }, () => readOperatorSecret(keysDir, false)))
  expect(new Set(secrets.map(hex)).size).toBe(1)
  expect(await readdir(keysDir)).toEqual(['operator.key'])
})

test('what a killed start left behind does not stop the next', async () => {
  const keysDir = join(home, 'keys')
  await mkdir(keysDir)
  // in a container every start has the same process id
  await writeFile(join(keysDir, `operator.key.${process.pid}`), 'half a secr')
  expect(await readOperatorSecret(keysDir, false)).toHaveLength(32)
})

test('in production it must be there already: nothing is made', async () => {
  const keysDir = join(home, 'keys')
  await expect(readOperatorSecret(keysDir, true)).rejects.toThrow(ConfigError)
  await expect(readOperatorSecret(keysDir, true)).rejects.toThrow(/operator\.key is missing.*must exist/)
  await expect(readdir(keysDir)).rejects.toThrow('ENOENT')
})

test.each([
  ['too short', 'abcd'],
  ['not hex', 'z'.repeat(64)],
  ['zeros', '0'.repeat(64)],
  ['a pattern', 'abab'.repeat(16)],
  ['sixteen bytes, twice', 'c3a1f09b7e5d2846113fae90d7b6c258'.repeat(2)],
  ['counting', Buffer.from(Array.from({ length: 32 }, (_, i) => i)).toString('hex')],
  ['text', Buffer.from('correct horse battery staple, 32').toString('hex')],
  ['the hash of nothing', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  ['the hash of an example', createHash('sha256').update('changeme').digest('hex')],
  ['empty', ''],
])('a secret that is %s is refused, and left as it is', async (_what, text) => {
  const file = join(home, 'operator.key')
  await writeFile(file, text)
  await expect(readOperatorSecret(home, false)).rejects.toThrow(ConfigError)
  expect(await readFile(file, 'utf8')).toBe(text)
})

test('a file that cannot be read is a fault of the settings, never a new secret', async () => {
  await mkdir(join(home, 'operator.key'))
  await expect(readOperatorSecret(home, false)).rejects.toThrow(/cannot be read \(EISDIR\)/)
})

test('an existing folder of the operator keeps its secret whatever its mode', async () => {
  const secret = await readOperatorSecret(home, false)
  await chmod(home, 0o500)
  expect(hex(await readOperatorSecret(home, true))).toBe(hex(secret))
  await chmod(home, 0o700)
})
