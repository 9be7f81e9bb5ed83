import { sql } from 'drizzle-orm'
import type { FastifyInstance } from 'fastify'
import { pendingMigrations } from '../../db/migrate.ts'
import type { Deps } from '../kit/context.ts'

/** GET /healthz: the process answers. GET /readyz: database, migrations and engine do, too. */
export function mountHealth(app: FastifyInstance, deps: Deps): void {
  const config = { permission: 'public' } as const
  app.get('/healthz', { config }, () => ({ status: 'ok' }))
  app.get('/readyz', { config }, async (_request, reply) => {
    const checks = await Promise.all([
      check('database', async () => void (await deps.db.execute(sql`select 1`))),
      check('migrations', async () => {
        if ((await pendingMigrations(deps.sql)) > 0) throw new Error('pending')
      }),
      check('engine', () => (deps.engine.alive() ? Promise.resolve() : Promise.reject(new Error('down')))),
    ])
    const ready = checks.every(({ ok }) => ok)
    return reply.code(ready ? 200 : 503).header('cache-control', 'no-store').send({ status: ready ? 'ready' : 'not_ready', checks: Object.fromEntries(checks.map(({ name, ok }) => [name, ok ? 'ok' : 'failing'])) })
  })
}

async function check(name: string, probe: () => Promise<void>): Promise<{ name: string; ok: boolean }> {
  const patience = AbortSignal.timeout(2_000)
  const late = new Promise<never>((_resolve, reject) => patience.addEventListener('abort', () => reject(new Error('late')), { once: true }))
  return Promise.race([probe(), late]).then(
    () => ({ name, ok: true }),
    () => ({ name, ok: false }),
  )
}
