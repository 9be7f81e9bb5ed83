// What every `npm run` goes through: `node scripts/bootstrap.mjs <command> [arguments]`. Installs what is missing and then becomes
// the command, run by the pinned Node. Plain JavaScript without dependencies, because it runs first, on Node 18 or newer.
// Writes nothing to stdout: that belongs to the command.
import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { InstallFault, install, pinnedNode } from './setup/install.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const script = (name) => [join(root, 'scripts', `${name}.ts`)]
const tool = (...path) => join(root, 'node_modules', ...path)

const COMMANDS = {
  start: script('start'),
  test: script('test'),
  demo: script('demo'),
  bench: script('bench'),
  soak: script('soak'),
  admin: script('admin'),
  keys: script('keys'),
  peers: script('peers'),
  generate: script('generate'),
  lint: [tool('eslint', 'bin', 'eslint.js'), root],
  typecheck: [tool('typescript', 'bin', 'tsc'), '--project', root],
  vitest: [tool('vitest', 'vitest.mjs'), '--root', root],
}

function become(node, args) {
  const env = { ...process.env }
  delete env.NODE_CHANNEL_FD
  if (process.execve) {
    // Node calls it experimental, on stderr, at every use.
    process.removeAllListeners('warning')
    process.execve(node, [node, ...args], env)
  }
  const child = spawn(node, args, { stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to the child as well.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    })
  }
  child.on('error', (error) => fail(`The pinned Node does not run on this system: ${error.message}.`))
  child.on('exit', (code, signal) => {
    if (!signal) process.exit(code)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

function fail(sentence) {
  process.stderr.write(`${sentence}\n`)
  process.exit(1)
}

const [command, ...args] = process.argv.slice(2)
try {
  if (Number(process.versions.node.split('.')[0]) < 18) fail(`Node 18 or newer is needed to begin with; this is ${process.version}.`)
  if (!Object.hasOwn(COMMANDS, command)) fail(`There is no command "${command ?? ''}"; there are ${Object.keys(COMMANDS).join(', ')}.`)
  await install(root, (line) => process.stderr.write(`${line}\n`))
  become(pinnedNode(root), [...COMMANDS[command], ...args])
} catch (error) {
  if (!(error instanceof InstallFault)) throw error
  fail(error.message)
}
