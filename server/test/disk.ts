import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

export const blockBytes = 4096

/** What the segments in an engine's folder take, in blocks: what its accounting must say. */
export async function storedBytes(dataDir: string): Promise<number> {
  let bytes = 0
  for (const name of await segmentsIn(dataDir)) {
    const { size } = await stat(join(dataDir, name))
    bytes += Math.ceil(size / blockBytes) * blockBytes
  }
  return bytes
}

/** Their paths inside the folder, in order. */
export async function segmentsIn(dataDir: string): Promise<string[]> {
  const found: string[] = []
  for (const folder of (await readdir(dataDir)).filter((name) => /^[0-9a-f]{40}$/.test(name))) {
    for (const name of await readdir(join(dataDir, folder))) if (/^\d+-\d+$/.test(name)) found.push(join(folder, name))
  }
  return found.sort()
}
