/** `npm run admin -- publish` as a child process, beside a service that runs and one that does not. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { parseTorrentFile } from '../../server/lib/torrent.ts'
import { startTestApp, type TestApp } from '../../server/test/app.ts'

const script = fileURLToPath(new URL('../admin.ts', import.meta.url))
vi.setConfig({ testTimeout: 60_000 })

let app: TestApp
let home: string
beforeAll(async () => {
  app = await startTestApp({ engine: true, jobs: true })
  home = await mkdtemp(join(tmpdir(), 'torrent-streamer-publish-'))
  await writeFile(join(home, 'Our film.mp4'), Buffer.alloc(100_000, 'film'))
})
afterAll(async () => {
  await app[Symbol.asyncDispose]()
  await rm(home, { recursive: true, force: true })
})

function admin(args: string[], dataDir = app.dataDir): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { ...process.env, DATABASE_URL: app.database.urls.app, DATA_DIR: dataDir, KEYS_DIR: join(app.dataDir, 'keys'), PORT: '3999', ALLOW_PRIVATE_PEERS: 'on' }
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...args], { env, cwd: home }, (error, stdout, stderr) => resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr }))
  })
}

test('publishes a file, says where it is, and saves its .torrent', async () => {
  const { code, stdout, stderr } = await admin(['publish', '--path', 'Our film.mp4', '--title', 'Our film', '--licence', 'CC0-1.0', '--tracker', 'http://127.0.0.1:6969/announce', '--web-seed', '--save-torrent', join(home, 'ours.torrent'), '--json'])
  expect([code, stderr]).toEqual([0, ''])
  const answer = JSON.parse(stdout) as { torrentId: string; infoHash: string; webSeeds: string[] }
  expect(answer).toMatchObject({ state: 'published', title: 'Our film', path: join(home, 'Our film.mp4'), webSeeds: [expect.stringContaining(answer.infoHash)] })
  expect(parseTorrentFile(await readFile(join(home, 'ours.torrent')))).toMatchObject({ infoHash: answer.infoHash, name: 'Our film.mp4', trackers: ['http://127.0.0.1:6969/announce'], webSeeds: answer.webSeeds })
  const [title] = await app.deps.sql`select state, licence from torrents where id = ${answer.torrentId}`
  expect(title).toEqual({ state: 'pending', licence: 'CC0-1.0' })
})

test('lets viewers see it where that is asked for, and says why something failed', async () => {
  const shown = await admin(['publish', '--path', join(home, 'Our film.mp4'), '--title', 'Our film', '--approve'])
  expect(shown).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('It is approved') })
  const failed = await admin(['publish', '--path', 'nowhere', '--title', 'x', '--json'])
  expect([failed.code, failed.stdout, JSON.parse(failed.stderr)]).toMatchObject([1, '', { error: { code: 'not_found', message: expect.stringContaining('nowhere') } }])
  const { stdout } = await admin(['list-publications'])
  expect(stdout.split('\n').map((line) => line.split(/\s+/)[1])).toEqual(expect.arrayContaining(['failed', 'published']))
})

test('leaves it waiting where no service of that data folder runs', async () => {
  const dataDir = join(home, 'another')
  const { code, stdout } = await admin(['publish', '--path', 'Our film.mp4', '--title', 'x', '--no-wait', '--json'], dataDir)
  expect([code, JSON.parse(stdout)]).toMatchObject([0, { state: 'waiting', startedAt: null, torrentId: null }])
})

test.each<[string, string[]]>([
  ['no path', ['--title', 'x']],
  ['no title', ['--path', 'x']],
  ['a blank title', ['--path', 'x', '--title', ' ']],
  ['a private web seed', ['--path', 'x', '--title', 'x', '--private', '--web-seed']],
  ['an address that is none', ['--path', 'x', '--title', 'x', '--source-url', 'javascript:alert(1)']],
  ['a word too many', ['x', '--path', 'x', '--title', 'x']],
  ['nothing to save', ['--path', 'x', '--title', 'x', '--no-wait', '--save-torrent', 'y']],
])('refuses %s before anything is opened', async (_what, args) => {
  expect((await admin(['publish', ...args], '/nonexistent')).code).toBe(2)
})
