/** The real command as a child process, against the database of a running service. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, stat, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startTestApp, type TestApp } from '../../server/test/app.ts'

const script = fileURLToPath(new URL('../keys.ts', import.meta.url))
vi.setConfig({ testTimeout: 60_000 })

let app: TestApp
let home: string
beforeAll(async () => {
  app = await startTestApp()
  home = await mkdtemp(join(tmpdir(), 'keys-'))
}, 60_000)
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await rm(home, { recursive: true, force: true })
})

type Result = { code: number; stdout: string; stderr: string }
function keys(args: string[], env: Record<string, string> = {}): Promise<Result> {
  const settings = { PATH: process.env['PATH'] ?? '', NODE_OPTIONS: process.env['NODE_OPTIONS'] ?? '', DATA_DIR: app.dataDir, DATABASE_URL: app.database.urls.app, DATABASE_OWNER_URL: app.database.urls.owner, ...env }
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...args], { env: { NODE_ENV: 'test', ...settings } }, (error, stdout, stderr) => resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }))
  })
}
const json = async (args: string[]) => {
  const { code, stdout, stderr } = await keys([...args, '--json'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout)
}
const me = async (token: string) => (await app.call('GET', '/users/me', { token })).status

test('list shows every kind with id, age and state, and nothing secret', async () => {
  const { keys: listed, warnings } = await json(['list'])
  expect(listed.map(({ kind }: { kind: string }) => kind).sort()).toEqual(['access_token', 'column', 'csrf', 'cursor', 'lookup', 'operator', 'playback_ticket'])
  for (const key of listed) expect(key).toEqual({ kind: key.kind, id: expect.any(String), createdAt: expect.any(String), ageDays: 0, state: 'current', overdue: false })
  expect(warnings).toEqual([])
  const text = await keys(['list'])
  expect(text.stdout).toMatch(/^access_token +[0-9a-f-]{36} +\d{4}-\d\d-\d\d +0 days +current$/m)
})

test('list warns of what is due', async () => {
  const file = join(app.dataDir, 'keys', 'operator.key')
  await utimes(file, new Date('2020-01-01'), new Date('2020-01-01'))
  const { stdout, stderr } = await keys(['list'])
  expect(stdout).toMatch(/^operator .*\(due\)$/m)
  expect(stderr).toMatch(/^The operator key is \d+ days old and due after 365: npm run keys -- rotate operator$/m)
})

test('a rotation at the terminal signs nobody out; a drop ends the tokens of that key on the running service within a second', async () => {
  const { token } = await app.as.user()
  const old = app.deps.keys.signing().id
  const { id } = await json(['rotate', 'access_token'])
  expect(await me(token)).toBe(200)
  expect((await json(['drop', old])).replacedBy).toBeNull()
  await expect.poll(() => me(token), { timeout: 1_000, interval: 20 }).toBe(401)
  expect(app.deps.keys.signing().id).toBe(id)
  const rows = await app.deps.sql`select action, target_id from audit_log where actor_kind = 'operator' and target_kind = 'key' order by id`
  expect(rows.map((row) => [row['action'], row['target_id']])).toEqual([['key.rotate', id], ['key.drop', old]])
})

test('every kind rotates, and an old key is retired at once', async () => {
  for (const kind of ['playback_ticket', 'cursor', 'csrf', 'column', 'lookup']) expect((await json(['rotate', kind])).kind).toBe(kind)
  const old = (await json(['list'])).keys.find(({ kind }: { kind: string }) => kind === 'csrf').id as string
  expect((await json(['retire', old])).id).toBe(old)
  const before = await readFile(join(app.dataDir, 'keys', 'operator.key'), 'utf8')
  const { previous } = await json(['rotate', 'operator'])
  expect(await readFile(previous, 'utf8')).toBe(before)
  expect((await json(['list'])).keys.every(({ overdue }: { overdue: boolean }) => !overdue)).toBe(true)
})

describe('make-operator-secret', () => {
  test('makes a file that only its owner can read, and never overwrites one', async () => {
    const KEYS_DIR = join(home, 'new')
    expect((await keys(['make-operator-secret'], { KEYS_DIR })).code).toBe(0)
    const file = join(KEYS_DIR, 'operator.key')
    const secret = await readFile(file, 'utf8')
    expect(secret).toMatch(/^[0-9a-f]{64}\n$/)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    const again = await keys(['make-operator-secret', '--json'], { KEYS_DIR })
    expect([again.code, JSON.parse(again.stderr).error.code]).toEqual([1, 'exists'])
    expect(await readFile(file, 'utf8')).toBe(secret)
  })
})

test.each<[string, string[], number, RegExp]>([
  ['no verb', [], 2, /A verb is missing/],
  ['an unknown verb', ['explode'], 2, /no such verb/],
  ['an unknown kind', ['rotate', 'everything'], 2, /no such kind; there are access_token/],
  ['no id', ['drop'], 2, /an id is missing/],
  ['an unknown option', ['list', '--force'], 2, /options cannot be read/],
  ['an unknown key', ['drop', 'nobody-made-this'], 1, /There is no such key/],
])('%s is one clear sentence', async (_what, args, code, said) => {
  const result = await keys(args)
  expect([result.code, result.stdout]).toEqual([code, ''])
  expect(result.stderr).toMatch(said)
})
