import { is, Param, Placeholder, sql, type SQLWrapper } from 'drizzle-orm'
import { PgDialect } from 'drizzle-orm/pg-core'
import { drizzle } from 'drizzle-orm/postgres-js'
import type { Db, Sql, Tx } from './client.ts'

type Given = Record<string, unknown>
type Read = (given: Given) => unknown

/** Builds statements for no connection in particular. */
export const draft = drizzle.mock()

const dialect = new PgDialect()

/**
 * A statement whose text is made once, at its first use, and which Postgres prepares once a connection. Made anew each time, as
 * Drizzle makes them, the statements of a sign-in cost the server more than all else of it (docs/decisions/0030). For what is sent
 * over and over, and found by a key: each execution uses the same plan.
 * @param build `given` has a placeholder for each value; one that stands for a column of a Drizzle builder is encoded as the column says
 * @returns sends it; rows have the names of the statement's columns, and their moments are texts
 */
export function statement<Values extends Given, Row extends Given = never>(build: (given: { [Name in keyof Values]: Placeholder }) => SQLWrapper): (db: Db | Tx, values: Values) => Promise<Row[]> {
  let made: { text: string; reads: Read[] } | undefined
  const make = () => {
    const placeholders = new Proxy({}, { get: (_target, name: string) => sql.placeholder(name) })
    const { sql: text, params } = dialect.sqlToQuery(build(placeholders as never).getSQL())
    // a value that is named often is bound once
    const names = params.map((param, at) => (is(param, Placeholder) ? param.name : at))
    const bound = new Map(names.map((name, at) => [name, params[at]]))
    const numbers = new Map([...bound.keys()].map((name, at) => [name, at + 1]))
    return { text: text.replaceAll(/\$(\d+)/g, (_sign, number) => `$${numbers.get(names[Number(number) - 1] ?? 0)}`), reads: [...bound.values()].map(readOf) }
  }
  return (db, values) => {
    const { text, reads } = (made ??= make())
    // at once, not when awaited: what is sent together goes in the order of the calls
    const sent: Promise<Row[]> = clientOf(db).unsafe<Row[]>(text, reads.map((read) => read(values)) as never[], { prepare: true }).execute()
    return sent.catch((error: unknown) => {
      // for the log: which statement it was, without what it held
      if (error instanceof Error) error.cause ??= new Error(`in the statement ${text}`)
      throw error
    })
  }
}

function readOf(parameter: unknown): Read {
  if (is(parameter, Placeholder)) return (given) => plain(given[parameter.name])
  if (!is(parameter, Param) || !is(parameter.value, Placeholder)) return () => parameter
  const { encoder, value: { name } } = parameter
  return (given) => (given[name] === null ? null : encoder.mapToDriverValue(given[name]))
}

const plain = (value: unknown) => (value instanceof Date ? value.toISOString() : value)

/** The connection, or the pool, that Drizzle sends by. */
const clientOf = (db: Db | Tx) => (db._.session as unknown as { client: Sql }).client
