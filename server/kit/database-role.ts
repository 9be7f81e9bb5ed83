import { sql } from 'drizzle-orm'
import { ConfigError } from '../config.ts'
import type { Deps } from './context.ts'

/** Serving as the owner or a superuser would undo every grant: refused in production, told otherwise (control C6). */
export async function demandSafeRole({ db, config, log }: Pick<Deps, 'db' | 'config' | 'log'>): Promise<void> {
  const [role] = await db.execute<{ name: string; mighty: boolean; owns: boolean }>(sql`
    select current_user as name, rolsuper as mighty,
      exists (select 1 from pg_tables where schemaname = 'public' and pg_has_role(current_user, tableowner, 'member')) as owns
    from pg_roles where rolname = current_user`)
  if (!role || (!role.mighty && !role.owns)) return
  const fault = `DATABASE_URL signs in as ${role.name}, which ${role.mighty ? 'is a superuser' : 'owns the tables'}: use ts_app`
  if (config.production) throw new ConfigError([fault])
  log.warn(fault)
}
