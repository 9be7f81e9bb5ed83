import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { infoHashPattern } from '../lib/infohash.ts'
import { buildTorrentFile, parseTorrentFile, type TorrentInfo } from '../lib/torrent.ts'
import type { Cache } from './cache.ts'
import { EngineError, type EngineRequest } from './contract.ts'
import { charge } from './ledger.ts'
import { MapFile, mapName } from './map-file.ts'
import { piecesOfSegment } from './piece-spans.ts'
import { publishedFolder, segmentBytes, segmentName, stagingFolder, torrentFolder } from './segments.ts'
import { storedSegments, type StoredSegment } from './stored-segments.ts'

type Input<Op extends EngineRequest['op']> = Extract<EngineRequest, { op: Op }>['input']

/**
 * What the operator publishes, from its first byte on. The server writes its segments into a folder of `staging`, hashing
 * them, within room that was taken before; then the folder takes the place of the torrent's, in one rename, and a `.torrent`
 * in `published` says that it is the operator's own. Whenever the process dies, it is published whole or not at all: what is in
 * `staging` is thrown away at the next start.
 */
export class Publications {
  #dataDir: string
  #cache: Cache
  #hashes: Set<string>
  #staged = new Map<string, number>()

  /** Throws away what an earlier process had not finished. */
  static async open(dataDir: string, cache: Cache): Promise<Publications> {
    await rm(join(dataDir, stagingFolder), { recursive: true, force: true, maxRetries: 3 })
    const folder = join(dataDir, publishedFolder)
    const hashes = new Set<string>()
    for (const name of await readdir(folder).catch(() => [])) {
      const infoHash = name.replace(/\.torrent$/, '')
      if (infoHashPattern.test(infoHash)) hashes.add(infoHash)
      else await rm(join(folder, name), { recursive: true, force: true })
    }
    for (const infoHash of hashes) cache.setPublished(infoHash, true)
    return new Publications(dataDir, cache, hashes)
  }

  private constructor(dataDir: string, cache: Cache, hashes: Set<string>) {
    this.#dataDir = dataDir
    this.#cache = cache
    this.#hashes = hashes
  }

  has(infoHash: string): boolean {
    return this.#hashes.has(infoHash)
  }

  /** @throws StorageFull: then what there was room for before is still there */
  async stage({ id, lengths }: Input<'stage'>): Promise<void> {
    const bytes = lengths.reduce((sum, length) => sum + charge(length), 0)
    if (!this.#staged.has(id)) await mkdir(this.#stagedFolder(id), { recursive: true, mode: 0o700 })
    this.#staged.set(id, Math.max(bytes, this.#staged.get(id) ?? 0))
    await this.#cache.reserve(nameOf(id), bytes)
  }

  /**
   * `vacate` resolves when the torrent's folder is nobody's and gone. What is not exactly what the torrent says, by number and
   * size, is refused; each piece is hashed before it is first given to anybody, like every other.
   */
  async publish({ id, infoHash, torrent }: Input<'publish'>, vacate: () => Promise<void>): Promise<void> {
    if (!this.#staged.has(id)) throw new EngineError('not_staged', 'The engine was started anew while this was being published.')
    const info = parseTorrentFile(torrent)
    if (info.infoHash !== infoHash) throw new EngineError('refused', 'The torrent has another info-hash.')
    const folder = this.#stagedFolder(id)
    const segments = await storedSegments(folder)
    if (!isWhole(info, segments)) throw new EngineError('refused', 'What was written is not what the torrent says.')
    await claim(folder, info, segments)
    const marker = join(this.#dataDir, publishedFolder, id)
    await mkdir(join(this.#dataDir, publishedFolder), { recursive: true, mode: 0o700 })
    await writeDurably(marker, buildTorrentFile(info.infoBytes, []))
    const wasPublished = this.#hashes.has(infoHash)
    this.#hashes.add(infoHash) // who opens it from now on finds it published
    try {
      await vacate()
      await rename(folder, join(this.#dataDir, torrentFolder(infoHash)))
    } catch (error) {
      if (!wasPublished) this.#hashes.delete(infoHash)
      await rm(marker, { force: true })
      throw error
    }
    this.#staged.delete(id)
    this.#cache.settle(nameOf(id), { infoHash, segments })
    await rename(marker, this.#markerOf(infoHash))
    await Promise.all([this.#dataDir, join(this.#dataDir, publishedFolder)].map(syncFolder))
  }

  async discard(id: string): Promise<void> {
    await rm(this.#stagedFolder(id), { recursive: true, force: true, maxRetries: 3 })
    this.#cache.settle(nameOf(id), null)
    this.#staged.delete(id)
  }

  /**
   * The torrent of a published info-hash. Segments that its map cannot vouch for, having other times after a restore, say, are
   * claimed anew: nobody else may have them, and each piece is hashed before it is given away. Rejects when it is not published.
   */
  async read(infoHash: string): Promise<TorrentInfo> {
    const info = parseTorrentFile(await readFile(this.#markerOf(infoHash)))
    const folder = join(this.#dataDir, torrentFolder(infoHash))
    const [map, segments] = await Promise.all([MapFile.read(folder, info.pieceHashes.length / 20), storedSegments(folder)])
    const isVouchedFor = ({ name, size, changedNs }: StoredSegment) => {
      const sealed = map?.records.get(name)?.sealed
      return sealed?.size === size && sealed.changedNs === changedNs
    }
    if (segments.length > 0 && (!map || !segments.every(isVouchedFor))) await claim(folder, info, segments, map, isVouchedFor)
    return info
  }

  /** From now on its data is like any other's. */
  async remove(infoHash: string): Promise<void> {
    this.#hashes.delete(infoHash)
    await rm(this.#markerOf(infoHash), { force: true })
  }

  #stagedFolder(id: string): string {
    return join(this.#dataDir, stagingFolder, id)
  }

  #markerOf(infoHash: string): string {
    return join(this.#dataDir, publishedFolder, `${infoHash}.torrent`)
  }
}

const nameOf = (id: string) => `${stagingFolder}/${id}`

/** Every segment of every file is there, and nothing else, each as long as it should be. */
function isWhole({ files }: TorrentInfo, segments: readonly StoredSegment[]): boolean {
  const sizes = new Map(segments.map(({ name, size }) => [name, size]))
  let expected = 0
  for (const { index, lengthBytes, padding } of files) {
    for (let at = 0; !padding && at < lengthBytes; at += segmentBytes) {
      expected += 1
      if (sizes.get(segmentName({ fileIndex: index, segment: at / segmentBytes })) !== Math.min(segmentBytes, lengthBytes - at)) return false
    }
  }
  return sizes.size === expected
}

/** Writes a map that claims these segments' pieces, beside those that an earlier one vouches for. */
async function claim(folder: string, info: TorrentInfo, segments: readonly StoredSegment[], before: MapFile | null = null, isVouchedFor: (segment: StoredSegment) => boolean = () => false): Promise<void> {
  const map = before ?? new MapFile(folder, info.pieceHashes.length / 20)
  map.published = true
  for (const segment of segments) {
    const length = info.files[segment.fileIndex]?.lengthBytes ?? 0
    if (isVouchedFor(segment) || segment.segment * segmentBytes >= length) continue
    const pieces = piecesOfSegment(info, segment.fileIndex, segment.segment)
    for (let piece = pieces.from; piece <= pieces.to; piece += 1) map.mark(piece)
    map.record({ fileIndex: segment.fileIndex, segment: segment.segment, ...pieces, playedAt: Date.now(), sealed: { size: segment.size, changedNs: segment.changedNs } })
  }
  await map.save()
  await syncFile(join(folder, mapName))
  await syncFolder(folder)
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  await using file = await open(path, 'w', 0o600)
  await file.writeFile(bytes)
  await file.sync()
}

async function syncFile(path: string): Promise<void> {
  await using file = await open(path, 'r+')
  await file.sync()
}

/** So that a loss of power does not undo a rename; where a file system knows nothing of the kind, it goes without. */
async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r')
  await folder.sync().catch(() => {})
}
