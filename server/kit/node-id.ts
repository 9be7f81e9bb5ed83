import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'

/**
 * Which node this is: a data folder and what lies in it. Kept in the folder, so that a restart and a command at a terminal are the
 * same node, and two that begin at once agree.
 */
export async function readNodeId(dataDir: string, newId: () => string): Promise<string> {
  const path = join(dataDir, 'node-id')
  const known = await readFile(path, 'utf8').catch(() => null)
  if (known === null) {
    const id = newId()
    const draft = `${path}.${id}`
    await mkdir(dataDir, { recursive: true })
    await writeFile(draft, id, { mode: 0o600 })
    await link(draft, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
    await rm(draft)
  }
  const found = z.uuid().safeParse((known ?? (await readFile(path, 'utf8'))).trim())
  if (found.success) return found.data
  throw new Error(`${path} holds no id: put back what it held, or delete it and publish anew what lies in that folder.`)
}
