import { decodeBencode, encodeBencode, BencodeError, type Bencoded, type BencodedDict, type Encodable } from './bencode.ts'
import { infoHashOf } from './infohash.ts'
import { displayPath } from './torrent-names.ts'

/** What a `.torrent` (BEP 3) says, checked. Everything of it that is not `info` is a hint from a stranger. */
export interface ParsedTorrent extends TorrentInfo {
  /** As found: announce and announce-list, once each. To be checked by `usableTrackers` before use. */
  readonly trackers: readonly string[]
  /** As found: url-list (BEP 19). */
  readonly webSeeds: readonly string[]
}

export interface TorrentInfo {
  readonly infoHash: string
  /** The very bytes that the info-hash is the hash of. */
  readonly infoBytes: Uint8Array
  readonly name: string
  readonly pieceLength: number
  /** SHA-1 of each piece, 20 bytes each, one after another. */
  readonly pieceHashes: Uint8Array
  readonly files: readonly TorrentFile[]
  readonly sizeBytes: number
  /** BEP 27: peers only from the trackers it names. */
  readonly private: boolean
}

export interface TorrentFile {
  readonly index: number
  /** For people: parts joined by `/`, cleaned of what confuses a terminal, a header or a reader. Never a place on disk. */
  readonly path: string
  readonly lengthBytes: number
  /** Where the file begins in the torrent's bytes. */
  readonly offset: number
  /** BEP 47: zeros that only align the next file. */
  readonly padding: boolean
}

/** Bounds within which a torrent is read at all (control D5). */
export const torrentLimits = {
  fileBytes: 10 * 1024 * 1024,
  files: 10_000,
  minPieceLength: 1024,
  maxPieceLength: 64 * 1024 * 1024,
  trackers: 100,
  /** Of all paths together: 10,000 files with 200 bytes each. */
  nameBytes: 2 * 1024 * 1024,
  bencode: { maxDepth: 8, maxValues: 100_000 },
} as const

/** A torrent that is not read further. `message` is for the person who sent it. */
export class TorrentRefused extends Error {
  override readonly name = 'TorrentRefused'
}

/** Reads a `.torrent` file. Throws TorrentRefused. */
export function parseTorrentFile(bytes: Uint8Array): ParsedTorrent {
  const outer = readDict(bytes, 'the torrent')
  const info = outer.entries.get('info')
  if (!info) throw new TorrentRefused('has no info dictionary')
  return {
    ...readInfo(dictOf(info.value, 'info'), bytes.slice(info.start, info.end)),
    trackers: [...new Set([...texts(outer, 'announce'), ...texts(outer, 'announce-list')])].slice(0, torrentLimits.trackers),
    webSeeds: [...new Set(texts(outer, 'url-list'))].slice(0, torrentLimits.trackers),
  }
}

/** Reads a bare info dictionary, as the swarm sends it (BEP 9). Throws TorrentRefused. */
export function parseInfo(infoBytes: Uint8Array): TorrentInfo {
  return readInfo(readDict(infoBytes, 'the info dictionary'), infoBytes)
}

/** A `.torrent` of our own making: the info dictionary untouched, these trackers, these web seeds (BEP 19), and nothing else. */
export function buildTorrentFile(infoBytes: Uint8Array, trackers: readonly string[], webSeeds: readonly string[] = []): Uint8Array {
  const outer = new Map<string, Encodable>([['info', { raw: infoBytes }]])
  const [first] = trackers
  if (first !== undefined) {
    outer.set('announce', first)
    outer.set('announce-list', trackers.map((tracker) => [tracker]))
  }
  if (webSeeds.length > 0) outer.set('url-list', webSeeds)
  return encodeBencode(outer)
}

function readDict(bytes: Uint8Array, what: string): BencodedDict {
  if (bytes.length > torrentLimits.fileBytes) throw new TorrentRefused(`is larger than ${torrentLimits.fileBytes} bytes`)
  try {
    return dictOf(decodeBencode(bytes, torrentLimits.bencode), what)
  } catch (cause) {
    if (cause instanceof BencodeError) throw new TorrentRefused(`is not valid bencoding: ${cause.message}`, { cause })
    throw cause
  }
}

function readInfo(info: BencodedDict, infoBytes: Uint8Array): TorrentInfo {
  const pieceLength = numberOf(info, 'piece length')
  if (pieceLength < torrentLimits.minPieceLength || pieceLength > torrentLimits.maxPieceLength) throw new TorrentRefused(`has a piece length of ${pieceLength}`)
  const pieceHashes = bytesOf(info, 'pieces')
  const nameBytes = info.entries.get('name.utf-8')?.value ?? info.entries.get('name')?.value
  if (!(nameBytes instanceof Uint8Array)) throw new TorrentRefused('has no name')
  const name = nameOf([nameBytes])
  const files = readFiles(info, nameBytes)
  const last = files.at(-1)
  const sizeBytes = last ? last.offset + last.lengthBytes : 0
  if (sizeBytes === 0) throw new TorrentRefused('holds no bytes')
  if (pieceHashes.length !== Math.ceil(sizeBytes / pieceLength) * 20) throw new TorrentRefused('has another number of pieces than its size needs')
  const isPrivate = info.entries.get('private')?.value === 1
  return { infoHash: infoHashOf(infoBytes), infoBytes, name, pieceLength, pieceHashes, files, sizeBytes, private: isPrivate }
}

function readFiles(info: BencodedDict, nameBytes: Uint8Array): TorrentFile[] {
  const listed = info.entries.get('files')?.value
  if (listed === undefined) {
    const lengthBytes = lengthOf(info)
    return [{ index: 0, path: nameOf([nameBytes]), lengthBytes, offset: 0, padding: false }]
  }
  const items = listOf(listed, 'files')
  if (items.length === 0 || items.length > torrentLimits.files) throw new TorrentRefused(`has ${items.length} files`)
  let offset = 0
  let named = 0
  return items.map((item, index) => {
    const entry = dictOf(item, 'a file')
    const parts = listOf(entry.entries.get('path.utf-8')?.value ?? entry.entries.get('path')?.value, 'path')
    for (const part of parts) named += part instanceof Uint8Array ? part.length : 0
    if (named > torrentLimits.nameBytes) throw new TorrentRefused(`has more than ${torrentLimits.nameBytes} bytes of names`)
    const attributes = entry.entries.get('attr')?.value
    const file = {
      index,
      path: nameOf(parts),
      lengthBytes: lengthOf(entry),
      offset,
      padding: attributes instanceof Uint8Array && attributes.includes(0x70 /* p */),
    }
    offset += file.lengthBytes
    if (!Number.isSafeInteger(offset)) throw new TorrentRefused('is larger than 2^53 bytes')
    return file
  })
}

function nameOf(parts: readonly Bencoded[]): string {
  const path = displayPath(parts.map((part) => {
    if (!(part instanceof Uint8Array)) throw new TorrentRefused('has a name that is not text')
    return part
  }))
  if (path === null) throw new TorrentRefused('has a file name that leaves its folder or cannot be shown')
  return path
}

function lengthOf(dict: BencodedDict): number {
  const length = numberOf(dict, 'length')
  if (length < 0) throw new TorrentRefused('has a file of negative length')
  return length
}

function dictOf(value: Bencoded | undefined, what: string): BencodedDict {
  if (typeof value === 'object' && 'kind' in value && value.kind === 'dict') return value
  throw new TorrentRefused(`${what} is not a dictionary`)
}

function listOf(value: Bencoded | undefined, what: string): readonly Bencoded[] {
  if (typeof value === 'object' && 'kind' in value && value.kind === 'list') return value.items
  throw new TorrentRefused(`${what} is not a list`)
}

function numberOf(dict: BencodedDict, key: string): number {
  const value = dict.entries.get(key)?.value
  if (typeof value !== 'number') throw new TorrentRefused(`has no ${key}`)
  return value
}

function bytesOf(dict: BencodedDict, key: string): Uint8Array {
  const value = dict.entries.get(key)?.value
  if (!(value instanceof Uint8Array)) throw new TorrentRefused(`has no ${key}`)
  return value
}

/** The strings under a key, whether one, a list, or a list of lists, the first so many; what is not text is passed over. */
function texts(dict: BencodedDict, key: string): string[] {
  const found = new Set<string>()
  const collect = (value: Bencoded | undefined): void => {
    if (found.size >= torrentLimits.trackers) return
    if (value instanceof Uint8Array) {
      if (value.length > 0 && value.length <= 2048) found.add(Buffer.from(value).toString())
    } else if (typeof value === 'object' && value.kind === 'list') for (const item of value.items) collect(item)
  }
  collect(dict.entries.get(key)?.value)
  return [...found]
}
