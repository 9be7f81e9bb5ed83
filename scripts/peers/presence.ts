import { spawnSync } from 'node:child_process'

/** Programs that nobody here wrote, as Debian packages them (its Python, not another that may come first); only tests use them. */
export const peers = {
  aria2: { package: 'aria2', as: 'a seeder', ask: ['aria2c', '--version'] },
  libtorrent: { package: 'python3-libtorrent', as: 'a seeder', ask: ['/usr/bin/python3', '-c', 'import libtorrent'] },
  ffmpeg: { package: 'ffmpeg', as: 'a player', ask: ['ffprobe', '-version'] },
  mpv: { package: 'mpv', as: 'a player', ask: ['mpv', '--version'] },
} as const satisfies Record<string, { package: string; as: string; ask: [string, ...string[]] }>

export type Peer = keyof typeof peers

export function isPresent(peer: Peer): boolean {
  const [command, ...args] = peers[peer].ask
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}
