import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Db, Tx } from '../../db/client.ts'
import type { Deps } from './context.ts'
import type { JobHandler } from './jobs.ts'
import { sealHeader } from './seal.ts'

/** Every column that is sealed with keys of the kind `column`; the context of a value is `<table>/<id of its row>`. */
export const sealedColumns = [
  { table: 'users', column: 'email_sealed' },
  { table: 'email_flows', column: 'email_sealed' },
  { table: 'totp_factors', column: 'secret_sealed' },
  { table: 'data_exports', column: 'sealed' },
] as const
/** Addresses that are found by their lookup, which stands beside them. */
const foundColumns = ['users', 'email_flows'] as const
const batch = 200

const Payload = z.object({ keyId: z.uuid() })
type Row = { id: string; sealed: Buffer }

/**
 * Seals with the current key what another one has sealed, so that the other can be dropped. Row by row, and only where the row
 * is still as it was read: the service goes on meanwhile.
 */
export const resealColumns: JobHandler = async ({ db, sealer, keys }, payload) => {
  const header = Buffer.from(sealHeader(keys.current().id))
  if (keys.current().id !== Payload.parse(payload).keyId) throw new Error('the new column key does not seal here yet')
  for (const { table, column } of sealedColumns) {
    const [from, name] = [sql.identifier(table), sql.identifier(column)]
    for (;;) {
      const rows = await db.execute<Row>(
        sql`select id, ${name} as sealed from ${from} where length(${name}) > 0 and substring(${name} from 1 for ${header.length}) <> ${header} limit ${batch}`,
      )
      for (const { id, sealed } of rows) {
        const again = Buffer.from(sealer.seal('column', `${table}/${id}`, sealer.open('column', `${table}/${id}`, sealed)))
        await db.execute(sql`update ${from} set ${name} = ${again} where id = ${id}::uuid and ${name} = ${sealed}`)
      }
      if (rows.length < batch) break
    }
  }
}

/** How many values, in columns and in mails that wait, only this key can open. */
export async function sealedWith(tx: Db | Tx, keyId: string): Promise<number> {
  const header = Buffer.from(sealHeader(keyId))
  const begins = (value: ReturnType<typeof sql>) => sql`substring(${value} from 1 for ${header.length}) = ${header}`
  const columns = sealedColumns.map(({ table, column }) => sql`select 1 from ${sql.identifier(table)} where ${begins(sql`${sql.identifier(column)}`)}`)
  // the payload of waiting jobs is in no public view of graphile-worker
  const mails = sql`select 1 from graphile_worker._private_jobs where ${begins(sql`decode(payload->>'sealed', 'base64')`)}`
  const [row] = await tx.execute<{ n: number }>(sql`select count(*)::int as n from (${sql.join([...columns, mails], sql` union all `)}) as found`)
  return row?.n ?? 0
}

/** Hashes every address again with the lookup key that the function is given; erased rows have none. Nobody signs up or changes an address meanwhile. */
export async function recomputeLookups(deps: Pick<Deps, 'sealer'>, tx: Tx, lookup: (email: string) => Uint8Array): Promise<void> {
  for (const table of foundColumns) {
    const from = sql.identifier(table)
    await tx.execute(sql`lock table ${from} in share row exclusive mode`)
    let after = '00000000-0000-0000-0000-000000000000'
    for (;;) {
      const rows = await tx.execute<Row>(sql`select id, email_sealed as sealed from ${from} where id > ${after}::uuid and length(email_sealed) > 0 order by id limit ${batch}`)
      const values = rows.map(({ id, sealed }) => sql`(${id}::uuid, ${Buffer.from(lookup(deps.sealer.openText('column', `${table}/${id}`, sealed)))}::bytea)`)
      const last = rows.at(-1)
      if (!last) break
      await tx.execute(sql`update ${from} set email_lookup = fresh.lookup from (values ${sql.join(values, sql`, `)}) as fresh (id, lookup) where ${from}.id = fresh.id and email_lookup <> fresh.lookup`)
      after = last.id
    }
  }
}
