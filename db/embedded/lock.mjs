// A lock that dies with its holder, in plain JavaScript because the bootstrap runs it on Node 18.
//
// Node has no flock(2). A lock is a series of files `<path>.<n>`; the highest number counts. It is held while the process
// named in it lives and has not written `free`. Taking it means creating the next number, which only one can do (link(2)
// fails when the name exists), so a stale lock is never deleted under somebody who has just taken it over.
import { randomBytes } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'

/** When a process started, in the words of its system; undefined when it does not run. A pid alone is used again after a while. */
export function startOf(pid) {
  try {
    if (process.platform === 'linux') {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      if (state === 'Z' || state === 'X') return undefined
      const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
      return `${boot}/${rest[18]}`
    }
    if (process.platform === 'win32') return process.kill(pid, 0) ? 'runs' : undefined
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined
  } catch {
    return undefined
  }
}

function numbersOf(path) {
  const prefix = `${basename(path)}.`
  return readdirSync(dirname(path))
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .filter((rest) => /^[0-9]+$/.test(rest))
    .map(Number)
    .sort((a, b) => b - a)
}

function read(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

const lives = (holder) => Boolean(holder && !holder.free && startOf(holder.pid) === holder.started)

function write(path, content) {
  const draft = `${path}.draft-${process.pid}-${randomBytes(4).toString('hex')}`
  writeFileSync(draft, JSON.stringify(content), { mode: 0o600 })
  return draft
}

/** Who holds the lock now: {pid, started, ...note}, or undefined. Reads only. */
export function holderOf(path) {
  let numbers
  try {
    numbers = numbersOf(path)
  } catch {
    return undefined
  }
  const holder = numbers.length > 0 ? read(`${path}.${numbers[0]}`) : undefined
  return lives(holder) ? holder : undefined
}

/**
 * Takes the lock, or answers who holds it. Never waits.
 * @returns {{lock: {note(note: object): void, release(): void}} | {holder: object}}
 */
export function tryLock(path, note = {}) {
  mkdirSync(dirname(path), { recursive: true })
  const me = { pid: process.pid, started: startOf(process.pid) }
  for (;;) {
    const highest = numbersOf(path)[0] ?? 0
    const holder = highest > 0 ? read(`${path}.${highest}`) : undefined
    if (lives(holder)) return { holder }
    const mine = highest + 1
    const file = `${path}.${mine}`
    const draft = write(path, { ...me, ...note })
    try {
      linkSync(draft, file)
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
      continue
    } finally {
      rmSync(draft, { force: true })
    }
    const numbers = numbersOf(path)
    // The directory may have been read while another process swapped its files: only the highest number holds.
    if (numbers[0] !== mine) {
      rmSync(file, { force: true })
      continue
    }
    for (const number of numbers.slice(1)) rmSync(`${path}.${number}`, { force: true })
    const rewrite = (content) => renameSync(write(path, { ...me, ...content }), file)
    return { lock: { note: rewrite, release: () => rewrite({ free: true }) } }
  }
}
