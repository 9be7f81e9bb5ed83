import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { DatabaseUrls } from '../../db/embedded.ts'
import { startSwarms } from '../../server/test/swarm.ts'
import { residentBytes } from '../bench/streaming/cpu.ts'
import { dice } from '../bench/titles.ts'
import { startSoakNode, type SoakNode } from './node.ts'
import type { Plan } from './plan.ts'
import { inMiB, takeReading, unreturned, type Places, type Reading } from './reading.ts'
import { Viewer, type Seen, type Title } from './viewer.ts'

const MiB = 1024 * 1024
/** A fast line, that 100 viewers share. */
const seederBytesPerSecond = 60_000_000
const reportEveryMs = 10_000
/** How much longer it may last on a machine too busy for anything to have happened yet. */
const longerMs = 30_000
/** How long everything has to come back. */
const patienceMs = 90_000

export interface Soaked {
  readonly seen: Seen
  /** How long each killed engine was away, in milliseconds. */
  readonly away: readonly number[]
  readonly evictions: number
  readonly before: Reading
  readonly after: Reading
  /** Each a sentence; none when all is well. */
  readonly faults: readonly string[]
}

interface SoakOptions { readonly plan: Plan; readonly urls: DatabaseUrls; readonly report: (line: string) => void; readonly signal: AbortSignal }

/**
 * Viewers of every kind on a server of its own, while its engine is killed now and then and its cache is too small: first for a
 * moment, so that all that is made once is there; then for as long as the plan says; then everything must be as before.
 */
export async function soak({ plan, urls, report, signal }: SoakOptions): Promise<Soaked> {
  await using made = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'soak-'))
  made.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }))
  const places: Places = { engineDir: join(folder, 'torrents'), databasePort: Number(new URL(urls.app).port) }
  report('Making the swarm and the server.')
  const engine = { dataDir: places.engineDir, cacheBytes: plan.cacheBytes, idleMs: plan.idleMs, windowBytes: 32 * MiB }
  const [{ swarms }, node] = await Promise.all([
    startSwarms(torrentsOf(plan), { rateBytesPerSecond: seederBytesPerSecond }).then((begun) => made.use(begun)),
    startSoakNode({ urls, dataDir: folder, people: plan.readers, warmMs: Math.min(plan.idleMs, 20_000), engine }).then((begun) => made.use(begun)),
  ])
  const titles: Title[] = []
  for (const { infoHash, torrentFile, files: [file] } of swarms) {
    signal.throwIfAborted()
    if (file) titles.push({ id: await node.ask('offer', { title: { name: file.path, infoHash, torrentFile } }), name: file.path, file })
  }

  const seen: Seen = { streams: 0, bytes: 0, outlived: 0, faults: [] }
  const away: number[] = []
  const viewers = node.people.map((refreshToken, at) => new Viewer({ baseUrl: node.baseUrl, refreshToken, plan, roll: dice(at), seen, kills: () => away.length + (isAway ? 1 : 0) }))
  let isAway = false
  const kill = async () => {
    isAway = true
    away.push(await node.ask('kill', {}))
    isAway = false
  }

  report('A first round, after which all that is made once is there.')
  const firstMs = Math.min(60_000, plan.seconds * 500)
  await crowd(viewers, titles, plan, AbortSignal.any([signal, AbortSignal.timeout(firstMs)]))
  signal.throwIfAborted()
  const before = await settled(node, places, signal)
  report(`At rest: ${inWords(before)}`)

  const evictionsBefore = before.cache.evictions
  let evictions = 0
  const enough = new AbortController()
  const over = AbortSignal.any([signal, enough.signal])
  const work = [
    pause(plan.seconds * 1_000, undefined, { signal: over }).then(() => until(() => away.length > 0 && evictions > 0, over)).then(() => enough.abort()),
    crowd(viewers, titles, plan, over),
    killing(plan, kill, over),
    telling(node, seen, away, report, over),
    counting(node, (all) => (evictions = all), over),
  ]
  await Promise.all(work).catch(async (error: unknown) => {
    enough.abort(error)
    await Promise.allSettled(work)
    throw error
  })
  signal.throwIfAborted()
  report('Everybody has gone.')
  for (const line of node.errors.slice(0, 20)) report(`        The server logged: ${line}`)
  const after = await settled(node, places, signal, before)
  report(`At rest: ${inWords(after)}`)
  const faults = [...new Set(seen.faults), ...unreturned(before, after), ...node.errors.map((line) => `The server logged: ${line}`)]
  if (evictions === 0 || away.length === 0) faults.push(`There were ${evictions} evictions and ${away.length} kills: nothing was proved.`)
  for (const { infoHash } of swarms) await node.ask('remove', { infoHash })
  const empty = await takeReading(node, places)
  if (empty.cache.usedBytes !== 0 || empty.diskBytes !== 0) faults.push(`With all titles removed, ${empty.cache.usedBytes} bytes are accounted for and ${empty.diskBytes} lie on disk.`)
  return { seen, away, evictions: evictions + evictionsBefore, before, after, faults }
}

/** Waits a little longer for what a busy machine has not brought about yet. */
async function until(isSo: () => boolean, signal: AbortSignal): Promise<void> {
  for (const bound = performance.now() + longerMs; !isSo() && performance.now() < bound;) await pause(50, undefined, { signal })
}

/** One film for all, and small titles for each. */
function torrentsOf({ readers, titlesEach, filmBytes, titleBytes }: Plan): Parameters<typeof startSwarms>[0] {
  const film = { files: [{ path: 'soak film.mkv', sizeBytes: filmBytes }], seed: 'soak', pieceLength: 256 * 1024 }
  return [film, ...Array.from({ length: readers * titlesEach }, (_, at) => ({ files: [{ path: `soak ${at}.bin`, sizeBytes: titleBytes }], seed: 'soak', pieceLength: 64 * 1024 }))]
}

/** Each viewer watches the film and, at the same time, titles that nobody else watches. */
async function crowd(viewers: readonly Viewer[], [film, ...titles]: readonly Title[], { titlesEach }: Plan, signal: AbortSignal): Promise<void> {
  await Promise.all(viewers.flatMap((viewer, at) => [viewer.watch(film ? [film] : [], signal), viewer.watch(titles.slice(at * titlesEach, (at + 1) * titlesEach), signal)]))
}

/** Never at the end: the last engine shall have something to let go of. */
async function killing({ killEveryMs, seconds }: Plan, kill: () => Promise<void>, signal: AbortSignal): Promise<void> {
  for (let at = 2 * killEveryMs; at <= seconds * 1_000; at += killEveryMs) {
    await pause(killEveryMs, undefined, { signal }).catch(() => {})
    if (signal.aborted) return
    await kill()
  }
}

async function telling(node: SoakNode, seen: Seen, away: readonly number[], report: (line: string) => void, signal: AbortSignal): Promise<void> {
  const began = performance.now()
  let told = 0
  for (;;) {
    await pause(reportEveryMs, undefined, { signal }).catch(() => {})
    if (signal.aborted) return
    const { engine: { pid }, torrents, readers, cache } = await node.ask('look', {})
    for (const fault of seen.faults.slice(told)) report(`        ${fault}`)
    told = seen.faults.length
    const memory = [node.pid, pid].map((process) => inMiB(residentBytesNow(process)))
    report([
      `${((performance.now() - began) / 1_000).toFixed(0).padStart(5)} s`,
      `${seen.streams} streams`, `${(seen.bytes / 1e9).toFixed(1)} GB right`, `${readers} readers of ${torrents} torrents`,
      `${away.length} kills`, `cache ${inMiB(cache.usedBytes)}`, `server ${memory[0]}`, `engine ${memory[1]}`,
    ].join(', '))
  }
}

/** An engine that has just been killed has none. */
function residentBytesNow(pid: number): number {
  try {
    return residentBytes(pid)
  } catch {
    return Number.NaN
  }
}

/** Adds up evictions over all engines: each counts its own. */
async function counting(node: SoakNode, tell: (all: number) => void, signal: AbortSignal): Promise<void> {
  let [gone, last, lastPid] = [0, 0, 0]
  while (!signal.aborted) {
    const { cache, engine } = await node.ask('look', {})
    if (engine.pid !== lastPid) gone += last
    lastPid = engine.pid
    last = cache.evictions
    tell(gone + last)
    await pause(500, undefined, { signal }).catch(() => {})
  }
}

/** A reading when everything has come to rest, or when patience is over. */
async function settled(node: SoakNode, places: Places, signal: AbortSignal, before?: Reading): Promise<Reading> {
  const bound = performance.now() + patienceMs
  for (;;) {
    signal.throwIfAborted()
    const { torrents, streamRows } = await node.ask('look', {})
    if (torrents + streamRows === 0 || performance.now() > bound) {
      const reading = await takeReading(node, places)
      if (performance.now() > bound || unreturned(before ?? reading, reading).length === 0) return reading
    }
    await pause(200)
  }
}

export function inWords({ server, engineProcess, torrents, streamRows, cache }: Reading): string {
  const of = (name: string, { rssBytes, heapBytes, externalBytes, sockets, database, files, listeners, timers }: Reading['server']) =>
    `${name} ${inMiB(rssBytes)} (heap ${inMiB(heapBytes)}, external ${inMiB(externalBytes)}), ${sockets} sockets${database > 0 ? ` and ${database} to the database` : ''}, ${files} files, ${listeners} listeners, ${timers} timers`
  return `${of('server', server)}; ${of('engine', engineProcess)}; ${torrents} torrents, ${streamRows} rows of streams, ${inMiB(cache.usedBytes)} cached.`
}
