import { and, desc, eq, inArray, isNull, sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Tx } from '../../../db/client.ts'
import { torrentFiles, torrents } from '../../../db/schema/index.ts'
import { EngineError } from '../../engine/contract.ts'
import type { Deps } from '../../kit/context.ts'
import type { JobHandler } from '../../kit/jobs.ts'
import { playableBy } from '../../lib/playable.ts'
import type { MediaFacts } from '../../media/contract.ts'
import { examine } from '../../media/examine.ts'
import { readStretch } from './read-stretch.ts'

const Payload = z.object({ torrentId: z.uuid(), fileIndex: z.int().min(0) })
type Payload = z.infer<typeof Payload>

/** A title's largest files are looked into once it is approved; any other when it is first played. Thousands would flood the swarm. */
const mostOfTitle = 5

/** They wait for swarms, and a parser takes a core while it works: four at a time, on all nodes together. */
const queueOf = (torrentId: string) => `facts-${parseInt(torrentId.slice(-1), 16) % 4}`

const isUnexaminedMedia = and(isNull(torrentFiles.examinedAt), sql`${torrentFiles.mimeType} ~ '^(audio|video)/'`, sql`${torrentFiles.sizeBytes} > 0`)

/** Has the largest media files of approved titles looked into, those that were not before. */
export async function examineLargest(deps: Pick<Deps, 'jobs'>, tx: Tx, torrentIds: string[]): Promise<void> {
  if (torrentIds.length === 0) return
  const ranked = tx
    .select({ torrentId: torrentFiles.torrentId, fileIndex: torrentFiles.index, rank: sql<number>`row_number() over (partition by ${torrentFiles.torrentId} order by ${desc(torrentFiles.sizeBytes)}, ${torrentFiles.index})`.as('rank') })
    .from(torrentFiles)
    .where(and(inArray(torrentFiles.torrentId, torrentIds), isUnexaminedMedia))
    .as('ranked')
  const files = await tx.select({ torrentId: ranked.torrentId, fileIndex: ranked.fileIndex }).from(ranked).where(sql`${ranked.rank} <= ${mostOfTitle}`)
  await addJobs(deps, tx, files)
}

/** Has a file looked into that is about to be played, unless it was: at once, also where the swarm gave nothing the last time. */
export async function examineNow(deps: Pick<Deps, 'jobs'>, tx: Tx, { torrentId, fileIndex }: Payload): Promise<void> {
  const isIt = and(eq(torrentFiles.torrentId, torrentId), eq(torrentFiles.index, fileIndex), isUnexaminedMedia)
  await addJobs(deps, tx, await tx.select({ torrentId: torrentFiles.torrentId, fileIndex: torrentFiles.index }).from(torrentFiles).where(isIt))
}

const addJobs = ({ jobs }: Pick<Deps, 'jobs'>, tx: Tx, files: Payload[]): Promise<void> =>
  jobs.addAll(tx, 'torrent.examine_file', files.map((payload) => ({ payload, options: { key: `torrent.examine_file:${payload.torrentId}:${payload.fileIndex}`, queue: queueOf(payload.torrentId) } })))

/**
 * Looks into a media file by a few ranges of it, and keeps what it is and how it plays. No answer of the swarm: the job comes again,
 * ever later. A file that its parser did not survive is not looked into again.
 */
export const examineFile: JobHandler = async (deps, payload) => {
  const target = Payload.parse(payload)
  const file = await findFile(deps, target)
  if (!file) return
  try {
    const facts = await examine({
      sizeBytes: file.sizeBytes,
      async read(offset, length, signal) {
        // asked each time: a title that was taken down meanwhile would be fetched anew (control D1)
        if (!(await findFile(deps, target))) throw new EngineError('removed', 'The title was withdrawn.')
        return readStretch(deps, { torrentId: target.torrentId, infoHash: file.infoHash, fileIndex: target.fileIndex }, { start: offset, end: offset + length }, signal)
      },
    })
    await deps.db.update(torrentFiles).set({ examinedAt: deps.now(), ...columnsOf(facts, file.sizeBytes) }).where(and(eq(torrentFiles.torrentId, target.torrentId), eq(torrentFiles.index, target.fileIndex)))
  } finally {
    // it may have been withdrawn between the question and the claim
    if (!(await findFile(deps, target, { orExamined: true }))) await deps.engine.remove(file.infoHash)
  }
}

/** Pending ones too: staff look at them. */
async function findFile({ db }: Pick<Deps, 'db'>, { torrentId, fileIndex }: Payload, { orExamined = false } = {}): Promise<{ infoHash: string; sizeBytes: number } | null> {
  const [file] = await db
    .select({ infoHash: torrents.infoHash, sizeBytes: torrentFiles.sizeBytes })
    .from(torrentFiles)
    .innerJoin(torrents, eq(torrents.id, torrentFiles.torrentId))
    .where(and(eq(torrentFiles.torrentId, torrentId), eq(torrentFiles.index, fileIndex), inArray(torrents.state, ['pending', 'approved']), orExamined ? undefined : isUnexaminedMedia))
  return file ?? null
}

function columnsOf(facts: MediaFacts | null, sizeBytes: number): Partial<typeof torrentFiles.$inferInsert> {
  if (!facts) return {}
  const { container, durationSeconds, indexAt, tracks } = facts
  const bytesPerSecond = durationSeconds === null ? null : Math.max(1, Math.round(sizeBytes / durationSeconds))
  return { container, durationSeconds, bytesPerSecond, indexAt, tracks, playable: container === null ? 'no' : playableBy({ container, tracks }) }
}
