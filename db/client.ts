import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'

export type Db = PostgresJsDatabase
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
  // without the schema, which is for db.query: each transaction would make that anew for every table
  const db: Db = drizzle(preparingInTransactions(sql))
  return { db, sql, close: () => sql.end({ timeout: 5 }) }
}

/** Lists are bound one parameter an entry: a statement for each length that occurs is not worth keeping. */
const mostParameters = 32

/**
 * Drizzle's statements go out unnamed: each is parsed and planned anew, and takes two round trips, since the library asks for
 * the types of the parameters first; what is sent together then waits for each other after all. A transaction holds a
 * connection and mostly locks as well, so within one they are prepared, once a connection. Outside one a search may need
 * another plan for each of its values, and goes unnamed as ever.
 */
function preparingInTransactions(sql: Sql): Sql {
  const begin = (work: (tx: postgres.TransactionSql) => unknown) =>
    sql.begin((tx) => {
      const unsafe = tx.unsafe.bind(tx)
      tx.unsafe = (text, parameters = [], options) => unsafe(text, parameters, { ...options, prepare: parameters.length > 0 && parameters.length <= mostParameters })
      return work(tx)
    })
  return Object.create(sql, { begin: { value: begin } }) as Sql
}

type Listener = { payload(text: string): void; listening(): void; lost(): void }

/**
 * LISTEN on a connection of its own, which comes back by itself. As the library's own listen() does it, but that one does not
 * tell when the connection is lost; `lost` is called at once, and `listening` when it listens (again).
 * @throws what the first attempt threw
 */
export async function listenTo(sql: Sql, channel: string, on: Listener): Promise<AsyncDisposable> {
  let closing = false
  const options = {
    ...sql.options,
    max: 1,
    idle_timeout: null,
    max_lifetime: null,
    fetch_types: false,
    onclose() {
      if (closing) return
      on.lost()
      // a failed attempt ends in onclose again, after the pool's backoff
      listen().catch(() => undefined)
    },
    // read by the library, though not in its types
    onnotify: (_channel: string, payload: string) => on.payload(payload),
  }
  const own = postgres(options as unknown as postgres.Options<Record<string, never>>)
  const listen = async () => own`listen ${own(channel)}`.then(() => on.listening())
  await listen()
  return {
    [Symbol.asyncDispose]: () => {
      closing = true
      return own.end({ timeout: 1 })
    },
  }
}
