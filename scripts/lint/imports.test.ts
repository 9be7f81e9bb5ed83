/** The import law: each rule catches its planted violations, and a tree that keeps the law passes whole. */
import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const project = fileURLToPath(new URL('../..', import.meta.url))
const configFile = join(project, '.dependency-cruiser.cjs')
const config = createRequire(import.meta.url)(configFile) as { forbidden: { name: string }[] }

/** rule → [importing file, what it imports, 'type' for a type import]. Files named here exist, empty, where the tree below lacks them. */
const planted: Record<string, [from: string, to: string, kind?: 'type'][]> = {
  'lib-imports-nothing-of-ours': [
    ['server/lib/one.ts', 'server/kit/errors.ts'],
    ['server/lib/two.ts', 'db/client.ts', 'type'],
  ],
  'lib-does-no-io': [
    ['server/lib/three.ts', 'node:fs/promises'],
    ['server/lib/four.ts', 'https'],
  ],
  'db-stands-on-lib': [['db/one.ts', 'server/kit/errors.ts']],
  'kit-stands-below-features': [
    ['server/kit/one.ts', 'server/features/a/a.ts'],
    ['server/kit/two.ts', 'server/http/edge.ts'],
    ['server/kit/three.ts', 'server/engine/swarm.ts', 'type'],
    ['server/kit/four.ts', 'server/deps.ts', 'type'],
  ],
  'contract-is-zod-only': [
    ['server/features/b/contract.ts', 'db/client.ts', 'type'],
    ['server/features/c/contract.ts', 'server/kit/errors.ts'],
    ['server/features/d/contract.ts', 'node:crypto'],
    ['server/features/e/contract.ts', 'drizzle-orm'],
  ],
  'feature-stands-on-kit-lib-db': [
    ['server/features/b/b.ts', 'server/http/edge.ts'],
    ['server/features/c/c.ts', 'server/app.ts', 'type'],
    ['server/features/d/d.ts', 'server/deps.ts'],
  ],
  'sibling-through-its-front': [
    ['server/features/e/e.ts', 'server/features/a/inner.ts'],
    ['server/features/f/router.ts', 'server/features/a/router.ts'],
  ],
  'no-cycles': [['server/features/g/one.ts', 'server/features/g/two.ts']],
  'admin-takes-values-of-contracts': [
    ['admin/routes/one.tsx', 'server/router.ts'],
    ['admin/routes/two.tsx', 'server/kit/errors.ts'],
    ['admin/routes/three.tsx', 'server/features/a/a.ts'],
  ],
  'admin-takes-types-of-the-router': [['admin/routes/four.tsx', 'server/kit/errors.ts', 'type']],
  'admin-knows-no-database': [
    ['admin/routes/five.tsx', 'db/client.ts', 'type'],
    ['admin/routes/six.tsx', 'drizzle-orm'],
  ],
  'only-the-mount-knows-admin': [['server/features/h/h.ts', 'admin/root.tsx']],
  'rules-know-no-transport': [
    ['server/features/i/i.ts', '@trpc/server'],
    ['server/features/i/listen.ts', 'fastify', 'type'],
  ],
  'routers-know-no-fastify': [
    ['server/features/i/router.ts', 'fastify', 'type'],
    ['server/features/j/router.ts', '@remix-run/node'],
  ],
  'engine-imports-lib-only': [
    ['server/engine/one.ts', 'server/kit/errors.ts'],
    ['server/engine/two.ts', 'db/client.ts', 'type'],
    ['server/engine/three.ts', 'server/features/a/contract.ts'],
  ],
  'engine-knows-no-database-or-request': [
    ['server/engine/four.ts', 'postgres'],
    ['server/engine/five.ts', 'fastify'],
    ['server/engine/six.ts', 'drizzle-orm'],
  ],
  'only-the-engine-knows-torrents': [
    ['server/features/k/k.ts', 'webtorrent'],
    ['server/kit/five.ts', 'bencode'],
    ['server/http/one.ts', 'bittorrent-tracker'],
  ],
  'server-never-loads-webtorrent': [['server/features/s/s.ts', 'server/engine/swarm.ts']],
  'engine-through-its-doors': [
    ['server/features/l/l.ts', 'server/engine/swarm.ts'],
    ['server/deps.ts', 'server/engine/swarm.ts'],
  ],
  'examiner-imports-lib-only': [
    ['server/media/one.ts', 'server/kit/errors.ts'],
    ['server/media/two.ts', 'server/engine/contract.ts', 'type'],
  ],
  'examiner-through-its-doors': [['server/features/t/t.ts', 'server/media/main.ts']],
  'hostile-media-is-parsed-apart': [
    ['server/features/u/u.ts', 'mediainfo.js'],
    ['server/media/examine.ts', 'mediainfo.js'],
  ],
  'http-stands-on-kit-lib-features': [
    ['server/http/two.ts', 'db/schema/users.ts'],
    ['server/http/three.ts', 'server/app.ts', 'type'],
  ],
  'nothing-shipped-imports-scripts': [['db/two.ts', 'scripts/one.ts']],
  'nothing-shipped-imports-tests': [
    ['server/features/m/m.ts', 'server/test/harness.ts'],
    ['server/features/n/n.ts', 'server/features/a/a.test.ts'],
  ],
  'nothing-shipped-needs-a-development-tool': [['server/features/o/o.ts', 'vite']],
  'only-listed-packages': [['server/features/p/p.ts', 'semver']],
  'imports-resolve': [['server/features/q/q.ts', './missing.ts']],
  'remix-umbrella-stays-unused': [['admin/routes/seven.tsx', 'remix']],
  'lucia-behind-one-door': [['server/features/auth/sign-in.ts', 'lucia']],
  'oslo-behind-one-door': [['server/features/auth/other.ts', 'oslo/otp']],
  'webauthn-behind-one-door': [['server/features/factors/other.ts', '@simplewebauthn/server']],
  'no-orphans': [['server/features/r/left-over.ts', '']],
}

/** Keeps the law: what each of them imports is what it may. */
const lawful: [from: string, to: string[]][] = [
  ['server/lib/ranges.ts', ['node:crypto']],
  ['db/client.ts', ['drizzle-orm', 'db/schema/users.ts', 'server/lib/ranges.ts']],
  ['db/schema/users.ts', ['drizzle-orm/pg-core']],
  ['server/kit/errors.ts', ['@trpc/server', 'server/lib/ranges.ts', 'db/client.ts']],
  ['server/kit/zod.ts', ['zod']],
  ['server/features/a/contract.ts', ['zod', 'server/kit/zod.ts', 'server/features/auth/contract.ts']],
  ['server/features/auth/contract.ts', ['zod']],
  ['server/features/auth/auth.ts', ['server/kit/errors.ts']],
  ['server/features/auth/lucia.ts', ['lucia']],
  ['server/features/factors/totp.ts', ['oslo/otp']],
  ['server/features/a/inner.ts', ['db/client.ts']],
  ['server/features/a/a.ts', ['server/features/a/inner.ts', 'server/features/auth/auth.ts', 'server/engine/client.ts', 'server/media/examine.ts', 'server/features/a/contract.ts']],
  ['server/features/a/router.ts', ['@trpc/server', 'server/features/a/a.ts']],
  ['server/features/a/a.test.ts', ['vitest', 'server/test/harness.ts', 'server/features/a/a.ts']],
  ['server/test/harness.ts', ['webtorrent', 'server/app.ts', 'server/engine/swarm.ts']],
  ['server/engine/contract.ts', ['zod']],
  ['server/engine/client.ts', ['server/engine/contract.ts', 'node:child_process']],
  ['server/engine/reader.ts', ['server/engine/contract.ts', 'node:fs/promises']],
  ['server/engine/swarm.ts', ['webtorrent', 'server/lib/ranges.ts', 'server/engine/contract.ts']],
  ['server/media/contract.ts', ['zod']],
  ['server/media/examine.ts', ['server/media/contract.ts', 'node:child_process']],
  ['server/media/main.ts', ['server/media/contract.ts', 'server/lib/ranges.ts', 'mediainfo.js']],
  ['server/router.ts', ['server/features/a/router.ts']],
  ['server/http/edge.ts', ['fastify', 'server/router.ts', 'server/features/a/a.ts', 'server/kit/errors.ts', 'server/engine/reader.ts', 'db/client.ts']],
  ['server/app.ts', ['server/http/edge.ts']],
  ['admin/root.tsx', ['react', 'server/features/a/contract.ts']],
  ['scripts/one.ts', ['server/app.ts', 'webtorrent', 'server/test/harness.ts']],
]

let root = ''
const broken: Record<string, string[]> = {}

beforeAll(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'imports-')))
  await plant('lawful', [])
  await plant('unlawful', Object.values(planted).flat())
  for (const tree of ['lawful', 'unlawful']) broken[tree] = await violations(join(root, tree))
}, 120_000)
afterAll(() => rm(root, { recursive: true, force: true }))

test('a tree that keeps the law passes', () => {
  expect(broken['lawful']).toEqual([])
})

const rows = Object.entries(planted).flatMap(([rule, cases]) => cases.map(([from, to, kind = 'value']) => ({ rule, from, to, kind })))
test.each(rows)('$rule: $from → $kind $to', ({ rule, from }) => {
  expect(broken['unlawful']).toContain(`${rule}: ${from}`)
})

test('every rule has a row', () => {
  expect(Object.keys(planted).sort()).toEqual(config.forbidden.map(({ name }) => name).sort())
})

async function plant(tree: string, more: [from: string, to: string, kind?: 'type'][]) {
  const files = new Map<string, string>()
  const add = (file: string, text: string) => files.set(file, (files.get(file) ?? 'export const x = 1\n') + text)
  for (const [from, targets] of lawful) for (const to of targets) add(from, importOf(from, to, 'value'))
  for (const [from, to, kind = 'value'] of more) add(from, to && importOf(from, to, kind))
  if (more.length > 0) {
    add('server/features/g/two.ts', importOf('server/features/g/two.ts', 'server/features/g/one.ts', 'value'))
    add('server/deps.ts', '')
  }
  for (const [file, text] of files) {
    await mkdir(dirname(join(root, tree, file)), { recursive: true })
    await writeFile(join(root, tree, file), text)
  }
  for (const file of ['package.json', 'tsconfig.json']) await copyFile(join(project, file), join(root, tree, file))
  await mkdir(join(root, tree, 'e2e'))
  await symlink(join(project, 'node_modules'), join(root, tree, 'node_modules'))
}

let names = 0
function importOf(from: string, to: string, kind: 'type' | 'value') {
  const isOurs = /^(server|db|admin|scripts)\//.test(to)
  const path = isOurs ? `${'../'.repeat(from.split('/').length - 1) || './'}${to}` : to
  const name = `x${names++}`
  return kind === 'type' ? `import type { x as ${name} } from '${path}'\nexport type T${name} = typeof ${name}\n` : `import { x as ${name} } from '${path}'\nexport const v${name} = ${name}\n`
}

async function violations(cwd: string): Promise<string[]> {
  const depcruise = join(project, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs')
  const args = [depcruise, '--config', configFile, '--output-type', 'json', 'server', 'db', 'scripts', 'admin', 'e2e']
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd, maxBuffer: 2 ** 27 }).catch((error: { stdout: string; stderr: string }) => {
    if (!error.stdout) throw new Error(error.stderr)
    return error
  })
  const { summary } = JSON.parse(stdout) as { summary: { violations: { from: string; rule: { name: string } }[] } }
  return summary.violations.map(({ rule, from }) => `${rule.name}: ${from}`)
}
