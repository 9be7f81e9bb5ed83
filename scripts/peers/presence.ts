import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Where `npm run peers` unpacks what must not be installed: a server that Debian would start at once, say. */
export const unpackedPeers = fileURLToPath(new URL('../../.cache/peers', import.meta.url))

/** Programs that nobody here wrote, as Debian packages them (its Python, not another that may come first); only tests use them. */
export const peers = {
  aria2: { package: 'aria2', as: 'a client', ask: ['aria2c', '--version'] },
  libtorrent: { package: 'python3-libtorrent', as: 'a client', ask: ['/usr/bin/python3', '-c', 'import libtorrent'] },
  transmission: { package: 'transmission-cli', as: 'a client', ask: ['transmission-cli', '--version'] },
  ffmpeg: { package: 'ffmpeg', as: 'a player', ask: ['ffprobe', '-version'] },
  nginx: { package: 'nginx', as: 'a file server', ask: [`${unpackedPeers}/nginx/usr/sbin/nginx`, '-v'], unpacked: true },
  mpv: { package: 'mpv', as: 'a player', ask: ['mpv', '--version'] },
} as const satisfies Record<string, { package: string; as: string; ask: [string, ...string[]]; unpacked?: true }>

export type DebianPeer = keyof typeof peers

/** Packages from npm that only benches compare with, in a folder of their own: nothing of ours depends on them. Path of its package.json. */
export const npmPeers = fileURLToPath(new URL('../../.cache/peers/package.json', import.meta.url))
export const npmPackages = { torrentStream: { package: 'torrent-stream', version: '1.2.1' } } as const

export type Peer = DebianPeer | keyof typeof npmPackages

export function isPresent(peer: Peer): boolean {
  if (peer === 'torrentStream') {
    const manifest = fileURLToPath(new URL('../../.cache/peers/node_modules/torrent-stream/package.json', import.meta.url))
    return existsSync(manifest) && (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version === npmPackages.torrentStream.version
  }
  const [command, ...args] = peers[peer].ask
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}
