import { randomBytes } from 'node:crypto'
import { encodeBencode, type Encodable } from '../lib/bencode.ts'
import { infoHashOf } from '../lib/infohash.ts'

export const trackerUrl = 'http://127.0.0.1:6969/announce'

type Parts = {
  files?: { path: string; sizeBytes: number }[]
  trackers?: string[]
  webSeeds?: string[]
  /** More entries of the info dictionary, `meta version` say. */
  info?: [string, Encodable][]
  /** A version 2 torrent has none. */
  pieces?: boolean
}

/** A .torrent that nobody seeds, unlike any other: for the catalogue, not for streaming. */
export function makeTorrent({ files = [{ path: 'film.mp4', sizeBytes: 1_000 }], trackers = [trackerUrl], webSeeds = [], info = [], pieces = true }: Parts = {}) {
  const total = files.reduce((all, { sizeBytes }) => all + sizeBytes, 0)
  const pieceLength = 1024 * 1024
  const entries = new Map<string, Encodable>([
    ['files', files.map(({ path, sizeBytes }) => new Map<string, Encodable>([['length', sizeBytes], ['path', path.split('/')]]))],
    ['name', 'made by a test'],
    ['piece length', pieceLength],
    ['unique', randomBytes(8)],
    ...info,
  ])
  if (pieces) entries.set('pieces', randomBytes(Math.ceil(total / pieceLength) * 20))
  const infoBytes = encodeBencode(entries)
  const outer = new Map<string, Encodable>([['info', { raw: infoBytes }]])
  if (trackers.length > 0) outer.set('announce-list', trackers.map((tracker) => [tracker]))
  if (webSeeds.length > 0) outer.set('url-list', webSeeds)
  return { infoHash: infoHashOf(infoBytes), base64: Buffer.from(encodeBencode(outer)).toString('base64') }
}

export const anyInfoHash = (): string => randomBytes(20).toString('hex')
