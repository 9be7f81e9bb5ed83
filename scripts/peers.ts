/**
 * `npm run peers`: installs, from Debian, the seeders and players that some tests prove the system with, and from npm, into
 * a folder apart, what benches compare it with. Nothing else needs them; without them those tests and rows are skipped and say so.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { isPresent, npmPackages, npmPeers, peers, type DebianPeer } from './peers/presence.ts'

if (!isPresent('torrentStream')) {
  const { package: name, version } = npmPackages.torrentStream
  console.log(`Installing ${name} with npm, for the benches.`)
  mkdirSync(dirname(npmPeers), { recursive: true })
  writeFileSync(npmPeers, '{ "private": true }')
  const { status } = spawnSync('npm', ['install', '--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund', `${name}@${version}`], { cwd: dirname(npmPeers), stdio: 'inherit' })
  if (status !== 0) fail(`npm could not install ${name}; what it wrote above says why.`)
}

const missing = (Object.keys(peers) as DebianPeer[]).filter((peer) => !isPresent(peer)).map((peer) => peers[peer].package)
const install = ['install', '--yes', '--no-install-recommends', ...missing]

if (missing.length === 0) {
  console.log(`Everything is here: ${[...Object.values(peers), ...Object.values(npmPackages)].map((peer) => peer.package).join(', ')}.`)
} else if (!existsSync('/usr/bin/apt-get')) {
  fail(`This system has no apt-get. Install what its own packages call ${missing.join(', ')}.`)
} else if (process.getuid?.() !== 0) {
  fail(`Installing needs root. Run: sudo apt-get ${install.join(' ')}`)
} else {
  console.log(`Installing ${missing.join(', ')} with apt-get, for this whole system.`)
  for (const args of [['update', '--quiet'], install]) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const { status } = spawnSync('/usr/bin/apt-get', args, { stdio: 'inherit', env })
    if (status !== 0) fail(`"apt-get ${args.join(' ')}" failed; what it wrote above says why.`)
  }
  console.log('Done. "npm test" uses them from now on.')
}

function fail(sentence: string): never {
  console.error(sentence)
  process.exit(1)
}
