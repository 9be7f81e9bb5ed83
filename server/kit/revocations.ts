import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { listenTo, type Db, type Sql, type Tx } from '../../db/client.ts'
import { logError } from './log.ts'
import type { Logger } from 'pino'

/** What can end while something still uses it; `keys`: that they changed, whichever it was. */
const Revocation = z.object({ kind: z.enum(['session', 'torrent', 'link', 'keys']), id: z.string() })
export type Revocation = z.infer<typeof Revocation>

export type Revocations = {
  /** Has the session ended? From memory while the channel is known to live, else from the database. Throws when neither can tell. */
  sessionEnded(sessionId: string): Promise<boolean>
  /** Is the channel known to live? Otherwise what is in flight must be re-checked against the database. */
  live(): boolean
  /** Takes in what has ended, wherever this node learned of it. */
  hear(revocation: Revocation): void
  subscribe(listener: (revocation: Revocation) => void): () => void
  [Symbol.asyncDispose](): Promise<void>
}

const channel = 'revocations'
const heartbeatMs = 300
/** Without a heartbeat for so long, the channel is not trusted. */
const silenceMs = 900
/** Ended sessions are remembered for longer than an access token may live. */
const rememberMinutes = 60

const announced = new WeakMap<object, Revocation[]>()

/** Announces an end to every node; delivered when the transaction commits. */
export async function announce(tx: Tx, revocation: Revocation): Promise<void> {
  await tx.execute(sql`select pg_notify(${channel}, ${JSON.stringify(revocation)})`)
  announced.get(tx)?.push(revocation)
}

/**
 * From now on this node hears what its own transactions announced as soon as they have committed, before whoever asked is answered;
 * the way over the channel takes some milliseconds, in which the same node would still let the ended session in.
 */
export function hearOwnCommits(db: Db, { hear }: Pick<Revocations, 'hear'>): void {
  const transaction = db.transaction.bind(db)
  db.transaction = async (work, config) => {
    const own: Revocation[] = []
    const result = await transaction((tx) => {
      announced.set(tx, own)
      return work(tx)
    }, config)
    own.forEach(hear)
    return result
  }
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
  /** Counts connections: what was read before one was lost says nothing of the time after. */
  let connections = 0

  const remember = (id: string) => ended.set(id, deps.now().getTime())
  const hear = (revocation: Revocation) => {
    if (revocation.kind === 'session') remember(revocation.id)
    for (const listener of listeners) listener(revocation)
  }
  const distrust = () => {
    caughtUp = false
    heardAt = Number.NEGATIVE_INFINITY
    connections += 1
  }
  const catchUp = async () => {
    const connection = connections
    const rows = await deps.db.execute<{ public_id: string }>(
      sql`select public_id from sessions where ended_at > ${deps.now().toISOString()}::timestamptz - make_interval(mins => ${rememberMinutes})`,
    )
    for (const row of rows) remember(row.public_id)
    if (connection !== connections) return
    caughtUp = true
    for (const listener of listeners) listener({ kind: 'keys', id: 'unknown' })
  }

  const subscription = await listenTo(deps.sql, channel, {
    payload(payload) {
      if (payload.startsWith('heartbeat:')) {
        if (payload === `heartbeat:${node}`) heardAt = performance.now()
        return
      }
      const revocation = read(payload)
      if (revocation) hear(revocation)
    },
    listening() {
      distrust()
      catchUp().catch((error: unknown) => logError(deps.log, error, 'ended sessions could not be read'))
    },
    lost: distrust,
  })

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
    hear,
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
      await subscription[Symbol.asyncDispose]()
    },
  }
}

function read(payload: string): Revocation | null {
  try {
    return Revocation.parse(JSON.parse(payload))
  } catch {
    return null
  }
}
