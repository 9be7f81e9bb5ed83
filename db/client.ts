import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import * as schema from './schema/index.ts'

export type Db = PostgresJsDatabase<typeof schema>
export type Tx = Parameters<Parameters<Db['transaction']>[0]>[0]
export type Sql = postgres.Sql

/**
 * Opens a pool. Connections are made when first needed and come back by themselves after a restart of Postgres.
 * Statements longer than `statementTimeoutMs` are cancelled by the server.
 */
export function connect(url: string, options: { max?: number; statementTimeoutMs?: number; applicationName?: string } = {}) {
  const sql = postgres(url, {
    max: options.max ?? 10,
    connect_timeout: 5,
    idle_timeout: 60,
    // the library would wait up to 20 s between attempts, and every question with it
    backoff: (attempt) => Math.min(0.05 * 2 ** attempt, 1),
    onnotice: () => undefined,
    connection: {
      application_name: options.applicationName ?? 'torrent-streamer',
      statement_timeout: options.statementTimeoutMs ?? 10_000,
    },
  })
  const db: Db = drizzle(sql, { schema })
  return { db, sql, close: () => sql.end({ timeout: 5 }) }
}
