import { and, eq, inArray, sql } from 'drizzle-orm'
import type { z } from 'zod'
import type { Tx } from '../../../db/client.ts'
import { categories, ingestBatches, torrents } from '../../../db/schema/index.ts'
import type { WithApiKey } from '../../kit/context.ts'
import { Conflict, NotFound, PermissionDenied } from '../../kit/errors.ts'
import { sameBytes, sha256 } from '../../kit/secret-tokens.ts'
import { examineLargest } from '../playback/playback.ts'
import { IngestBatch, type BatchRef, type IngestBatchInput } from './contract.ts'
import { fetchMetadataJobs } from './metadata.ts'
import { readItem, sum, type Candidate, type Refusal } from './read-item.ts'
import { storeInfos } from './store.ts'

export { storeInfos }

type Batch = z.infer<typeof IngestBatch>
type Indexed = Candidate & { index: number; torrentId: string }

/**
 * Takes titles into the catalogue, each judged by itself. With an Idempotency-Key, the same request gets the same answer.
 * @throws Conflict where the key came with another request before
 */
export async function ingestBatch(ctx: WithApiKey, { source, items }: z.infer<typeof IngestBatchInput>): Promise<Batch> {
  if (ctx.actor.sources && !ctx.actor.sources.includes(source)) throw new PermissionDenied('source_denied', 'This key may not offer titles under that name.')
  const requestHash = sha256(JSON.stringify([source, items]))
  const before = await earlierAnswer(ctx, ctx.db, requestHash)
  if (before) return before

  const known = await ctx.db.select({ id: categories.id }).from(categories)
  const { allowPrivate, allowServicePorts } = ctx.config.torrent
  const rules = { allowPrivate, allowServicePorts, categories: new Set(known.map(({ id }) => id)) }
  const verdicts = items.map((item) => readItem(item, rules))
  const rejected = verdicts.flatMap(({ refusal }, index) => (refusal ? [{ index, ...refusal }] : []))
  const warnings = verdicts.flatMap((verdict, index) => verdict.warnings.map((warning) => ({ index, ...warning })))
  const candidates = verdicts.flatMap(({ candidate }, index) => (candidate ? [{ ...candidate, index, torrentId: ctx.newId() }] : []))
  const first = [...new Map(candidates.toReversed().map((candidate) => [candidate.infoHash, candidate])).values()]

  return ctx.db.transaction(async (tx) => {
    // whoever sends the same key at the same time waits here, and then finds the answer
    if (ctx.request.idempotencyKey !== null) await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`ingest ${ctx.actor.keyId} ${ctx.request.idempotencyKey}`}, 0))`)
    const meanwhile = await earlierAnswer(ctx, tx, requestHash)
    if (meanwhile) return meanwhile

    const taken = await insertTitles(ctx, tx, source, first)
    const blocked = await blockedOf(tx, candidates.filter(({ torrentId }) => !taken.has(torrentId)))
    const refusedNow = candidates.filter(({ infoHash }) => blocked.has(infoHash)).map(({ index }) => ({ index, ...takenDown }))
    const answer: Batch = {
      batchId: ctx.newId(),
      source,
      createdAt: ctx.now().toISOString(),
      accepted: taken.size,
      duplicates: candidates.length - taken.size - refusedNow.length,
      rejected: [...rejected, ...refusedNow].sort((a, b) => a.index - b.index),
      warnings,
    }
    const { batchId, accepted, duplicates } = answer
    await tx.insert(ingestBatches).values({ id: batchId, apiKeyId: ctx.actor.keyId, idempotencyKey: ctx.request.idempotencyKey, requestHash, source, answer, createdAt: ctx.now() })
    await ctx.audit(tx, { action: 'batch.ingest', target: { kind: 'batch', id: batchId }, details: { source, accepted, duplicates, rejected: answer.rejected.length } })
    return answer
  })
}

const takenDown: Refusal = { code: 'blocked', path: '', message: 'This torrent was taken down and does not come back.' }

async function earlierAnswer({ actor, request }: WithApiKey, tx: Tx | WithApiKey['db'], requestHash: Uint8Array): Promise<Batch | null> {
  if (request.idempotencyKey === null) return null
  const mine = and(eq(ingestBatches.apiKeyId, actor.keyId), eq(ingestBatches.idempotencyKey, request.idempotencyKey))
  const [batch] = await tx.select({ requestHash: ingestBatches.requestHash, answer: ingestBatches.answer }).from(ingestBatches).where(mine)
  if (!batch) return null
  if (!sameBytes(batch.requestHash, requestHash)) throw new Conflict('This Idempotency-Key came with another request before.')
  return IngestBatch.parse(batch.answer)
}

/** Inserts what the catalogue does not have. @returns the ids of the new titles */
async function insertTitles(ctx: WithApiKey, tx: Tx, source: string, candidates: Indexed[]): Promise<Set<string>> {
  if (candidates.length === 0) return new Set()
  const approved = ({ info }: Indexed) => info !== null && ctx.actor.trusted
  const now = ctx.now()
  const rows = candidates
    // batches that meet on the same titles take them in the same order, so neither can hold what the other waits for
    .toSorted((a, b) => (a.infoHash < b.infoHash ? -1 : 1))
    .map((candidate) => {
      const { torrentId, infoHash, trackers, webSeeds, info, item } = candidate
      const { title, description = null, category = 'other', language = null, licence = null, sourceUrl = null, posterUrl = null, seeders = null, leechers = null } = item
      return {
        ...{ id: torrentId, infoHash, title, description, categoryId: category, language, licence, source, sourceUrl, posterUrl, trackers, webSeeds, seeders, leechers },
        state: approved(candidate) ? ('approved' as const) : ('pending' as const),
        verifiedAt: info ? now : null,
        sizeBytes: info?.sizeBytes ?? (item.files ? sum(item.files.map((file) => file.sizeBytes)) : null),
        createdAt: now,
        approvedAt: approved(candidate) ? now : null,
        decidedAt: approved(candidate) ? now : null,
      }
    })
  const inserted = await tx.insert(torrents).values(rows).onConflictDoNothing({ target: torrents.infoHash }).returning({ id: torrents.id })
  const taken = new Set(inserted.map(({ id }) => id))
  const accepted = candidates.filter(({ torrentId }) => taken.has(torrentId))
  await storeInfos(tx, accepted.flatMap(({ torrentId, info }) => (info ? [{ torrentId, info }] : [])))
  // sent one behind the other without waiting for each answer
  await Promise.all([
    ...accepted.filter(approved).map(({ torrentId }) => ctx.audit(tx, { action: 'torrent.approve', target: { kind: 'torrent', id: torrentId }, details: { by: 'trusted key' } })),
    fetchMetadataJobs(ctx, tx, accepted.filter(({ info }) => !info).map(({ torrentId }) => ({ torrentId, apiKeyId: ctx.actor.keyId }))),
    examineLargest(ctx, tx, accepted.filter(approved).map(({ torrentId }) => torrentId)),
  ])
  return taken
}

async function blockedOf(tx: Tx, candidates: Indexed[]): Promise<Set<string>> {
  if (candidates.length === 0) return new Set()
  const hashes = candidates.map(({ infoHash }) => infoHash)
  const rows = await tx.select({ infoHash: torrents.infoHash }).from(torrents).where(and(inArray(torrents.infoHash, hashes), eq(torrents.state, 'taken_down')))
  return new Set(rows.map(({ infoHash }) => infoHash))
}

/** A batch of the calling key. @throws NotFound, also for another key's */
export async function batchById({ db, actor }: WithApiKey, { batchId }: z.infer<typeof BatchRef>): Promise<Batch> {
  const [batch] = await db.select({ answer: ingestBatches.answer }).from(ingestBatches).where(and(eq(ingestBatches.id, batchId), eq(ingestBatches.apiKeyId, actor.keyId)))
  if (!batch) throw new NotFound('batch')
  return IngestBatch.parse(batch.answer)
}
