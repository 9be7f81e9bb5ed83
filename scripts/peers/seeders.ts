/** Seeders that nobody here wrote, as processes of their own on loopback; handed out once the tracker knows them. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { scrape } from '../../server/test/swarm.ts'
import { peers } from './presence.ts'

/** `folder` holds the content under the names the torrent gives it. */
export type SeedOrder = { torrentFile: string; folder: string; infoHash: string; trackerUrl: string }

export async function seedWithLibtorrent(order: SeedOrder): Promise<AsyncDisposable> {
  const script = fileURLToPath(new URL('libtorrent-seed.py', import.meta.url))
  return seeding(spawn(peers.libtorrent.ask[0], [script, order.torrentFile, order.folder], { stdio: ['pipe', 'ignore', 'pipe'] }), order)
}

/** `options` are more of its own, `--bt-require-crypto=true` say. */
export async function seedWithAria2(order: SeedOrder, options: readonly string[] = []): Promise<AsyncDisposable> {
  const apart = ['--no-conf', '--interface=127.0.0.1', '--disable-ipv6', '--enable-dht=false', '--bt-enable-lpd=false', '--enable-peer-exchange=false']
  const seed = ['--seed-ratio=0', '--bt-seed-unverified', '--file-allocation=none', `--dir=${order.folder}`, `--listen-port=${await freePort()}`]
  return seeding(spawn(peers.aria2.ask[0], [...apart, ...seed, ...options, order.torrentFile], { stdio: ['ignore', 'ignore', 'pipe'] }), order)
}

async function seeding(child: ChildProcess, order: SeedOrder): Promise<AsyncDisposable> {
  let complaint = ''
  child.stderr?.on('data', (chunk: Buffer) => (complaint = `${complaint}${chunk.toString()}`.slice(-2_000)))
  const stop = async () => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  const ended = Promise.race([once(child, 'exit'), once(child, 'error')]).then(() => {
    throw new Error(`${child.spawnfile} ended: ${complaint}`)
  })
  try {
    await Promise.race([ended, knownToTracker(order)])
  } catch (error) {
    await stop()
    throw error
  }
  ended.catch(() => {})
  return { [Symbol.asyncDispose]: stop }
}

async function knownToTracker({ infoHash, trackerUrl }: SeedOrder): Promise<void> {
  for (const bound = performance.now() + 20_000; performance.now() < bound; await pause(50)) {
    if ((await scrape(trackerUrl, infoHash)).seeders > 0) return
  }
  throw new Error('The seeder did not tell the tracker of itself.')
}

/** aria2 takes no port 0. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await new Promise((closed) => server.close(closed))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
