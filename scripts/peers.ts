/**
 * `npm run peers`: installs, from Debian, the seeders and players that some tests prove the system with, and, from Debian and npm
 * into a folder apart, what benches compare it with. Nothing else needs them; without them those tests and rows are skipped and say so.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { isPresent, npmPackages, npmPeers, peers, unpackedPeers, type DebianPeer } from './peers/presence.ts'

if (!isPresent('torrentStream')) {
  const { package: name, version } = npmPackages.torrentStream
  console.log(`Installing ${name} with npm, for the benches.`)
  mkdirSync(dirname(npmPeers), { recursive: true })
  writeFileSync(npmPeers, '{ "private": true }')
  const { status } = spawnSync('npm', ['install', '--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund', `${name}@${version}`], { cwd: dirname(npmPeers), stdio: 'inherit' })
  if (status !== 0) fail(`npm could not install ${name}; what it wrote above says why.`)
}

const missing = (Object.keys(peers) as DebianPeer[]).filter((peer) => !isPresent(peer))
const toInstall = missing.filter((peer) => !('unpacked' in peers[peer])).map((peer) => peers[peer].package)
const toUnpack = missing.filter((peer) => 'unpacked' in peers[peer]).map((peer) => peers[peer].package)
const install = ['install', '--yes', '--no-install-recommends', ...toInstall]

if (missing.length > 0 && !existsSync('/usr/bin/apt-get')) fail(`This system has no apt-get. Install what its own packages call ${missing.map((peer) => peers[peer].package).join(', ')}.`)
if (toInstall.length > 0) {
  if (process.getuid?.() !== 0) fail(`Installing needs root. Run: sudo apt-get ${install.join(' ')}`)
  console.log(`Installing ${toInstall.join(', ')} with apt-get, for this whole system.`)
  for (const args of [['update', '--quiet'], install]) must('/usr/bin/apt-get', args)
}
for (const name of toUnpack) {
  console.log(`Unpacking ${name}, for the benches.`)
  const folder = mkdtempSync(join(tmpdir(), 'peers-'))
  must('/usr/bin/apt-get', ['download', name], folder)
  must('/usr/bin/dpkg-deb', ['--extract', join(folder, readdirSync(folder)[0] ?? ''), join(unpackedPeers, name)])
  rmSync(folder, { recursive: true })
}
console.log(`Everything is here: ${[...Object.keys(peers), ...Object.values(npmPackages).map((one) => one.package)].join(', ')}. "npm test" and "npm run bench" use them.`)

function must(command: string, args: string[], cwd?: string): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const { status } = spawnSync(command, args, { stdio: 'inherit', env, cwd })
  if (status !== 0) fail(`"${[command, ...args].join(' ')}" failed; what it wrote above says why.`)
}

function fail(sentence: string): never {
  console.error(sentence)
  process.exit(1)
}
