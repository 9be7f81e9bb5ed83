import { rm, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { EngineError } from './contract.ts'
import type { FreeSpace } from './free-space.ts'
import type { Entry, Ledger } from './ledger.ts'
import { MapFile, mapName } from './map-file.ts'
import { segmentName, torrentFolder, type SegmentOfFile } from './segments.ts'

export interface EvictorOptions {
  readonly dataDir: string
  readonly ledger: Ledger
  readonly free: FreeSpace
  /** A segment is gone, or could not be deleted. */
  readonly onChange: () => void
}

/** Deletes segments, so that at every moment the map says nothing that is not there. */
export class Evictor {
  readonly #options: EvictorOptions
  /** One at a time: a closed torrent's map has one writer. */
  #turn: Promise<void> = Promise.resolve()
  #evictions = 0

  constructor(options: EvictorOptions) {
    this.#options = options
  }

  /** Segments dropped so far. */
  get evictions(): number {
    return this.#evictions
  }

  /** Does what drops segments when nobody else does. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work)
    this.#turn = done.then(() => {}, () => {})
    return done
  }

  /** Drops a segment that nobody writes: map first, then the file. To be called in turn. @throws EngineError `storage_failed` */
  async evict(entry: Entry): Promise<void> {
    const { ledger, onChange } = this.#options
    const { share } = entry
    entry.leaving = this.#delete(entry)
    try {
      await entry.leaving
      ledger.forget(entry)
      share.keeper?.gone(entry)
      if (share.segments.size === 0 && !share.keeper) ledger.shares.delete(share.infoHash)
    } catch (error) {
      entry.leaving = null
      ledger.touch(entry, Date.now()) // others first, the next time
      throw new EngineError('storage_failed', `A segment could not be deleted: ${String(error)}`, { cause: error })
    } finally {
      onChange()
    }
  }

  /** Deletes all of a torrent that is closed: first what says that it is there. */
  async remove(infoHash: string): Promise<void> {
    const { dataDir, ledger, onChange } = this.#options
    const share = ledger.shares.get(infoHash)
    const entries = [...(share?.segments.values() ?? [])]
    const before = Promise.allSettled(entries.flatMap(({ leaving }) => leaving ?? []))
    const folder = join(dataDir, torrentFolder(infoHash))
    const removal = before.then(async () => {
      await rm(join(folder, mapName), { force: true }).catch(() => {}) // as when the folder is a file: the next says it
      await rm(folder, { recursive: true, force: true, maxRetries: 3 })
    })
    for (const entry of entries) entry.leaving = removal
    try {
      await removal
      for (const entry of entries) ledger.forget(entry)
      if (share && !share.keeper) ledger.shares.delete(infoHash)
    } catch (error) {
      for (const entry of entries) entry.leaving = null
      throw error
    } finally {
      onChange()
    }
  }

  async #delete(entry: Entry): Promise<void> {
    const { share } = entry
    const folder = join(this.#options.dataDir, torrentFolder(share.infoHash))
    // A map that cannot be written does not keep the file: what is missing is left out of it when it is read.
    await (share.keeper ? share.keeper.strike(entry) : strikeClosed(folder, entry)).catch(() => {})
    const blocks = await stat(join(folder, entry.name)).then((found) => found.blocks * 512, () => 0)
    await rm(join(folder, entry.name), { recursive: true, force: true })
    this.#options.free.take(-blocks)
    this.#evictions += 1
    // The last one takes the map along. Who opens the torrent meanwhile waits for this.
    if (share.segments.size === 1 && !share.keeper) await rm(join(folder, mapName), { force: true }).then(() => rmdir(folder)).catch(() => {})
  }
}

/** Strikes a segment of a torrent that is not open. */
async function strikeClosed(folder: string, segment: SegmentOfFile): Promise<void> {
  const map = await MapFile.read(folder)
  if (!map) return
  // Without a record (the engine died before it was written) nothing says which pieces are in it: then none is claimed.
  const { from, to } = map.records.get(segmentName(segment)) ?? { from: 0, to: map.pieces.pieces - 1 }
  for (let piece = from; piece <= to; piece += 1) map.strike(piece)
  map.forget(segmentName(segment))
  await map.save()
}
