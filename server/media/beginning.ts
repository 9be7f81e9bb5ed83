/** What the first stretch of a file says that MediaInfo does not tell. */

/**
 * Where Matroska's index (Cues) begins, as a share of the file, by the entry of the SeekHead near its start (RFC 9559, 5.1.1).
 * Null where there is no such entry.
 */
export function cuesPlace(beginning: Buffer, sizeBytes: number): number | null {
  const segment = beginning.indexOf(segmentId)
  const entry = beginning.indexOf(cuesEntry)
  if (segment < 0 || entry < segment) return null
  const width = (beginning[entry + cuesEntry.length] ?? 0) - 0x80
  const at = entry + cuesEntry.length + 1
  if (width < 1 || width > 6 || at + width > beginning.length) return null
  const place = (segment + beginning.readUIntBE(at, width)) / sizeBytes
  return place <= 1 ? place : null
}

const segmentId = Buffer.from('18538067', 'hex')
/** SeekID, four bytes: that of Cues; then the id of SeekPosition, whose size and value follow. */
const cuesEntry = Buffer.from('53ab841c53bb6b53ac', 'hex')

/** Has an mp4 its index in parts, one before each of its fragments (ISO 14496-12, 8.8)? Only all of them tell how long it is. */
export const isFragmented = (beginning: Buffer): boolean => beginning.includes('mvex', 0, 'latin1') && beginning.includes('ftyp', 0, 'latin1')
