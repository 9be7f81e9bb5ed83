/**
 * `npm run peers`: installs, from Debian, the seeders and players that some tests prove the system with. Nothing else needs them;
 * without them those tests are skipped and say so.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { isPresent, peers, type Peer } from './peers/presence.ts'

const missing = (Object.keys(peers) as Peer[]).filter((peer) => !isPresent(peer)).map((peer) => peers[peer].package)
const install = ['install', '--yes', '--no-install-recommends', ...missing]

if (missing.length === 0) {
  console.log(`Everything is here: ${Object.values(peers).map((peer) => peer.package).join(', ')}.`)
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
