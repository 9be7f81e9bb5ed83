import type { PieceMap } from '../lib/piece-map.ts'
import type { TorrentInfo } from '../lib/torrent.ts'
import type { MapFile, SegmentRecord } from './map-file.ts'
import { piecesOfSegment } from './piece-spans.ts'
import { segmentBytes, segmentName, type SegmentOfFile } from './segments.ts'
import { storedSegment } from './stored-segments.ts'

/**
 * A segment that is whole, or left for now, is sealed: the map knows its size and time of change, and by them whether somebody
 * else has changed it.
 */
export class Seals {
  #info: TorrentInfo
  #folder: string
  #map: MapFile

  constructor(info: TorrentInfo, folder: string, map: MapFile) {
    this.#info = info
    this.#folder = folder
    this.#map = map
  }

  /** Before the first byte is changed: a segment whose size and time are not as the map says counts as damaged. */
  async open(segments: readonly SegmentOfFile[]): Promise<void> {
    let wasSealed = false
    for (const { fileIndex, segment } of segments) {
      const record = this.#map.records.get(segmentName({ fileIndex, segment }))
      if (record && !record.sealed) continue
      wasSealed ||= record !== undefined
      this.#map.record({ fileIndex, segment, ...piecesOfSegment(this.#info, fileIndex, segment), playedAt: record?.playedAt ?? Date.now(), sealed: null })
    }
    if (wasSealed) await this.#map.save().catch(() => {})
  }

  /** Seals a segment if all of it is there. `close` is called before: nothing is written to it any more. */
  async closeIfWhole(segment: SegmentOfFile, close: () => Promise<void>): Promise<void> {
    const record = this.#map.records.get(segmentName(segment))
    if (!record || record.sealed || !isWhole(record, this.#map.pieces)) return
    await close()
    await this.#seal(record, () => isWhole(record, this.#map.pieces))
  }

  /** Writes down how all segments are left. */
  async closeAll(): Promise<void> {
    const open = [...this.#map.records.values()].filter(({ sealed }) => sealed === null)
    await Promise.all(open.map((record) => this.#seal(record, () => true)))
  }

  /** Writes down how a segment lies there, unless it has changed again meanwhile. */
  async #seal(record: SegmentOfFile, isStill: () => boolean): Promise<void> {
    const name = segmentName(record)
    const found = await storedSegment(this.#folder, name)
    const now = this.#map.records.get(name)
    if (found && now && found.size <= segmentBytes && isStill()) this.#map.record({ ...now, sealed: { size: found.size, changedNs: found.changedNs } })
  }
}

function isWhole({ from, to }: Pick<SegmentRecord, 'from' | 'to'>, stored: PieceMap): boolean {
  for (let piece = to; piece >= from; piece -= 1) if (!stored.has(piece)) return false
  return true
}
