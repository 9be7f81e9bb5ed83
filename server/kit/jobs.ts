import { sql, type Placeholder } from 'drizzle-orm'
import { parseCronItems, run, Logger as WorkerLogger, type JobHelpers, type Runner } from 'graphile-worker'
import type { Tx } from '../../db/client.ts'
import { statement } from '../../db/statements.ts'
import type { Deps } from './context.ts'
import { logError } from './log.ts'

/** `key`: one waiting job at most bears it. `queue`: its jobs run one at a time. `runAt`: not before. */
export type JobOptions = { key?: string; queue?: string; maxAttempts?: number; runAt?: Date }

/** Adds jobs inside the caller's transaction: the job exists exactly when what asked for it does. */
export type Jobs = {
  add(tx: Tx, name: string, payload: Record<string, unknown>, options?: JobOptions): Promise<void>
  /** As add, for many in one statement: 500 take 0.07 s where one by one they took 2 s. */
  addAll(tx: Tx, name: string, jobs: { payload: Record<string, unknown>; options?: JobOptions }[]): Promise<void>
  /** Adds what nobody waits for: worked seconds later, when the rush of requests that brought it may be over. Costs Postgres a third of what add does, and wakes no worker. */
  addLater(tx: Tx, name: string, payload: Record<string, unknown>): Promise<void>
}

/** A job that names no other time. */
const maxTries = 12
const laterSeconds = 1

export const jobs: Jobs = {
  add: (tx, name, payload, options = {}) => jobs.addAll(tx, name, [{ payload, options }]),
  async addAll(tx, name, all) {
    if (all.length === 0) return
    const specs = all.map(({ payload, options: { key = null, queue = null, maxAttempts = maxTries, runAt = null } = {} }) => ({ payload, queue_name: queue, run_at: runAt, max_attempts: maxAttempts, job_key: key }))
    await addJobs(tx, { name, specs: JSON.stringify(specs) })
  },
  async addLater(tx, name, payload) {
    const [added] = await insertJob(tx, { name, payload: JSON.stringify(payload), maxTries, laterSeconds })
    // no worker has begun yet with such jobs: their name is not there
    if (!added) await jobs.add(tx, name, payload)
  },
}

const addJobs = statement<{ name: string; specs: string }>(
  ({ name, specs }) => sql`
    select 1 from graphile_worker.add_jobs(array(
      select row(${name}::text, payload, queue_name, run_at, max_attempts, job_key, null, null)::graphile_worker.job_spec
      from json_to_recordset(${specs}::json) as spec(payload json, queue_name text, run_at timestamptz, max_attempts int, job_key text)))`,
)

/** As add_jobs() would for one without key and queue, but for its notification. The table is the worker's own: its version is pinned, and a test compares. */
const insertJob = statement<{ name: string; payload: string; maxTries: number; laterSeconds: number }, { id: string }>(
  ({ name, payload, maxTries: tries, laterSeconds: seconds }) => sql`
    insert into graphile_worker._private_jobs (task_id, payload, run_at, max_attempts)
    select id, ${payload}::json, ${inSeconds(seconds)}, ${tries}::int from graphile_worker._private_tasks where identifier = ${name}
    returning id::text`,
)

// eslint-disable-next-line house/sql-clock-is-bound -- workers compare it with the database's own clock
const inSeconds = (seconds: Placeholder) => sql`now() + make_interval(secs => ${seconds}::int)`

/** One job's work. It may run more than once; a throw means: again later, with growing delay. The signal aborts when this node stops. */
export type JobHandler = (deps: Deps, payload: unknown, signal?: AbortSignal) => Promise<void>

/** What runs by the clock (UTC), once however many nodes there are: jobs by name, with their cron pattern. */
export type Schedule = Record<string, string>

/** More than the queues that wait for swarms: eight of metadata and four of media facts. Mails find a free one. */
const workers = 16

/** Works jobs until stopped; stop() lets running ones end. A name that ends with `@node` is of jobs for one node alone, `@` and its id. */
export async function startJobs(deps: Deps, handlers: Record<string, JobHandler>, schedule: Schedule = {}): Promise<Runner> {
  const { databaseUrl } = deps.secrets
  if (!databaseUrl) throw new Error('jobs need a database')
  const taskList = Object.fromEntries(
    Object.entries(handlers).map(([name, handler]) => [
      name.replace(/@node$/, `@${deps.nodeId}`),
      async (payload: unknown, { abortSignal }: JobHelpers) => {
        try {
          await handler(deps, payload, abortSignal)
        } catch (error) {
          logError(deps.log, error, 'a job failed and will be tried again', { job: name })
          throw error
        }
      },
    ]),
  )
  const logger = new WorkerLogger((scope) => (level, message) => {
    if (level === 'error' || level === 'warning') deps.log.warn({ job: scope.taskIdentifier }, message)
  })
  const parsedCronItems = parseCronItems(Object.entries(schedule).map(([task, match]) => ({ task, match })))
  return run({ connectionString: databaseUrl, taskList, parsedCronItems, concurrency: workers, pollInterval: 2_000, noHandleSignals: true, logger, maxPoolSize: 10 })
}
