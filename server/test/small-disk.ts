import { execFile } from 'node:child_process'
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface SmallDisk extends AsyncDisposable {
  readonly folder: string
  freeBytes(): Promise<number>
  /** Others fill it, but for so much. */
  fill(leftBytes: number): Promise<void>
  /** And go again. */
  clear(): Promise<void>
}

/** A file system of its own in memory; null where the system lets us mount none (it takes root). */
export async function mountSmallDisk(sizeBytes: number): Promise<SmallDisk | null> {
  const folder = await mkdtemp(join(tmpdir(), 'small-disk-'))
  const isMounted = await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', folder]).then(() => true, () => false)
  if (!isMounted) {
    await rm(folder, { recursive: true })
    return null
  }
  const ballast = join(folder, 'ballast')
  const freeBytes = () => statfs(folder).then(({ bavail, bsize }) => bavail * bsize)
  return {
    folder,
    freeBytes,
    fill: async (leftBytes) => writeFile(ballast, Buffer.alloc((await freeBytes()) - leftBytes)),
    clear: () => rm(ballast, { force: true }),
    async [Symbol.asyncDispose]() {
      await run('umount', ['--lazy', folder])
      await rm(folder, { recursive: true })
    },
  }
}
