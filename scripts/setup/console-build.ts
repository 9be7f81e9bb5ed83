import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { glob, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { tryLock } from '../../db/embedded/lock.mjs'
import { SetUpFault } from '../../db/set-up-fault.ts'

const projectRoot = fileURLToPath(new URL('../..', import.meta.url))

// What a build is made of; the import law lets the console take values from nowhere else.
const INPUTS = [
  'admin/**/*',
  'server/features/*/contract.ts',
  'server/lib/**/*.ts',
  'server/kit/zod.ts',
  'vite.config.ts',
  'tsconfig.json',
  'package-lock.json',
]

type Options = { root?: string; signal?: AbortSignal | undefined }

/** Builds the console unless the build that is there was made of these very files. @throws SetUpFault */
export async function buildConsole(report: (line: string) => void, { root = projectRoot, signal }: Options = {}): Promise<void> {
  const wanted = await hashOfInputs(root)
  if ((await stampOf(root)) === wanted) return
  try {
    const lock = await takeBuildLock(root, signal)
    try {
      if ((await stampOf(root)) === wanted) return
      await proveWritable(root)
      report('Building the console.')
      // Without its stamp a half-made build counts as none.
      await rm(stampFile(root), { force: true })
      await runBuild(root, signal)
      await writeFile(stampFile(root), wanted)
    } finally {
      lock.release()
    }
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    if (!existsSync(join(root, 'build', 'server', 'index.js'))) {
      throw new SetUpFault(`The console has to be built and ${root} cannot be written; run "npm start" once where it can.`, { cause: error })
    }
    report('Using the console as it was built: this folder cannot be written.')
  }
}

const stampFile = (root: string) => join(root, 'build', '.made-of')
const stampOf = (root: string) => readFile(stampFile(root), 'utf8').catch(() => undefined)

async function hashOfInputs(root: string): Promise<string> {
  const names = await Array.fromAsync(glob(INPUTS, { cwd: root, withFileTypes: true }))
  const files = names.filter((entry) => entry.isFile() && !/\.test\.tsx?$/.test(entry.name)).map((entry) => join(entry.parentPath, entry.name))
  const hash = createHash('sha256')
  for (const file of files.sort()) hash.update(`${file.slice(root.length)}\0`).update(await readFile(file)).update('\0')
  return hash.digest('hex')
}

/** Before the build that is there is taken apart. */
async function proveWritable(root: string) {
  const probe = join(root, 'build', '.writable')
  await mkdir(join(root, 'build'), { recursive: true })
  await writeFile(probe, '')
  await rm(probe)
}

async function takeBuildLock(root: string, signal: AbortSignal | undefined) {
  const path = join(root, '.cache', 'console-build.lock')
  for (;;) {
    const { lock } = tryLock(path)
    if (lock) return lock
    await pause(200, undefined, { signal })
  }
}

async function runBuild(root: string, signal: AbortSignal | undefined) {
  const cli = join(root, 'node_modules', '@remix-run', 'dev', 'dist', 'cli.js')
  if (!existsSync(cli)) throw new SetUpFault('The console has to be built and its builder is not installed; run "npm start" in a full checkout once.')
  const child = spawn(process.execPath, [cli, 'vite:build'], {
    cwd: root,
    env: { PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`, NODE_ENV: 'production' },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
  })
  child.on('error', () => {})
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  signal?.throwIfAborted()
  if (code !== 0) throw new SetUpFault(`The console could not be built:\n${output.trim().split('\n').slice(-20).join('\n')}`)
}
