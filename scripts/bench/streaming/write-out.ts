import { open } from 'node:fs/promises'
import type { Swarm } from '../../../server/test/swarm.ts'

const chunk = 8 * 1024 * 1024

/** Writes the first file of a swarm where a server or seeder of somebody else's finds it. */
export async function writeOut(swarm: Swarm, path: string): Promise<void> {
  await using handle = await open(path, 'w', 0o644)
  for (let at = 0, size = swarm.files[0]?.sizeBytes ?? 0; at < size; at += chunk) {
    await handle.write((await swarm.files[0]?.read(at, Math.min(chunk, size - at))) ?? new Uint8Array())
  }
}
