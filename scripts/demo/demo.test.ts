/** The demo itself, as people run it: it has to keep working, and to leave nothing behind. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'

const script = fileURLToPath(new URL('../demo.ts', import.meta.url))
vi.setConfig({ testTimeout: 300_000 })

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'torrent-streamer-test-demo-'))
  await chmod(folder, 0o711)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Runs it with a temporary folder of its own; `onLine` may send it a signal. */
async function demo(onLine: (line: string, kill: () => void) => void = () => {}): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script], { env: { ...process.env, TMPDIR: folder }, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      onLine(said, () => child.kill('SIGINT'))
    })
  }
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, said }
}

test('it goes all the way, seeks while less than a fifth of the film is fetched, and leaves nothing behind', async () => {
  const { code, said } = await demo()
  // the last lines first: they say what failed
  expect({ code, end: said.trimEnd().split('\n').slice(-3).join('\n') }).toEqual({ code: 0, end: expect.stringContaining('All of it works') as string })
  const fetched = [...said.matchAll(/([\d.]+) % of the film fetched/g)].map(([, part]) => Number(part))
  expect(fetched).toHaveLength(3)
  expect(Math.max(...fetched)).toBeLessThan(20)
  expect(Math.min(...fetched)).toBeGreaterThan(0)
  expect(await readdir(folder)).toEqual([])
})

test.each([
  ['while it starts', 'Starting the server.'],
  ['while it streams', 'asks to play the film'],
])('Ctrl-C %s ends everything it started', async (_when, line) => {
  let sent = false
  const { code, said } = await demo((soFar, interrupt) => {
    if (sent || !soFar.includes(line)) return
    sent = true
    interrupt()
  })
  expect(code).toBe(130)
  expect(said).toContain('Stopping.')
  expect(said).not.toContain('All of it works')
  expect(await readdir(folder)).toEqual([])
})
