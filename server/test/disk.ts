import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

export const blockBytes = 4096

/** What the segments in an engine's folder take, in blocks: what its accounting must say. In one go: the engine may be at work. */
export function storedBytes(dataDir: string): number {
  let bytes = 0
  for (const name of segmentsIn(dataDir)) {
    const { size } = statSync(join(dataDir, name), { throwIfNoEntry: false }) ?? { size: 0 }
    bytes += Math.ceil(size / blockBytes) * blockBytes
  }
  return bytes
}

/** Their paths inside the folder, in order. */
export function segmentsIn(dataDir: string): string[] {
  const found: string[] = []
  for (const folder of readdirSync(dataDir).filter((name) => /^[0-9a-f]{40}$/.test(name))) {
    for (const name of readdirSync(join(dataDir, folder))) if (/^\d+-\d+$/.test(name)) found.push(join(folder, name))
  }
  return found.sort()
}
