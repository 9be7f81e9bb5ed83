import { and, asc, eq, sql } from 'drizzle-orm'
import { publications, torrents } from '../../../db/schema/index.ts'
import { EngineError } from '../../engine/contract.ts'
import { publishFiles } from '../../engine/publish-files.ts'
import { auditFor } from '../../kit/audit.ts'
import type { Deps } from '../../kit/context.ts'
import { AppError, Conflict } from '../../kit/errors.ts'
import type { JobHandler } from '../../kit/jobs.ts'
import { logError } from '../../kit/log.ts'
import { TorrentRefused, type TorrentInfo } from '../../lib/torrent.ts'
import { storeInfos } from '../ingest/ingest.ts'
import { examineLargest } from '../playback/playback.ts'
import { PublishRequest } from './contract.ts'
import { ownContent, type OwnContent } from './own-files.ts'
import { trackersOf } from './requests.ts'
import { tendSeeds } from './seeding.ts'

type Row = { id: string; request: PublishRequest; infoHash: string | null }

/** How often the row is told how far it is. */
const tellMs = 2_000

/** Of one node, by its engine: the disk is read once at a time. Told again while at work, it looks once more. */
const working = new WeakMap<Deps['engine'], { again: boolean }>()

/** Publishes whatever waits for this node, one after the other. Ends at once where that is going on already. */
export const workPublications: JobHandler = async (deps, _payload, signal) => {
  const running = working.get(deps.engine)
  if (running) return void (running.again = true)
  const state = { again: true }
  working.set(deps.engine, state)
  try {
    while (state.again) {
      state.again = false
      for (let row = await nextWaiting(deps); row; row = await nextWaiting(deps)) await publishOne(deps, row, signal)
    }
  } finally {
    working.delete(deps.engine)
  }
}

async function nextWaiting({ db, nodeId, now }: Deps): Promise<Row | null> {
  const mine = and(eq(publications.nodeId, nodeId), eq(publications.state, 'waiting'))
  const [row] = await db.select().from(publications).where(mine).orderBy(asc(publications.createdAt), asc(publications.id)).limit(1)
  if (!row) return null
  await db.update(publications).set({ startedAt: now(), bytesRead: 0 }).where(eq(publications.id, row.id))
  return { id: row.id, request: PublishRequest.parse(row.request), infoHash: row.infoHash }
}

/** Done, or failed for good; throws while it may yet work: the engine is away, or this node stops. */
async function publishOne(deps: Deps, row: Row, signal: AbortSignal | undefined): Promise<void> {
  try {
    const content = await ownContent(row.request.path)
    const info = await store(deps, row, content, signal)
    await enter(deps, row, content, info)
  } catch (error) {
    if (signal?.aborted || (error instanceof EngineError && ['unavailable', 'not_staged'].includes(error.code))) throw error
    await fail(deps, row, error)
  }
  await tendSeeds(deps, {}, signal)
}

async function store(deps: Deps, { id, request }: Row, content: OwnContent, signal: AbortSignal | undefined): Promise<TorrentInfo> {
  let toldAt = performance.now()
  let telling: Promise<unknown> = Promise.resolve()
  const info = await publishFiles(deps.engine, {
    id,
    name: content.name,
    isFolder: content.isFolder,
    files: content.files,
    private: request.private,
    signal,
    onBytes: (bytesRead) => {
      if (performance.now() - toldAt < tellMs) return
      toldAt = performance.now()
      telling = telling.then(() => deps.db.update(publications).set({ bytesRead }).where(eq(publications.id, id))).catch((error: unknown) => logError(deps.log, error, 'how far a publication is could not be told'))
    },
    beforehand: async ({ infoHash }) => {
      await demandWelcome(deps, infoHash)
      await deps.db.update(publications).set({ infoHash }).where(eq(publications.id, id))
    },
  })
  await telling
  return info
}

/** What was withdrawn comes back by no door (control D1). @throws Conflict */
async function demandWelcome({ db }: Pick<Deps, 'db'>, infoHash: string): Promise<void> {
  const [title] = await db.select({ state: torrents.state }).from(torrents).where(eq(torrents.infoHash, infoHash))
  if (title?.state === 'taken_down') throw new Conflict('This torrent was taken down and does not come back.', 'blocked')
  if (title?.state === 'rejected') throw new Conflict('This torrent was rejected by a moderator.', 'rejected')
}

/** The title, as ingest makes it; one that the catalogue has already keeps what it says of itself, and gets its bytes. */
async function enter(deps: Deps, { id, request }: Row, content: OwnContent, info: TorrentInfo): Promise<void> {
  const { title, description = null, category: categoryId = 'other', language = null, licence = null, sourceUrl = null, approve } = request
  const now = deps.now()
  const audit = auditFor(deps, { kind: 'system' }, null)
  const approval = approve ? { state: 'approved' as const, approvedAt: now, decidedAt: now } : { state: 'pending' as const }
  await deps.db.transaction(async (tx) => {
    const torrent = {
      ...{ id: deps.newId(), infoHash: info.infoHash, title, description, categoryId, language, licence, source: 'own', sourceUrl },
      ...{ trackers: trackersOf(deps.config, request), webSeeds: [], verifiedAt: now, sizeBytes: info.sizeBytes, createdAt: now, ...approval },
    }
    const [made] = await tx.insert(torrents).values(torrent).onConflictDoNothing({ target: torrents.infoHash }).returning({ id: torrents.id })
    if (made) await storeInfos(tx, [{ torrentId: made.id, info }])
    const [there] = made ? [{ id: made.id, state: torrent.state, verifiedAt: now }] : await tx.select({ id: torrents.id, state: torrents.state, verifiedAt: torrents.verifiedAt }).from(torrents).where(eq(torrents.infoHash, info.infoHash)).for('update')
    if (!there || there.state === 'taken_down' || there.state === 'rejected') throw new Conflict('This torrent was withdrawn meanwhile.', 'blocked')
    const target = { kind: 'torrent' as const, id: there.id }
    if (!made && there.verifiedAt === null) {
      await tx.update(torrents).set({ verifiedAt: now, sizeBytes: info.sizeBytes }).where(eq(torrents.id, there.id))
      await storeInfos(tx, [{ torrentId: there.id, info }])
    }
    if (!made && approve && there.state === 'pending') await tx.update(torrents).set(approval).where(eq(torrents.id, there.id))
    await tx.update(publications).set({ state: 'published', torrentId: there.id, infoHash: info.infoHash, folder: content.isFolder ? info.name : null, finishedAt: now, bytesRead: info.sizeBytes }).where(eq(publications.id, id))
    await audit(tx, { action: 'torrent.publish', target, details: { publicationId: id, leftOut: content.leftOut, known: !made } })
    if (!approve || (!made && there.state === 'approved')) return
    await audit(tx, { action: 'torrent.approve', target, details: { by: 'operator', publicationId: id } })
    await examineLargest(deps, tx, [there.id])
  })
}

async function fail(deps: Deps, { id, infoHash: earlier }: Row, error: unknown): Promise<void> {
  const isTold = error instanceof AppError || error instanceof TorrentRefused || error instanceof EngineError
  if (!isTold) logError(deps.log, error, 'a publication failed')
  const code = error instanceof AppError || error instanceof EngineError ? error.code : error instanceof TorrentRefused ? 'invalid_torrent' : 'internal'
  const message = error instanceof TorrentRefused ? `The torrent would be one that ${error.message}.` : isTold ? error.message : 'Something went wrong on the server; its log says what.'
  const [row] = await deps.db.update(publications).set({ state: 'failed', faultCode: code, fault: message, finishedAt: deps.now() }).where(eq(publications.id, id)).returning({ infoHash: publications.infoHash })
  // Its bytes may be with the engine already, from now or from a process that was killed: nobody would ever look for them.
  for (const infoHash of new Set([earlier, row?.infoHash ?? null])) if (infoHash !== null && !(await isSomebodys(deps, infoHash))) await deps.engine.remove(infoHash)
}

/** Another publication has brought the same bytes. */
async function isSomebodys({ db, nodeId }: Deps, infoHash: string): Promise<boolean> {
  const [other] = await db.select({ one: sql`1` }).from(publications).where(and(eq(publications.infoHash, infoHash), eq(publications.nodeId, nodeId), eq(publications.state, 'published'))).limit(1)
  return other !== undefined
}
