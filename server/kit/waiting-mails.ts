import { sql } from 'drizzle-orm'
import type { Tx } from '../../db/client.ts'
import { opensTo } from './mail.ts'
import type { Sealer } from './seal.ts'

/** Takes mails to an address out of the queue. They are sealed, so each that waits is opened; one that is being sent just now goes out. */
export async function dropMailsTo({ sealer }: { sealer: Sealer }, tx: Tx, address: string): Promise<void> {
  const waiting = await tx.execute<{ id: string; payload: unknown }>(sql`
    select jobs.id::text, jobs.payload from graphile_worker._private_jobs jobs
    join graphile_worker._private_tasks tasks on tasks.id = jobs.task_id
    where tasks.identifier = 'mail.send'`)
  const ids = waiting.filter(({ payload }) => opensTo(sealer, payload) === address).map(({ id }) => id)
  if (ids.length > 0) await tx.execute(sql`select 1 from graphile_worker.complete_jobs(${sql.param(ids.map(Number))}::bigint[])`)
}
