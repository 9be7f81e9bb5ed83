import { sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Db, Sql, Tx } from '../../db/client.ts'
import { logError } from './log.ts'
import type { Logger } from 'pino'

/** What can end while something still uses it. */
const Revocation = z.object({ kind: z.enum(['session', 'torrent', 'link']), id: z.string() })
export type Revocation = z.infer<typeof Revocation>

export type Revocations = {
  /** Has the session ended? From memory while the channel is known to live, else from the database. Throws when neither can tell. */
  sessionEnded(sessionId: string): Promise<boolean>
  /** Is the channel known to live? Otherwise what is in flight must be re-checked against the database. */
  live(): boolean
  subscribe(listener: (revocation: Revocation) => void): () => void
  [Symbol.asyncDispose](): Promise<void>
}

const channel = 'revocations'
const heartbeatMs = 300
/** Without a heartbeat for so long, the channel is not trusted. */
const silenceMs = 900
/** Ended sessions are remembered for longer than an access token may live. */
const rememberMinutes = 60

/** Announces an end to every node; delivered when the transaction commits. */
export async function announce(tx: Tx, revocation: Revocation): Promise<void> {
  await tx.execute(sql`select pg_notify(${channel}, ${JSON.stringify(revocation)})`)
}

/**
 * Listens for ends on LISTEN/NOTIFY. The node proves to itself that the channel lives by notifying itself;
 * when the proof is late, sessionEnded() asks the database.
 */
export async function listenForRevocations(deps: { db: Db; sql: Sql; now: () => Date; newId: () => string; log: Logger }): Promise<Revocations> {
  const node = deps.newId()
  const ended = new Map<string, number>()
  const listeners = new Set<(revocation: Revocation) => void>()
  // performance.now(): a change of the wall clock must not make a dead channel look alive
  let heardAt = Number.NEGATIVE_INFINITY
  /** False from the loss of the connection until the ends that were missed have been read. */
  let caughtUp = false

  const remember = (id: string) => ended.set(id, deps.now().getTime())
  const catchUp = async () => {
    const rows = await deps.db.execute<{ public_id: string }>(
      sql`select public_id from sessions where ended_at > ${deps.now().toISOString()}::timestamptz - make_interval(mins => ${rememberMinutes})`,
    )
    for (const row of rows) remember(row.public_id)
    caughtUp = true
  }

  const subscription = await deps.sql.listen(
    channel,
    (payload) => {
      if (payload.startsWith('heartbeat:')) {
        if (payload === `heartbeat:${node}`) heardAt = performance.now()
        return
      }
      const parsed = Revocation.safeParse(JSON.parse(payload))
      if (!parsed.success) return
      if (parsed.data.kind === 'session') remember(parsed.data.id)
      for (const listener of listeners) listener(parsed.data)
    },
    // called at the first connection and after each reconnection
    () => {
      caughtUp = false
      catchUp().catch((error: unknown) => logError(deps.log, error, 'ended sessions could not be read'))
    },
  )

  let beating = false
  const timer = setInterval(() => {
    const horizon = deps.now().getTime() - rememberMinutes * 60_000
    for (const [id, at] of ended) if (at < horizon) ended.delete(id)
    if (beating) return
    beating = true
    deps.sql
      .notify(channel, `heartbeat:${node}`)
      .then(() => (caughtUp ? undefined : catchUp()))
      .catch(() => undefined)
      .finally(() => (beating = false))
  }, heartbeatMs)
  timer.unref()

  const live = () => caughtUp && performance.now() - heardAt < silenceMs
  return {
    live,
    async sessionEnded(sessionId) {
      if (ended.has(sessionId)) return true
      if (live()) return false
      const [row] = await deps.db.execute<{ live: boolean }>(sql`select ended_at is null as live from sessions where public_id = ${sessionId}::uuid`)
      return row?.live !== true
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      listeners.clear()
      await subscription.unlisten().catch(() => undefined)
    },
  }
}
