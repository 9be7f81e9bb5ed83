import { createHash, randomBytes } from 'node:crypto'
import { chown, mkdir, readFile, realpath, rename, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { type Account, canEnter } from './account.ts'
import { SHARED_FOLDER } from './binaries.ts'
import { SetUpFault } from '../set-up-fault.ts'

const Place = z.strictObject({ cluster: z.string().min(1), port: z.int().min(1).max(65535).optional() })

/** Where the data folder's database is, and the port it had last; kept in `DATA_DIR/postgres.json`. */
export type Place = z.infer<typeof Place>

const fileIn = (dataDir: string) => join(dataDir, 'postgres.json')

export const isCluster = (folder: string) => existsSync(join(folder, 'PG_VERSION'))

export async function readPlace(dataDir: string): Promise<Place | undefined> {
  try {
    return Place.parse(JSON.parse(await readFile(fileIn(dataDir), 'utf8')))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new SetUpFault(`The file ${fileIn(dataDir)} does not say where the database is; restore it from a backup.`, { cause: error })
  }
}

export async function writePlace(dataDir: string, place: Place): Promise<void> {
  const draft = `${fileIn(dataDir)}.draft-${process.pid}`
  await writeFile(draft, `${JSON.stringify(place)}\n`, { mode: 0o600, flush: true })
  await rename(draft, fileIn(dataDir))
}

/**
 * Chooses a folder for a new cluster: `DATA_DIR/postgres`, or below /var/lib when the account cannot reach the data folder.
 * A random part in the name keeps a data folder that was deleted and made again from meeting its old database.
 */
export async function choosePlace(dataDir: string, account: Account, report: (line: string) => void): Promise<Place> {
  if (await canEnter(account, dataDir)) return { cluster: join(dataDir, 'postgres') }
  const hash = createHash('sha256').update(await realpath(dataDir)).digest('hex').slice(0, 12)
  const parent = join(SHARED_FOLDER, `${hash}-${randomBytes(4).toString('hex')}`)
  try {
    await mkdir(parent, { recursive: true, mode: 0o755 })
    await chown(parent, account.uid ?? 0, account.gid ?? 0)
  } catch (error) {
    throw new SetUpFault(`The user postgres can reach neither ${dataDir} nor ${SHARED_FOLDER}; set DATA_DIR to a folder it can reach.`, {
      cause: error,
    })
  }
  report(`The database is kept in ${parent}, because the user postgres cannot reach ${dataDir}.`)
  return { cluster: join(parent, 'postgres') }
}
