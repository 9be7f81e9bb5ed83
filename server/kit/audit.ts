import { sql, type Placeholder } from 'drizzle-orm'
import type { Tx } from '../../db/client.ts'
import { statement } from '../../db/statements.ts'
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
    await write(tx, {
      at: deps.now(),
      actorKind: actor.kind,
      actorKey: actor.kind === 'api_key' ? actor.keyId : null,
      actorUser: actor.kind === 'user' ? actor.userId : null,
      action,
      targetKind: target?.kind ?? null,
      targetId: target && target.kind !== 'user' ? target.id : null,
      targetUser: target?.kind === 'user' ? target.id : null,
      details: JSON.stringify(details),
      requestId: request?.id ?? null,
    })
  }
}

type Row = { at: Date; actorKind: Actor['kind']; actorKey: string | null; actorUser: string | null; action: string; targetKind: string | null; targetId: string | null; targetUser: string | null; details: string; requestId: string | null }

const write = statement<Row>(
  ({ at, actorKind, actorKey, actorUser, action, targetKind, targetId, targetUser, details, requestId }) => sql`
    insert into audit_log (at, actor_kind, actor_id, action, target_kind, target_id, details, request_id)
    values (${at}, ${actorKind}, coalesce(${actorKey}::uuid, ${pseudonymOf(actorUser)}), ${action}, ${targetKind}, coalesce(${targetId}, ${pseudonymOf(targetUser)}::text), ${details}::jsonb, ${requestId})`,
)

/** People stand in the log by a pseudonym whose link to them can be erased (control C7). */
const pseudonymOf = (userId: Placeholder) => sql`(select pseudonym from users where id = ${userId}::uuid)`
