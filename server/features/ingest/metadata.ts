import { and, eq, isNull } from 'drizzle-orm'
import { z } from 'zod'
import type { Tx } from '../../../db/client.ts'
import { apiKeys, torrents } from '../../../db/schema/index.ts'
import { EngineError } from '../../engine/contract.ts'
import { auditFor } from '../../kit/audit.ts'
import type { Deps } from '../../kit/context.ts'
import type { JobHandler } from '../../kit/jobs.ts'
import { parseInfo, TorrentRefused, type TorrentInfo } from '../../lib/torrent.ts'
import { examineLargest } from '../playback/playback.ts'
import { storeInfos } from './store.ts'

const Payload = z.object({ torrentId: z.uuid(), apiKeyId: z.uuid() })
type Payload = z.infer<typeof Payload>

/** A swarm without peers keeps a worker waiting: these jobs share eight queues, fewer than there are workers, so that mails find a free one. */
const queueOf = (torrentId: string) => `metadata-${parseInt(torrentId.slice(-1), 16) % 8}`

export const fetchMetadataJobs = ({ jobs }: Pick<Deps, 'jobs'>, tx: Tx, payloads: Payload[]): Promise<void> =>
  jobs.addAll(tx, 'torrent.fetch_metadata', payloads.map((payload) => ({ payload, options: { key: `torrent.fetch_metadata:${payload.torrentId}`, queue: queueOf(payload.torrentId) } })))

/**
 * Asks the swarm for a title's info dictionary and keeps it when it is the one its hash names (control D1).
 * No answer: the job comes again, ever later. A torrent that cannot be read is rejected, because its bytes will not change.
 */
export const fetchMetadata: JobHandler = async (deps, payload) => {
  const { torrentId, apiKeyId } = Payload.parse(payload)
  const unverified = and(eq(torrents.id, torrentId), eq(torrents.state, 'pending'), isNull(torrents.verifiedAt))
  const [torrent] = await deps.db.select({ infoHash: torrents.infoHash, trackers: torrents.trackers }).from(torrents).where(unverified)
  if (!torrent) return
  const result = await readMetadata(deps, torrent)
  await deps.db.transaction(async (tx) => {
    const audit = auditFor(deps, { kind: 'system' }, null)
    const target = { kind: 'torrent' as const, id: torrentId }
    const now = deps.now()
    if ('refused' in result) {
      const [rejected] = await tx.update(torrents).set({ state: 'rejected', decidedAt: now, decisionReason: 'invalid_torrent', decisionNote: result.refused }).where(unverified).returning({ id: torrents.id })
      if (rejected) await audit(tx, { action: 'torrent.reject', target, details: { reason: 'invalid_torrent' } })
      return
    }
    // asked now, not when the title came: a key may have lost its trust
    const [trusted] = await tx.select({ id: apiKeys.id }).from(apiKeys).where(and(eq(apiKeys.id, apiKeyId), eq(apiKeys.trusted, true), isNull(apiKeys.revokedAt)))
    const approval = trusted ? { state: 'approved' as const, approvedAt: now, decidedAt: now } : {}
    const [verified] = await tx.update(torrents).set({ verifiedAt: now, sizeBytes: result.info.sizeBytes, ...approval }).where(unverified).returning({ id: torrents.id })
    if (!verified) return
    await storeInfos(tx, [{ torrentId, info: result.info }])
    await audit(tx, { action: 'torrent.verify', target })
    if (!trusted) return
    await audit(tx, { action: 'torrent.approve', target, details: { by: 'trusted key', apiKeyId } })
    await examineLargest(deps, tx, [torrentId])
  })
}

/** The engine is believed in nothing: what it brings is hashed and read again. */
async function readMetadata({ engine, config }: Deps, { infoHash, trackers }: { infoHash: string; trackers: string[] }): Promise<{ info: TorrentInfo } | { refused: string }> {
  try {
    const info = parseInfo(await engine.metadata({ infoHash, trackers, timeoutMs: config.torrent.timeoutMs }))
    if (info.infoHash !== infoHash) throw new Error('the engine brought another info dictionary than was asked for')
    return { info }
  } catch (error) {
    if (error instanceof TorrentRefused || (error instanceof EngineError && error.code === 'refused')) return { refused: error.message.slice(0, 500) }
    throw error
  }
}
