import { fork } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TorrentSource } from '../../../server/engine/reader.ts'
import { encodeBencode, type Encodable } from '../../../server/lib/bencode.ts'
import { buildTorrentFile, parseTorrentFile } from '../../../server/lib/torrent.ts'
import { generateBytes } from '../../../server/test/content.ts'
import { readThrough, startTestEngine } from '../../../server/test/engine.ts'
import { seeding, startPeer } from '../../../server/test/scripted-peer.ts'
import { engineVitals, vitalsArguments, type Vitals } from '../../../server/test/vitals.ts'
import { until } from '../../demo/public-api.ts'
import type { Figure } from '../figures.ts'

const titles = { count: 500, pieces: 1_400, pieceLength: 16_384 }
/** Read before the first reading: after them all that is made once is there. */
const first = 10
const atOnce = 5
const MiB = 1024 * 1024

interface Cost { readonly rssBytes: number; readonly heapBytes: number }

/**
 * What 500 titles cost that were opened, read and left by everybody, as a server has them that has run for long: the engine's memory
 * with them less its memory before. Beside it webtorrent, which has the same torrents added and reads none. Each is a process of
 * its own, with all garbage collected.
 */
export async function benchIdleTitles(report: (line: string) => void): Promise<Figure[]> {
  const all = Array.from({ length: titles.count + first }, (_, at) => makeTitle(at))
  const ours = await costOfOurs(all, report)
  const theirs = await costOfWebtorrent(all.slice(first).map(({ torrentFile }) => torrentFile))
  report(`ours ${inMiB(ours)}, webtorrent ${inMiB(theirs)}`)
  const figure = (what: string, key: keyof Cost): Figure => ({ what: `${what} of ${titles.count} idle titles`, value: inMiB({ [key]: ours[key] }), beside: `webtorrent: ${inMiB({ [key]: theirs[key] })}; bound: 50 MiB`, ratio: (ours[key] / theirs[key]).toFixed(3) })
  return [figure('resident memory', 'rssBytes'), figure('heap', 'heapBytes')]
}

type Title = ReturnType<typeof makeTitle>

/** A torrent of 22 MiB, of which only the first piece is what its hash says: no more of it is read. */
function makeTitle(at: number) {
  const seed = `idle ${at}`
  const { pieces, pieceLength } = titles
  const hashes = Buffer.concat([createHash('sha1').update(generateBytes(seed, 0, pieceLength)).digest(), randomBytes((pieces - 1) * 20)])
  const info = new Map<string, Encodable>([['length', pieces * pieceLength], ['name', `idle ${at}.bin`], ['piece length', pieceLength], ['pieces', hashes]])
  const torrentFile = buildTorrentFile(encodeBencode(info), [])
  const torrent = parseTorrentFile(torrentFile)
  const read = async (offset: number, length: number) => generateBytes(seed, offset, length)
  return { torrentFile, torrent, infoHash: torrent.infoHash, files: torrent.files.map(({ path, lengthBytes }) => ({ path, sizeBytes: lengthBytes, sha256: '', read })) }
}

async function costOfOurs(all: readonly Title[], report: (line: string) => void): Promise<Cost> {
  await using engine = await startTestEngine({ idleMs: 20, nodeArguments: vitalsArguments })
  const see = async (some: readonly Title[]): Promise<Vitals> => {
    const queue = [...some]
    const readers = Array.from({ length: atOnce }, async () => {
      for (let title = queue.shift(); title; title = queue.shift()) {
        await using peer = await startPeer(seeding(title))
        await readThrough(engine.client, { source: sourceOf(title, peer.address), files: title.files }, { end: titles.pieceLength })
      }
    })
    await Promise.all(readers)
    await until('The idle engine', 30, async () => ((await engine.client.stats()).torrents.length === 0 ? true : undefined))
    return engineVitals(engine)
  }
  const before = await see(all.slice(0, first))
  const after = await see(all.slice(first))
  report(`ours: ${inMiB(before)} before, ${inMiB(after)} with ${titles.count} titles that were read`)
  return less(after, before)
}

const sourceOf = ({ infoHash, torrentFile: torrent }: Title, peer: string): TorrentSource => ({ infoHash, load: async () => ({ torrent, trackers: [], peers: [peer] }) })

async function costOfWebtorrent(torrentFiles: readonly Uint8Array[]): Promise<Cost> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-idle-'))
  const child = fork(fileURLToPath(new URL('idle/webtorrent-process.ts', import.meta.url)), { execArgv: ['--disable-warning=ExperimentalWarning', '--expose-gc'], serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const ended = once(child, 'exit')
  try {
    child.send({ torrentFiles, folder }, () => {})
    const [{ before, after }] = (await once(child, 'message')) as [{ before: Cost; after: Cost }]
    return less(after, before)
  } finally {
    child.kill()
    await ended
    await rm(folder, { recursive: true, force: true })
  }
}

const less = (after: Cost, before: Cost): Cost => ({ rssBytes: after.rssBytes - before.rssBytes, heapBytes: after.heapBytes - before.heapBytes })
const inMiB = ({ rssBytes, heapBytes }: Partial<Cost>): string =>
  [rssBytes === undefined ? [] : `${(rssBytes / MiB).toFixed(1)} MiB${heapBytes === undefined ? '' : ' resident'}`, heapBytes === undefined ? [] : `${(heapBytes / MiB).toFixed(1)} MiB${rssBytes === undefined ? '' : ' of heap'}`].flat().join(', ')
