/** Peers that hang up on a plain handshake (MSE demanded), as nobody here wrote them. `npm run peers` brings them. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readThrough, startTestEngine } from '../../server/test/engine.ts'
import { startSwarm } from '../../server/test/swarm.ts'
import { isPresent } from './presence.ts'
import { seedWithAria2 } from './clients.ts'

const MiB = 1024 * 1024

test.for([
  ['its handshake encrypted', ['--bt-require-crypto=true']],
  ['everything encrypted', ['--bt-force-encryption=true']],
] as const)('a seeder that wants %s streams', async ([, options], { skip }) => {
  skip(!isPresent('aria2'), 'aria2 is not installed: npm run peers')
  const folder = await mkdtemp(join(tmpdir(), 'torrent-streamer-encryption-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await using swarm = await startSwarm({ files: [{ path: 'film.bin', sizeBytes: 2 * MiB }], seeding: false })
  const torrentFile = join(folder, 'film.torrent')
  await mkdir(join(folder, 'content'))
  await writeFile(torrentFile, swarm.torrentFile)
  const bytes = Buffer.from((await swarm.files[0]?.read(0, 2 * MiB)) ?? [])
  await writeFile(join(folder, 'content', 'film.bin'), bytes)
  await using _seeder = await seedWithAria2({ torrentFile, folder: join(folder, 'content'), infoHash: swarm.infoHash, trackerUrl: swarm.trackerUrl }, options)
  await using engine = await startTestEngine()
  expect((await readThrough(engine.client, swarm, { timeoutMs: 20_000 })).equals(bytes)).toBe(true)
  // by the info-hash alone as well
  await using other = await startTestEngine()
  expect(await other.client.metadata({ infoHash: swarm.infoHash, trackers: [swarm.trackerUrl], timeoutMs: 20_000 })).toEqual(swarm.torrent.infoBytes)
})
