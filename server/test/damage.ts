import { execFile } from 'node:child_process'
import { open, rm } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Zeroes bytes of a file as a failing disk would: its size and time of change, to the nanosecond, stay as they were. */
export async function damage(path: string, at: number, count: number): Promise<void> {
  const times = `${path}.times`
  await run('touch', ['-r', path, times])
  {
    await using file = await open(path, 'r+')
    await file.write(Buffer.alloc(count), 0, count, at)
  }
  await run('touch', ['-r', times, path])
  await rm(times)
}
