/** Bytes of a file, `end` excluded. */
export interface Stretch { readonly start: number; readonly end: number }

/** Where a file lies in its torrent. */
interface Placed { readonly offset: number; readonly lengthBytes: number }

/** The stretches of a file whose pieces are there, ascending: of more than `most`, the longest. */
export function bufferedStretches(has: (piece: number) => boolean, { offset, lengthBytes }: Placed, pieceLength: number, most: number): Stretch[] {
  const found: Stretch[] = []
  const last = Math.floor((offset + lengthBytes - 1) / pieceLength)
  let start: number | null = null
  for (let piece = Math.floor(offset / pieceLength); lengthBytes > 0 && piece <= last + 1; piece += 1) {
    const there = piece <= last && has(piece)
    if (there) start ??= Math.max(piece * pieceLength - offset, 0)
    else if (start !== null) {
      found.push({ start, end: Math.min(piece * pieceLength - offset, lengthBytes) })
      start = null
    }
  }
  if (found.length <= most) return found
  const longest = new Set(found.toSorted((a, b) => b.end - b.start - (a.end - a.start)).slice(0, most))
  return found.filter((stretch) => longest.has(stretch))
}

/** How many of the bytes from `start` to `end` (excluded) are in none of the stretches. */
export function missingBytes(stretches: readonly Stretch[], start: number, end: number): number {
  const there = stretches.reduce((sum, stretch) => sum + Math.max(0, Math.min(stretch.end, end) - Math.max(stretch.start, start)), 0)
  return Math.max(0, end - start - there)
}
