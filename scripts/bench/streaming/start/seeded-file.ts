/** A large file that one seeder has, at the end of lines of any length; and, for each line, a .torrent whose tracker knows its end alone. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildTorrentFile } from '../../../../server/lib/torrent.ts'
import { startSwarm } from '../../../../server/test/swarm.ts'
import { isPresent } from '../../../peers/presence.ts'
import { seedWithLibtorrent } from '../../../peers/clients.ts'
import type { Line } from './line.ts'

export interface SeededFile extends AsyncDisposable {
  readonly seeder: 'libtorrent' | 'our own'
  readonly pieceLength: number
  readonly sizeBytes: number
  /** A .torrent that leads to the seeder over a line of its own. */
  over(line: Omit<Line, 'target'>): Promise<{ readonly torrentFile: Uint8Array } & AsyncDisposable>
}

export async function seedFile({ folder, sizeBytes, pieceLength }: { folder: string; sizeBytes: number; pieceLength: number }): Promise<SeededFile> {
  await using made = new AsyncDisposableStack()
  const withLibtorrent = isPresent('libtorrent')
  const swarm = made.use(await startSwarm({ files: [{ path: 'film.mp4', sizeBytes }], seed: 'start', pieceLength, seeding: !withLibtorrent }))
  if (withLibtorrent) {
    const content = join(folder, 'content')
    await mkdir(content, { recursive: true })
    await using file = await open(join(content, 'film.mp4'), 'w')
    const chunk = 8 * 1024 * 1024
    for (let at = 0; at < sizeBytes; at += chunk) await file.write((await swarm.files[0]?.read(at, Math.min(chunk, sizeBytes - at))) ?? new Uint8Array())
    const torrentFile = join(folder, 'film.torrent')
    await writeFile(torrentFile, swarm.torrentFile)
    made.use(await seedWithLibtorrent({ torrentFile, folder: content, infoHash: swarm.infoHash, trackerUrl: swarm.trackerUrl }))
  }
  const target = await peerKnownTo(swarm)
  const closing = made.move()
  return {
    seeder: withLibtorrent ? 'libtorrent' : 'our own',
    pieceLength,
    sizeBytes,
    async over(line) {
      const child = fork(fileURLToPath(new URL('line.ts', import.meta.url)), { execArgv: ['--disable-warning=ExperimentalWarning'] })
      child.send({ ...line, target } satisfies Line)
      const [{ port }] = (await once(child, 'message')) as [{ port: number }]
      const tracker = createServer((_request, response) => response.end(Buffer.concat([Buffer.from('d8:intervali1800e5:peers6:\x7f\0\0\x01', 'latin1'), Buffer.from([port >> 8, port & 255]), Buffer.from('e')])))
      await new Promise<void>((resolve) => { tracker.listen(0, '127.0.0.1', resolve) })
      return {
        torrentFile: buildTorrentFile(swarm.torrent.infoBytes, [`http://127.0.0.1:${(tracker.address() as AddressInfo).port}/announce`]),
        async [Symbol.asyncDispose]() {
          tracker.close()
          tracker.closeAllConnections()
          const exited = once(child, 'exit')
          child.kill()
          await exited
        },
      }
    },
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  }
}

/** The port that no peer has, under which the bench asks. */
const nobody = 1

/** The seeder's port: whom the swarm's tracker names besides us. */
async function peerKnownTo({ trackerUrl, infoHash }: { trackerUrl: string; infoHash: string }): Promise<number> {
  const query = `info_hash=${infoHash.replace(/../g, '%$&')}&peer_id=${'b'.repeat(20)}&port=${nobody}&uploaded=0&downloaded=0&left=1&compact=1`
  const answer = Buffer.from(await (await fetch(`${trackerUrl}?${query}`)).arrayBuffer())
  const peers = answer.subarray(answer.indexOf('5:peers') + 7)
  const first = peers.indexOf(':') + 1
  const ports = [4, 10].flatMap((at) => (first + at + 2 < peers.length ? peers.readUInt16BE(first + at) : []))
  const port = ports.find((named) => named !== nobody)
  if (port === undefined) throw new Error('The tracker knows no seeder.')
  return port
}
