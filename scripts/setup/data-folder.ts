import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Holder, type Lock, tryLock } from '../../db/embedded/lock.mjs'
import { SetUpFault } from '../../db/set-up-fault.ts'

const PATIENCE_MS = 120_000

/** Makes the data folder if need be and proves that it can be written. @throws SetUpFault */
export async function prepareDataFolder(dataDir: string): Promise<void> {
  const probe = join(dataDir, `.writable-${process.pid}`)
  try {
    // Root hands the database to the user postgres, who must be able to walk through; nobody else may look.
    const made = await mkdir(dataDir, { recursive: true })
    if (made !== undefined) await chmod(dataDir, process.getuid?.() === 0 ? 0o711 : 0o700)
    await writeFile(probe, '')
    await rm(probe)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOSPC') throw new SetUpFault(`The disk of the data folder ${dataDir} is full.`, { cause: error })
    if (code === 'EEXIST' || code === 'ENOTDIR') throw new SetUpFault(`DATA_DIR is ${dataDir}, which is not a folder.`, { cause: error })
    throw new SetUpFault(`The data folder ${dataDir} cannot be written (${code}); set DATA_DIR to a folder that can.`, { cause: error })
  }
}

type Use = 'start' | 'admin'

/**
 * Takes the data folder for this process. An instance that runs on it is answered by `onInstance`, once it has come up or said
 * so by throwing; an admin command, which takes moments, is waited for.
 */
export async function takeDataFolder<T>(dataDir: string, use: Use, onInstance: (holder: Holder) => T): Promise<{ lock: Lock } | { instance: T }> {
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    const { lock, holder } = tryLock(join(dataDir, 'instance.lock'), { use })
    if (lock) return { lock }
    const isInstance = holder['use'] === 'start'
    if (isInstance && (use === 'start' || holder['url'] !== undefined)) return { instance: onInstance(holder) }
    if (performance.now() > deadline) throw new SetUpFault(`Process ${holder.pid} has used the data folder ${dataDir} for two minutes; try again when it has ended.`)
    await pause(100)
  }
}
