import { createHash } from 'node:crypto'
import { encodeBencode } from '../lib/bencode.ts'
import { parseInfo, type TorrentInfo } from '../lib/torrent.ts'
import { generateBytes } from './content.ts'

export interface LocalTorrent {
  readonly info: TorrentInfo
  /** From end to end, padding included. */
  readonly bytes: Uint8Array
  readonly piece: (index: number) => Uint8Array
}

/** A torrent of these files, and its bytes: for tests of storage, without a swarm. Another name makes another info-hash. */
export function torrentOf(pieceLength: number, files: readonly { readonly length: number; readonly padding?: boolean }[], name = 'x'): LocalTorrent {
  const bytes = Buffer.concat(files.map(({ length, padding }, index) => (padding ? Buffer.alloc(length) : generateBytes(`storage ${index}`, 0, length))))
  const pieces = Array.from({ length: Math.ceil(bytes.length / pieceLength) }, (_, index) => bytes.subarray(index * pieceLength, (index + 1) * pieceLength))
  const info = parseInfo(encodeBencode(new Map<string, never>(Object.entries({
    files: files.map(({ length, padding }, index) => new Map<string, unknown>([['attr', padding ? 'p' : ''], ['length', length], ['path', [`f${index}`]]])),
    name,
    'piece length': pieceLength,
    pieces: Buffer.concat(pieces.map((piece) => createHash('sha1').update(piece).digest())),
  }) as [string, never][])))
  return { info, bytes, piece: (index) => pieces[index] ?? new Uint8Array() }
}
