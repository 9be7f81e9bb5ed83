/**
 * Violations of every rule of the house: where each is planted and what it says; `*` in a path becomes a number, so that all
 * fit in one tree. `allowed`: a place where the same text is right.
 */
export interface Planted {
  rule: string
  path: string
  code: string
  allowed?: string
}

const feature = 'server/features/x*/x.ts'
const test = 'server/features/x*/x.test.ts'
const at = (path: string, rule: string, codes: string[], allowed?: string): Planted[] =>
  codes.map((code) => ({ rule, path, code, ...(allowed ? { allowed } : {}) }))

export const planted: Planted[] = [
  // everywhere
  ...at(feature, 'eqeqeq', ['export const same = (a: number, b: number) => a == b']),
  ...at(feature, 'no-eval', ['eval("1")', 'globalThis.eval("1")']),
  ...at(feature, 'no-implied-eval', ['setTimeout("1", 1)']),
  ...at(feature, 'no-new-func', ['export const f = new Function("return 1")']),
  ...at(feature, 'no-warning-comments', ['// TODO: later\nexport {}', '/* a FIXME */\nexport {}']),
  ...at(feature, 'max-lines', [Array.from({ length: 401 }, (_, i) => `export const line${i} = ${i}`).join('\n')]),
  ...at(feature, 'house/disable-needs-reason', [
    '/* eslint-disable */\nexport {}',
    '/* eslint-disable -- everything, for once */\nexport {}',
    'eval("1") // eslint-disable-line no-eval',
    '// eslint-disable-next-line no-eval -- why\neval("1")',
  ]),
  ...at('server/features/x/utils.ts', 'house/no-drawer', ['export {}'], 'server/features/x/utilities-of-trade.ts'),
  ...at('server/services/x.ts', 'house/no-drawer', ['export {}']),
  ...at('admin/routes/x*.tsx', 'house/no-raw-html', [
    'export const a = <p dangerouslySetInnerHTML={{ __html: "x" }} />',
    'export const props = { dangerouslySetInnerHTML: { __html: "x" } }',
  ]),
  ...at(feature, 'house/no-shell', [
    "import { exec } from 'node:child_process'\nexec('ls')",
    "import * as child from 'child_process'\nchild.exec('ls')",
    "import { spawn } from 'node:child_process'\nspawn('ls', { shell: true })",
  ]),
  ...at(feature, 'security/detect-bidi-characters', ['export const name = "a\u202eb"']),
  ...at(feature, 'security/detect-possible-timing-attacks', ['export function same(password: string) { if (password === "given") return 1; return 2 }']),

  // typed
  ...at(feature, '@typescript-eslint/no-explicit-any', ['export const x = JSON.parse("1") as any', 'export let y: any']),
  ...at(feature, '@typescript-eslint/ban-ts-comment', ['// @ts-ignore\nexport {}', '// @ts-nocheck\nexport {}', '// @ts-expect-error\nexport const x: number = "1"']),
  ...at(feature, '@typescript-eslint/no-floating-promises', ['const later = async () => 1\nlater()']),
  ...at(feature, '@typescript-eslint/no-misused-promises', ['const later = async () => true\nif (later()) later().catch(() => undefined)']),
  ...at(feature, '@typescript-eslint/await-thenable', ['await 1']),
  ...at(feature, '@typescript-eslint/only-throw-error', ['throw "text"']),
  ...at(feature, '@typescript-eslint/return-await', ['export async function f() { try { return Promise.resolve(1) } catch { return 2 } }']),
  ...at(feature, '@typescript-eslint/switch-exhaustiveness-check', ["export function f(k: 'a' | 'b') { switch (k) { case 'a': return 1 } return 2 }"]),
  ...at(feature, '@typescript-eslint/no-non-null-assertion', ['export const f = (x?: string) => x!.length']),

  // what arrives as an argument
  ...at(
    feature,
    'house/environment-in-main-only',
    [
      'export const x = process.env',
      "export const x = process['env']",
      'export const x = globalThis.process.env',
      'export const { env } = process',
      "import { env } from 'node:process'\nexport const x = env",
      "import p from 'node:process'\nexport const x = p.env",
    ],
    'server/main.ts',
  ),
  ...at('server/engine/main*.ts', 'house/environment-in-main-only', ['export const x = process.env'], 'server/engine/main*.test.ts'),
  ...at('admin/root*.tsx', 'house/environment-in-main-only', ['export const x = process.env'], 'scripts/x*.ts'),
  ...at(
    feature,
    'house/clock-is-injected',
    ['export const t = new Date()', 'export const t = Date.now()', 'export const t = Date()', "export const t = Date['now']()", 'export const t = Temporal.Now.instant()'],
    'server/kit/clock*.ts',
  ),
  ...at('db/x*.ts', 'house/clock-is-injected', ['export const t = new Date()'], 'server/engine/x*.ts'),
  ...at('admin/routes/x*.tsx', 'house/clock-is-injected', ['export const t = new Date()'], 'scripts/x*.ts'),
  ...at(
    feature,
    'house/randomness-is-injected',
    [
      'export const r = Math.random()',
      "import { randomUUID } from 'node:crypto'\nexport const r = randomUUID()",
      "import { randomBytes as bytes } from 'crypto'\nexport const r = bytes(2)",
      "import crypto from 'node:crypto'\nexport const r = crypto.createHash('sha256')",
      'export const r = crypto.randomUUID()',
      'export const r = globalThis.crypto.getRandomValues(new Uint8Array(2))',
    ],
    'server/kit/clock*.ts',
  ),
  ...at('db/x*.ts', 'house/randomness-is-injected', ['export const r = Math.random()'], 'server/test/x*.ts'),
  ...at(
    feature,
    'house/sql-clock-is-bound',
    [
      "import { sql } from 'drizzle-orm'\nexport const q = sql`select 1 where at < now()`",
      "import { sql } from 'drizzle-orm'\nexport const q = sql`select CURRENT_TIMESTAMP`",
      "import { timestamp } from 'drizzle-orm/pg-core'\nexport const at = timestamp('at').defaultNow()",
    ],
    'scripts/x*.ts',
  ),
  ...at(
    feature,
    'house/trpc-error-in-kit-only',
    [
      "import { TRPCError } from '@trpc/server'\nthrow new TRPCError({ code: 'NOT_FOUND' })",
      "import * as trpc from '@trpc/server'\nthrow new trpc.TRPCError({ code: 'NOT_FOUND' })",
      "import { TRPCError } from '@trpc/server'\nexport class Mine extends TRPCError {}",
    ],
    'server/kit/errors*.ts',
  ),
  ...at(feature, 'no-console', ['console.log("x")'], 'scripts/x*.ts'),
  ...at('admin/root*.tsx', 'no-console', ['console.error("x")']),
  ...at('db/x*.ts', 'house/no-database-singleton', [
    "import postgres from 'postgres'\nexport const sql = postgres('postgres://127.0.0.1/x')",
    "import { drizzle } from 'drizzle-orm/postgres-js'\nconst holder = { db: drizzle('postgres://127.0.0.1/x') }\nexport default holder",
    "import { connect } from './client.ts'\nexport const { db } = connect('postgres://127.0.0.1/x')",
  ]),

  // contracts and SQL
  ...at(
    'server/features/x*/contract.ts',
    'house/contract-is-strict',
    ['z.coerce.number()', 'z.any()', 'z.unknown()', 'z.record(z.string(), z.string())', 'z.union([z.string(), z.number()])', 'z.looseObject({})', 'z.object({}).passthrough()', 'z.string().or(z.number())'].map(
      (schema) => `import { z } from 'zod'\nexport const X = ${schema}`,
    ),
    'server/config*.ts',
  ),
  ...at(
    feature,
    'house/sql-is-parameterised',
    [
      "import { sql } from 'drizzle-orm'\nexport const q = (name: string) => sql.raw(name)",
      "import type { Sql } from '../../../db/client.ts'\nexport const q = (tx: Sql, name: string) => tx.unsafe(name)",
      'export const q = (pool: { query(text: string): void }, name: string) => pool.query(`select ${name}`)',
      "export const q = (pool: { execute(text: string): void }, name: string) => pool.execute('select ' + name)",
    ],
    'db/x*.ts',
  ),

  // tests
  ...at(test, 'house/no-only', ["test.only('x', () => {})", "describe.only('x', () => {})", "test.describe.only('x', () => {})"].map(inTest)),
  ...at(
    test,
    'house/skip-needs-reason',
    ["test.skip('x', () => {})", "test('x', ({ skip }) => { skip() })", "test('x', (context) => { context.skip(true) })", "test.skipIf(true)('x', () => {})", "test.todo('x')", "describe.skip('x', () => {})"].map(inTest),
  ),
  ...at('e2e/x*.spec.ts', 'house/skip-needs-reason', ["import { test } from '@playwright/test'\ntest('x', () => { test.skip(true) })", "import { test } from '@playwright/test'\ntest.fixme('x', () => {})"]),
  ...at(
    test,
    'house/no-sleep',
    [
      'await new Promise((done) => setTimeout(done, 10))',
      "import { setTimeout as pause } from 'node:timers/promises'\nawait pause(10)",
      "import timers from 'timers/promises'\nawait timers.setTimeout(10)",
      "import { promisify } from 'node:util'\nawait promisify(setTimeout)(10)",
    ],
    'server/test/x*.ts',
  ),
  ...at('e2e/x*.spec.ts', 'house/no-sleep', ["import { test } from '@playwright/test'\ntest('x', async ({ page }) => { await page.waitForTimeout(10) })"]),
]

function inTest(code: string) {
  return `import { describe, test } from 'vitest'\ndescribe('d', () => {})\n${code}`
}

/** Says nothing wrong anywhere: no rule at all may fire. */
export const clean: { path: string; code: string }[] = [
  {
    path: 'server/features/clean/clean.ts',
    code: `import { eq, sql } from 'drizzle-orm'
import type { Authed } from '../../kit/context.ts'

export const deadline = (ctx: Pick<Authed, 'now' | 'newId' | 'randomBytes'>) => ({
  at: new Date(ctx.now().getTime() + 1_000),
  id: ctx.newId(),
  secret: ctx.randomBytes(32),
})
export const named = (column: Parameters<typeof eq>[0], name: string) => sql\`select 1 where \${eq(column, name)}\`
`,
  },
  {
    path: 'server/features/clean/clean.test.ts',
    code: `import { expect, test, vi } from 'vitest'

test('waits for the condition', async ({ skip }) => {
  skip(process.platform === 'win32', 'signals differ on Windows')
  await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(0))
})
`,
  },
  {
    path: 'server/features/clean/contract.ts',
    code: `import { z } from 'zod'

export const Clean = z.strictObject({ name: z.string().max(80), kind: z.enum(['a', 'b']) })
`,
  },
]
