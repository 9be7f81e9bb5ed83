import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { ConfigError } from '../config.ts'

/** Passwords known from breaches: a file that the operator keeps, or nothing (control A5). */
export type BreachedPasswords = { has(password: string): Promise<boolean> }
/** Reads up to so many bytes at a place; fewer at the end of the file. */
export type ReadAt = (position: number, length: number) => Promise<Buffer>

/** A line is at most 40 digits, a colon, a count and CRLF. */
const longestLine = 64
const blockBytes = 4_096
const sampled = 64
const lineForm = /^([0-9A-F]{40})(:\d{1,19})?\r?$/i

/**
 * The list of Have I Been Pwned, "SHA-1:count" a line, ordered by hash, of any size: it is searched where it lies.
 * @throws ConfigError naming HIBP_FILE where it cannot be read or has another form.
 */
export async function openBreachedPasswords(file: string | null): Promise<BreachedPasswords & AsyncDisposable> {
  if (file === null) return { has: () => Promise.resolve(false), [Symbol.asyncDispose]: () => Promise.resolve() }
  const fault = (what: string) => new ConfigError([`HIBP_FILE: ${file} ${what}`])
  const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    throw fault(`cannot be read (${error.code ?? error.message})`)
  })
  const readAt: ReadAt = async (position, length) => {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(length), 0, length, position)
    return buffer.subarray(0, bytesRead)
  }
  try {
    const stat = await handle.stat()
    if (!stat.isFile()) throw fault('is not a file')
    const wrong = await faultOf(readAt, stat.size)
    if (wrong) throw fault(wrong)
    return {
      has: (password) => holdsHash(readAt, stat.size, createHash('sha1').update(password, 'utf8').digest('hex').toUpperCase()),
      [Symbol.asyncDispose]: () => handle.close(),
    }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Binary search over places in the file, then a look at the one block that is left: about 25 reads for 40 GB. @param hash 40 upper-case hex digits */
export async function holdsHash(readAt: ReadAt, size: number, hash: string): Promise<boolean> {
  let low = 0
  let high = size
  while (high - low > blockBytes) {
    const middle = Math.floor((low + high) / 2)
    const line = await lineAfter(readAt, middle)
    if (line !== null && line.hash <= hash) low = line.start
    else high = middle
  }
  // the last line that begins below `high` may end beyond it
  const block = (await readAt(low, high - low + longestLine)).toString('latin1')
  return block.split('\n').some((line) => hashOf(line) === hash)
}

/** The first whole line that begins after a place, or null where there is none. */
async function lineAfter(readAt: ReadAt, position: number): Promise<{ start: number; hash: string } | null> {
  const block = (await readAt(position, 2 * longestLine)).toString('latin1')
  const lineBreak = block.indexOf('\n')
  const hash = lineBreak < 0 ? null : hashOf(block.slice(lineBreak + 1).split('\n', 1)[0] ?? '')
  return hash === null ? null : { start: position + lineBreak + 1, hash }
}

const hashOf = (line: string): string | null => lineForm.exec(line)?.[1]?.toUpperCase() ?? null

/** What is wrong with the file, by its first line and some from all over it. */
async function faultOf(readAt: ReadAt, size: number): Promise<string | null> {
  if (size === 0) return 'is empty'
  const first = (await readAt(0, 2 * longestLine)).toString('latin1').split('\n', 1)[0] ?? ''
  if (/^[0-9A-F]{32}(:\d+)?\r?$/i.test(first)) return 'holds NTLM hashes; the list with SHA-1 hashes is needed'
  let before = hashOf(first)
  if (before === null) return 'does not hold lines of the form SHA-1:count'
  for (let i = 1; i < sampled; i += 1) {
    const place = Math.floor((size * i) / sampled)
    const line = await lineAfter(readAt, place)
    // a place in the last line has none after it
    if (line === null && size - place > 2 * longestLine) return `does not hold lines of the form SHA-1:count (after byte ${place})`
    if (line === null) continue
    if (line.hash < before) return 'is not ordered by hash'
    before = line.hash
  }
  return null
}
