import { encodeBencode, type Encodable } from './bencode.ts'

/** A file as a new torrent lists it: the parts of its path inside the folder, and its length in bytes. */
export interface ListedFile { readonly path: readonly string[]; readonly lengthBytes: number }

export interface NewTorrent {
  /** Of the folder, or of the one file. */
  readonly name: string
  /** Null for a torrent of one file, which bears the torrent's name. */
  readonly files: readonly ListedFile[] | null
  readonly sizeBytes: number
  readonly pieceLength: number
  /** SHA-1 of each piece, one after another. */
  readonly pieceHashes: Uint8Array
  /** BEP 27. */
  readonly private: boolean
}

const KiB = 1024
const MiB = 1024 * KiB

/** Between these a torrent has some 2,048 pieces; beyond the larger one, pieces grow only where there would be more than `mostPieces`. */
const smallPiece = 64 * KiB
const usualPiece = MiB
const usualPieces = 2_048
const mostPieces = 32_768
const largestPiece = 64 * MiB

/**
 * How long the pieces of so many bytes are (a power of two). Nothing plays before one whole piece is there and hashed, so they
 * are small: 1 MiB at most up to 32 GiB, 64 KiB up to 128 MiB. Fewer would start later; many more cost every peer memory, and
 * whoever has a magnet link alone a longer info dictionary to fetch first (20 bytes a piece). Null: a stream of unknown length.
 */
export function pieceLengthFor(sizeBytes: number | null): number {
  if (sizeBytes === null) return usualPiece
  let length = smallPiece
  while (length < usualPiece && sizeBytes > length * usualPieces) length *= 2
  while (length < largestPiece && sizeBytes > length * mostPieces) length *= 2
  return length
}

/** An info dictionary (BEP 3). Without padding (BEP 47): a file's first bytes take one whole piece with it or without. */
export function buildInfo({ name, files, sizeBytes, pieceLength, pieceHashes, private: isPrivate }: NewTorrent): Uint8Array {
  const info = new Map<string, Encodable>([['name', name], ['piece length', pieceLength], ['pieces', pieceHashes]])
  if (files === null) info.set('length', sizeBytes)
  else info.set('files', files.map(({ path, lengthBytes }) => new Map<string, Encodable>([['length', lengthBytes], ['path', path]])))
  if (isPrivate) info.set('private', 1)
  return encodeBencode(info)
}
