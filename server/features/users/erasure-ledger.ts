import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Config } from '../../config.ts'

// Who was erased, kept outside the database so that an older backup cannot bring them back (docs/decisions/0018):
// one empty file a person, named by the random id that stood for them.

const folderOf = ({ dataDir }: Pick<Config, 'dataDir'>): string => join(dataDir, 'erasures')

export async function readLedger(config: Pick<Config, 'dataDir'>): Promise<Set<string>> {
  const names = await readdir(folderOf(config)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return new Set(names.filter((name) => z.uuid().safeParse(name).success))
}

/** Idempotent. */
export async function noteErased(config: Pick<Config, 'dataDir'>, userId: string): Promise<void> {
  await mkdir(folderOf(config), { recursive: true, mode: 0o700 })
  await writeFile(join(folderOf(config), userId), '', { mode: 0o600, flush: true })
}
