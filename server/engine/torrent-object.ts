import type { TorrentObject } from 'webtorrent'
import { decodeBencode, type Bencoded } from '../lib/bencode.ts'
import { torrentLimits, type TorrentInfo } from '../lib/torrent.ts'

/**
 * What webtorrent is given: an object of our own making from a checked torrent. Names are numbers, there are no web
 * seeds; trackers and peers are those we chose.
 */
export function torrentObject(info: TorrentInfo, trackers: readonly string[], peers: readonly string[]): TorrentObject {
  const pieces = Array.from({ length: info.pieceHashes.length / 20 }, (_, piece) =>
    Buffer.from(info.pieceHashes.subarray(piece * 20, piece * 20 + 20)).toString('hex'))
  return {
    infoHash: info.infoHash,
    name: info.infoHash,
    announce: [...trackers],
    urlList: [],
    peerAddresses: [...peers],
    private: info.private,
    // Only ever encoded again, to hand it to peers that ask for it (BEP 9).
    info: Object(plain(decodeBencode(info.infoBytes, torrentLimits.bencode))) as object,
    pieceLength: info.pieceLength,
    lastPieceLength: info.sizeBytes % info.pieceLength || info.pieceLength,
    length: info.sizeBytes,
    pieces,
    files: info.files.map(({ index, lengthBytes, offset }) => ({ path: String(index), name: String(index), length: lengthBytes, offset })),
  }
}

/** As the `bencode` package would have decoded it. */
function plain(value: Bencoded): unknown {
  if (typeof value === 'number' || value instanceof Uint8Array) return value
  if (value.kind === 'list') return value.items.map(plain)
  return Object.fromEntries([...value.entries].map(([key, entry]) => [Buffer.from(key, 'latin1').toString(), plain(entry.value)]))
}
