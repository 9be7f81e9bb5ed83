import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { holderOf, startOf, tryLock } from './lock.mjs'

let folder = ''
let path = ''
const children: ChildProcess[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lock-'))
  path = join(folder, 'it.lock')
})

afterEach(async () => {
  for (const child of children.splice(0)) if (child.exitCode === null && child.signalCode === null) await end(child)
  await rm(folder, { recursive: true, force: true })
})

async function end(child: ChildProcess) {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

const module = JSON.stringify(new URL('./lock.mjs', import.meta.url).href)

/** A process that tries for the lock when told to, says whether it got it, and stays. */
function contender(): { child: ChildProcess; said: Promise<string> } {
  const script = `const { tryLock } = await import(${module}); process.once('message', () => process.send(tryLock(${JSON.stringify(path)}).lock ? 'mine' : 'held')); setInterval(() => {}, 60_000); process.send('up')`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  children.push(child)
  const said = once(child, 'message').then(() => {
    const answer = once(child, 'message') as Promise<[string]>
    child.send('go')
    return answer.then(([word]) => word)
  })
  return { child, said }
}

test('one of many processes gets it; it is free again when that one is killed with -9', async () => {
  for (let round = 0; round < 3; round++) {
    const contenders = Array.from({ length: 6 }, contender)
    const answers = await Promise.all(contenders.map(({ said }) => said))
    expect(answers.filter((word) => word === 'mine')).toHaveLength(1)
    const winner = contenders[answers.indexOf('mine')]?.child
    expect(holderOf(path)?.pid).toBe(winner?.pid)
    await Promise.all(contenders.map(({ child }) => end(child)))
    expect(holderOf(path)).toBeUndefined()
  }
})

test('it tells who holds it and what they noted, and can be taken again once released', () => {
  const first = tryLock(path, { use: 'start' })
  expect(tryLock(path).holder).toMatchObject({ pid: process.pid, use: 'start' })
  first.lock?.note({ use: 'start', url: 'http://localhost:3000' })
  expect(holderOf(path)).toMatchObject({ pid: process.pid, url: 'http://localhost:3000' })
  first.lock?.release()
  expect(holderOf(path)).toBeUndefined()
  const second = tryLock(path)
  expect(second.lock).toBeDefined()
  expect(tryLock(path).lock).toBeUndefined()
  second.lock?.release()
})

test('a pid that now belongs to another process holds nothing', async () => {
  await writeFile(`${path}.7`, JSON.stringify({ pid: process.pid, started: 'long ago' }))
  expect(holderOf(path)).toBeUndefined()
  expect(tryLock(path).lock).toBeDefined()
  expect((await readdir(folder)).filter((name) => !name.includes('draft'))).toEqual(['it.lock.8'])
})

test('a file that a killed process left half-written holds nothing', async () => {
  await writeFile(`${path}.1`, '{"pid":')
  expect(tryLock(path).lock).toBeDefined()
})

test('a process that does not run has no start', async () => {
  const child = spawn(process.execPath, ['-e', ''])
  await once(child, 'exit')
  expect(startOf(child.pid ?? 0)).toBeUndefined()
  expect(startOf(process.pid)).toBe(startOf(process.pid))
})
