/** Each guard against a file that trips it, run by a vitest of its own with the guards of this project. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** Body of a test in a planted file → what the failure must say; null: the control passes. */
const planted: Record<string, { body: string; says: string | null }> = {
  control: {
    body: `const server = net.createServer((socket) => socket.end('hi')).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const socket = net.connect(server.address().port, '127.0.0.1')
      socket.resume()
      await once(socket, 'close')
      await once(server.close(), 'close')
      await once(spawn(process.execPath, ['-e', '0']), 'close')
      await promises.lookup('localhost').catch(() => {})
      const udp = dgram.createSocket('udp4').bind(0)
      await once(udp, 'listening')
      udp.send('x', udp.address().port)
      await once(udp, 'message')
      udp.close()`,
    says: null,
  },
  'console.error': { body: `console.error('a fault %d', 7)`, says: 'console.error: a fault 7' },
  'console.warn': { body: `console.warn('careful')`, says: 'console.warn: careful' },
  'listeners that pile up': {
    body: `const e = new EventEmitter(); for (let i = 0; i < 20; i++) e.on('x', () => {}); await once(process, 'warning')`,
    says: 'MaxListenersExceededWarning',
  },
  'TCP outward': {
    body: `await expect(once(net.connect(80, '192.0.2.1'), 'connect')).rejects.toThrow('beyond loopback')`,
    says: 'TCP 192.0.2.1:80',
  },
  'fetch outward': { body: `await expect(fetch('http://192.0.2.1:81/')).rejects.toThrow()`, says: 'TCP 192.0.2.1:81' },
  'fetch by name': { body: `await expect(fetch('http://tracker.invalid/')).rejects.toThrow()`, says: 'DNS lookup tracker.invalid' },
  'DNS through an imported binding': { body: `await expect(promises.resolve4('a.invalid')).rejects.toThrow()`, says: 'DNS resolve4 a.invalid' },
  'UDP outward': {
    body: `const udp = dgram.createSocket('udp4'); await new Promise((done) => udp.send('x', 6881, '192.0.2.1', done)); udp.close()`,
    says: 'UDP 192.0.2.1',
  },
  'a child that reaches outward': {
    body: `const code = "require('net').connect(82, '192.0.2.1').on('error', () => {})"
      await once(spawn(process.execPath, ['-e', code]), 'close')`,
    says: 'TCP 192.0.2.1:82',
  },
  'a server left open': { body: `await once(net.createServer().listen(0, '127.0.0.1'), 'listening')`, says: 'server on {"address":"127.0.0.1"' },
  'a child left running': {
    // it lives on its parent's pipe, so the worker that dies with it running takes it along
    body: `spawn(process.execPath, ['-e', 'process.stdin.resume()']).unref()`,
    says: 'child process',
  },
  'an interval left ticking': { body: `setInterval(() => {}, 1000)`, says: '1 × Timeout' },
}

let root = ''
const results = new Map<string, { status: string; message: string }>()

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'guards-test-'))
  await symlink(here('../../node_modules'), join(root, 'node_modules'))
  await writeFile(join(root, 'package.json'), '{"type":"module"}')
  await writeFile(
    join(root, 'vitest.config.ts'),
    `export default { test: { setupFiles: [${JSON.stringify(here('guards.ts'))}], experimental: { viteModuleRunner: false, nodeLoader: false } } }`,
  )
  for (const [name, { body }] of Object.entries(planted)) {
    const file = `import { spawn } from 'node:child_process'
      import { EventEmitter, once } from 'node:events'
      import { promises } from 'node:dns'
      import dgram from 'node:dgram'
      import net from 'node:net'
      import { expect, test } from 'vitest'
      test('planted', async () => { ${body} })`
    await writeFile(join(root, `${fileNameOf(name)}.test.ts`), file)
  }
  const report = join(root, 'report.json')
  const vitest = here('../../node_modules/vitest/vitest.mjs')
  const env = { ...process.env, NODE_OPTIONS: '', LOOPBACK_ONLY_LOG: '' }
  const args = [vitest, 'run', '--root', root, '--reporter=json', '--outputFile', report, '--maxWorkers=2']
  await new Promise((done) => execFile(process.execPath, args, { env }, done))
  interface Report { testResults: { name: string; status: string; message: string; assertionResults: { failureMessages: string[] }[] }[] }
  const { testResults } = JSON.parse(await readFile(report, 'utf8')) as Report
  for (const file of testResults) {
    const message = [file.message, ...file.assertionResults.flatMap((one) => one.failureMessages)].join('\n')
    results.set(file.name.split('/').at(-1) ?? '', { status: file.status, message })
  }
})

afterAll(() => rm(root, { recursive: true, force: true }))

test.each(Object.entries(planted))('%s', (name, { says }) => {
  const result = results.get(`${fileNameOf(name)}.test.ts`)
  if (says === null) return expect(result).toEqual({ status: 'passed', message: '' })
  expect(result?.status).toBe('failed')
  expect(result?.message).toContain(says)
})

function fileNameOf(name: string) {
  return name.replaceAll(/\W+/g, '-')
}
