import { sql } from 'drizzle-orm'
import type { Tx } from '../../db/client.ts'
import { auditLog } from '../../db/schema/index.ts'
import type { Actor, Deps, RequestInfo } from './context.ts'

export type AuditEntry = {
  /** `noun.verb`, as in `torrent.approve`. */
  action: string
  target?: { kind: 'user' | 'session' | 'torrent' | 'api_key' | 'batch' | 'setup_link' | 'playback' | 'invite' | 'key' | 'publication'; id: string }
  details?: Record<string, unknown>
}

/** Writes one row inside the caller's transaction: no decision without its row, no row without its decision (control E2). */
export type Audit = (tx: Tx, entry: AuditEntry) => Promise<void>

export function auditFor(deps: Pick<Deps, 'now'>, actor: Actor, request: RequestInfo | null): Audit {
  return async (tx, { action, target, details = {} }) => {
    await tx.insert(auditLog).values({
      at: deps.now(),
      actorKind: actor.kind,
      actorId: actor.kind === 'user' ? pseudonymOf(actor.userId) : actor.kind === 'api_key' ? actor.keyId : null,
      action,
      targetKind: target?.kind ?? null,
      targetId: target ? (target.kind === 'user' ? sql`${pseudonymOf(target.id)}::text` : target.id) : null,
      details,
      requestId: request?.id ?? null,
    })
  }
}

/** People stand in the log by a pseudonym whose link to them can be erased (control C7). */
const pseudonymOf = (userId: string) => sql`(select pseudonym from users where id = ${userId}::uuid)`
