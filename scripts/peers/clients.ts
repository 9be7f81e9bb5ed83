/** BitTorrent clients that nobody here wrote, as processes of their own on loopback. */
import { spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { scrape } from '../../server/test/swarm.ts'
import { peers } from './presence.ts'

/** `folder` holds the content under the names the torrent gives it. */
export type SeedOrder = { torrentFile: string; folder: string; infoHash: string; trackerUrl: string }
/** The content comes to lie in `folder`. `files`: their paths in it, and their sizes. */
export type FetchOrder = { torrentFile: string; folder: string; files: readonly { readonly path: string; readonly sizeBytes: number }[] }

const libtorrent = fileURLToPath(new URL('libtorrent-client.py', import.meta.url))
/** Nothing of this process's environment: a proxy, say. */
const env = { PATH: process.env['PATH'], LANG: 'C.UTF-8', NODE_ENV: 'test' as const }
const fetchMs = 90_000

/** Resolve once the tracker knows of the seeder; disposing kills it. */
export const seedWithLibtorrent = (order: SeedOrder): Promise<AsyncDisposable> => seeding(runLibtorrent('seed', order), order)

/** `options` are more of its own, `--bt-require-crypto=true` say. */
export async function seedWithAria2(order: SeedOrder, options: readonly string[] = []): Promise<AsyncDisposable> {
  return seeding(await runAria2(order, ['--seed-ratio=0', '--bt-seed-unverified', ...options]), order)
}

/** It looks at what is there by itself; told to (`-v`), it does so twice, and ends when it is asked how it stands in between. */
export async function seedWithTransmission(order: SeedOrder): Promise<AsyncDisposable> {
  return seeding(await runTransmission(order), order)
}

/** Resolve when all of it is there, as the client says, and the client has ended. */
export async function fetchWithLibtorrent(order: Omit<FetchOrder, 'files'>): Promise<{ seconds: number; cpuSeconds: number }> {
  const child = runLibtorrent('fetch', order)
  const client = supervise(child)
  try {
    const [line] = (await Promise.race([client.ended, once(createInterface({ input: child.stdout }), 'line')])) as [string]
    const [seconds = Number.NaN, cpuSeconds = Number.NaN] = line.split(' ').map(Number)
    return { seconds, cpuSeconds }
  } finally {
    await client.stop()
  }
}

export async function fetchWithAria2(order: FetchOrder, options: readonly string[] = []): Promise<void> {
  const client = supervise(await runAria2(order, ['--seed-time=0', ...options]))
  try {
    await Promise.race([client.exit(0), tooLong()])
  } finally {
    await client.stop()
  }
}

/** It bears no word of its own: its files lose their `.part` when they are whole. It makes no empty ones. */
export async function fetchWithTransmission(order: FetchOrder): Promise<void> {
  await using _client = disposable(supervise(await runTransmission(order)))
  for (const bound = performance.now() + fetchMs; performance.now() < bound; await pause(50)) {
    const sizes = await Promise.all(order.files.map(({ path }) => stat(join(order.folder, path)).then(({ size }) => size, () => -1)))
    if (order.files.every(({ sizeBytes }, index) => sizeBytes === 0 || sizes[index] === sizeBytes)) return
  }
  throw new Error('transmission-cli did not fetch it in time.')
}

const runLibtorrent = (what: 'seed' | 'fetch', { torrentFile, folder }: { torrentFile: string; folder: string }): ChildProcessByStdio<Writable, Readable, Readable> =>
  spawn(peers.libtorrent.ask[0], [libtorrent, what, torrentFile, folder], { env, stdio: ['pipe', 'pipe', 'pipe'] })

async function runAria2({ torrentFile, folder }: { torrentFile: string; folder: string }, options: readonly string[]): Promise<ChildProcess> {
  const apart = ['--no-conf', '--interface=127.0.0.1', '--disable-ipv6', '--enable-dht=false', '--bt-enable-lpd=false', '--enable-peer-exchange=false', '--file-allocation=none']
  return spawn(peers.aria2.ask[0], [...apart, `--dir=${folder}`, `--listen-port=${await freePort()}`, ...options, torrentFile], { env, stdio: ['ignore', 'ignore', 'pipe'] })
}

async function runTransmission({ torrentFile, folder }: { torrentFile: string; folder: string }): Promise<ChildProcess> {
  const config = `${torrentFile}.transmission-${await freePort()}`
  await mkdir(config)
  await mkdir(folder, { recursive: true })
  const apart = { 'bind-address-ipv4': '127.0.0.1', 'bind-address-ipv6': '::1', 'dht-enabled': false, 'lpd-enabled': false, 'pex-enabled': false, 'utp-enabled': false, 'port-forwarding-enabled': false }
  await writeFile(join(config, 'settings.json'), JSON.stringify(apart))
  return spawn(peers.transmission.ask[0], ['-g', config, '-w', folder, '-p', `${await freePort()}`, '-M', torrentFile], { env: { ...env, HOME: config }, stdio: ['ignore', 'ignore', 'pipe'] })
}

type Client = { ended: Promise<never>; exit(code: number): Promise<void>; stop(): Promise<void> }

/** `ended` rejects when it ends by itself. */
function supervise(child: ChildProcess): Client {
  let complaint = ''
  child.stderr?.on('data', (chunk: Buffer) => (complaint = `${complaint}${chunk.toString()}`.slice(-2_000)))
  const over = Promise.race([once(child, 'exit').then(([code]: (number | null)[]) => code ?? null), once(child, 'error').then(() => null)])
  const ended = over.then((code): never => {
    throw new Error(`${child.spawnfile} ended (${code}): ${complaint}`)
  })
  ended.catch(() => {})
  return {
    ended,
    async exit(wanted) {
      const code = await over
      if (code !== wanted) throw new Error(`${child.spawnfile} ended (${code}): ${complaint}`)
    },
    async stop() {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    },
  }
}

const disposable = ({ stop }: Client): AsyncDisposable => ({ [Symbol.asyncDispose]: stop })

async function seeding(child: ChildProcess, order: SeedOrder): Promise<AsyncDisposable> {
  const client = supervise(child)
  try {
    await Promise.race([client.ended, knownToTracker(order)])
  } catch (error) {
    await client.stop()
    throw error
  }
  return disposable(client)
}

async function knownToTracker({ infoHash, trackerUrl }: SeedOrder): Promise<void> {
  for (const bound = performance.now() + 20_000; performance.now() < bound; await pause(50)) {
    if ((await scrape(trackerUrl, infoHash)).seeders > 0) return
  }
  throw new Error('The seeder did not tell the tracker of itself.')
}

async function tooLong(): Promise<never> {
  await pause(fetchMs, undefined, { ref: false })
  throw new Error('It was not fetched in time.')
}

/** aria2 and transmission take no port 0. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await new Promise((closed) => server.close(closed))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
