import { examinerLimits } from './contract.ts'
import { isMedia, type readReport } from './report.ts'

/**
 * How much of a row is enough. MediaInfo by itself reads hundreds of megabytes of a film of a high rate to know it better still
 * (520 MB of 1.5 GB, measured); what is asked of it here stands in the first of them.
 */
const restBytes = 1024 * 1024
/** And of bytes that it can make nothing of: an MP3 may begin with a picture of its cover. */
const strangeBytes = 4 * 1024 * 1024
/** A jump costs a piece of the torrent. An mp4 needs two, an AVI of several parts three; one in fragments would jump to each. */
const mostJumps = 8

export interface Diet {
  /** May this stretch be read, too? Once not, never again. */
  takes(offset: number, length: number): boolean
  isCut(): boolean
}

/** `report` is what the parser knows so far; an mp4 in fragments names its tracks before the first. */
export function createDiet(report: () => ReturnType<typeof readReport>, isFragmented: () => boolean): Diet {
  let taken = 0
  let jumps = -1
  let rowStart = 0
  let next = -1
  let cut = false
  /** An mp4 names its tracks one by one; it knows them all when it leaves the index for the first of their bytes. */
  let knownAtJump = false

  const isEnough = (rowBytes: number) => {
    const tracks = report()
    if (tracks[0]?.Format === undefined) return rowBytes >= strangeBytes
    return tracks.some(isMedia) && (tracks[0].Format !== 'MPEG-4' || knownAtJump || isFragmented())
  }

  return {
    takes(offset, length) {
      if (offset !== next) {
        jumps += 1
        rowStart = offset
        if (jumps > 0) knownAtJump = report().some(isMedia)
      }
      next = offset + length
      taken += length
      cut ||= taken > examinerLimits.mostBytes || jumps > mostJumps || (offset - rowStart >= restBytes && isEnough(offset - rowStart))
      return !cut
    },
    isCut: () => cut,
  }
}
