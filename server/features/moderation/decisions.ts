import { and, eq, inArray, isNotNull, isNull, type SQL } from 'drizzle-orm'
import type { z } from 'zod'
import type { Tx } from '../../../db/client.ts'
import { playbackLinks, torrents } from '../../../db/schema/index.ts'
import type { Authed } from '../../kit/context.ts'
import { Conflict, NotFound } from '../../kit/errors.ts'
import { announce } from '../../kit/revocations.ts'
import { examineLargest } from '../playback/playback.ts'
import { tendTitle } from '../publishing/publishing.ts'
import type { AdminTorrent, Approval, Refusal } from './contract.ts'
import { adminColumns, toAdminTorrent } from './queue.ts'
import { removeDataJob } from './remove-data.ts'

type Decided = Promise<z.infer<typeof AdminTorrent>>
type Decision = z.infer<typeof Approval> & {
  action: 'torrent.approve' | 'torrent.reject' | 'torrent.takedown'
  set: Pick<typeof torrents.$inferInsert, 'state' | 'approvedAt'>
  /** From which state; the update happens only there, so of two that decide at once one wins. */
  from: SQL | undefined
}

/** Lets viewers find and play a pending title. @throws NotFound, or Conflict: `not_verified` while its files are unknown (control D1) */
export function approveTorrent(ctx: Authed, input: z.infer<typeof Approval>): Decided {
  return ctx.db.transaction(async (tx) => {
    const torrent = await decide(ctx, tx, {
      ...input,
      action: 'torrent.approve',
      set: { state: 'approved', approvedAt: ctx.now() },
      from: and(eq(torrents.state, 'pending'), isNotNull(torrents.verifiedAt)),
    })
    await examineLargest(ctx, tx, [torrent.id])
    await tendTitle(ctx, tx, torrent.id)
    return torrent
  })
}

/** Refuses a pending title; what staff fetched of it to look at goes. @throws NotFound, Conflict */
export function rejectTorrent(ctx: Authed, input: z.infer<typeof Refusal>): Decided {
  return ctx.db.transaction(async (tx) => {
    const torrent = await decide(ctx, tx, { ...input, action: 'torrent.reject', set: { state: 'rejected' }, from: eq(torrents.state, 'pending') })
    await withdraw(ctx, tx, torrent)
    return torrent
  })
}

/** Ends a title for good: its streams, its links, its data, and its way back through ingest (control D1). @throws NotFound, Conflict */
export function takeDownTorrent(ctx: Authed, input: z.infer<typeof Refusal>): Decided {
  return ctx.db.transaction(async (tx) => {
    const states = ['pending', 'approved', 'rejected'] as const
    const torrent = await decide(ctx, tx, { ...input, action: 'torrent.takedown', set: { state: 'taken_down' }, from: inArray(torrents.state, [...states]) })
    await withdraw(ctx, tx, torrent)
    return torrent
  })
}

async function decide(ctx: Authed, tx: Tx, { torrentId, reason, note, action, set, from }: Decision): Decided {
  const [decided] = await tx
    .update(torrents)
    .set({ ...set, decidedAt: ctx.now(), decisionReason: reason ?? null, decisionNote: note ?? null })
    .where(and(eq(torrents.id, torrentId), from))
    .returning(adminColumns)
  if (!decided) throw await whyNot(tx, torrentId, action)
  await ctx.audit(tx, { action, target: { kind: 'torrent', id: torrentId }, details: reason ? { reason } : {} })
  return toAdminTorrent(decided)
}

async function whyNot(tx: Tx, torrentId: string, action: Decision['action']): Promise<NotFound | Conflict> {
  const [torrent] = await tx.select({ state: torrents.state }).from(torrents).where(eq(torrents.id, torrentId))
  if (!torrent) return new NotFound('title')
  if (torrent.state === 'pending' && action === 'torrent.approve') return new Conflict('Its files are not verified yet.', 'not_verified')
  return new Conflict(`This title is ${torrent.state.replace('_', ' ')} already.`)
}

/** Streams end within a second on every node, links are dead, the engine forgets the torrent. */
async function withdraw(ctx: Authed, tx: Tx, { id, infoHash }: { id: string; infoHash: string }): Promise<void> {
  await tx.update(playbackLinks).set({ endedAt: ctx.now() }).where(and(eq(playbackLinks.torrentId, id), isNull(playbackLinks.endedAt)))
  await announce(tx, { kind: 'torrent', id })
  await removeDataJob(ctx, tx, { torrentId: id, infoHash })
  await tendTitle(ctx, tx, id)
}
