import { z } from 'zod'
import { invalidFrom } from '../../kit/errors.ts'
import { parseInfoHash } from '../../lib/infohash.ts'
import { parseMagnet } from '../../lib/magnet.ts'
import { parseTorrentFile, TorrentRefused, type TorrentInfo } from '../../lib/torrent.ts'
import type { IngestItem, ItemReading } from './contract.ts'
import { peerSources, type SourceWarning } from './peer-sources.ts'

export type Candidate = { item: IngestItem; infoHash: string; trackers: string[]; webSeeds: string[]; /** Null until the swarm tells. */ info: TorrentInfo | null }
export type Refusal = { code: string; path: string; message: string }
export type Verdict = { candidate?: Candidate; refusal?: Refusal; warnings: SourceWarning[] }

type Rules = { allowPrivate: boolean; allowServicePorts: boolean; categories: ReadonlySet<string> }

/** Judges one item by itself: which torrent it names, where its peers are, and whether the catalogue can take it. */
export function readItem(reading: ItemReading, rules: Rules): Verdict {
  if (reading.issues) return { refusal: refusalOf(reading.issues), warnings: [] }
  const { item } = reading
  if (!rules.categories.has(item.category ?? 'other')) return refuse('unknown_category', 'category', 'is not the id of a category')

  const named = item.torrentFile !== undefined ? fromTorrentFile(item.torrentFile) : item.magnetUri !== undefined ? fromMagnet(item.magnetUri) : fromInfoHash(item.infoHash ?? '')
  if ('refusal' in named) return { ...named, warnings: [] }

  const sources = peerSources({ trackers: [...named.trackers, ...(item.trackers ?? [])], webSeeds: named.webSeeds }, rules)
  const warnings = [...named.warnings, ...sources.warnings, ...differences(item, named.info)]
  if (sources.trackers.length === 0) return { ...refuse('no_peer_source', 'trackers', 'no tracker is left through which peers could be found'), warnings }
  return { candidate: { item, infoHash: named.infoHash, trackers: sources.trackers, webSeeds: sources.webSeeds, info: named.info }, warnings }
}

type Named = { infoHash: string; trackers: readonly string[]; webSeeds: readonly string[]; info: TorrentInfo | null; warnings: SourceWarning[] }

function fromInfoHash(text: string): Named | { refusal: Refusal } {
  const infoHash = parseInfoHash(text)
  if (infoHash) return { infoHash, trackers: [], webSeeds: [], info: null, warnings: [] }
  // a version 2 hash is SHA-256 (BEP 52)
  if (/^[0-9a-f]{64}$/i.test(text)) return v2Only('infoHash')
  return refuse('invalid_info_hash', 'infoHash', 'must be 40 hexadecimal or 32 base-32 digits')
}

function fromMagnet(uri: string): Named | { refusal: Refusal } {
  const magnet = parseMagnet(uri)
  if (magnet) {
    const warnings = [...new Map(magnet.warnings.map(({ code, parameter, message }) => [parameter, { code, message }])).values()]
    return { infoHash: magnet.infoHash, trackers: magnet.trackers, webSeeds: [], info: null, warnings }
  }
  return /urn:btmh:/i.test(uri) ? v2Only('magnetUri') : refuse('invalid_magnet', 'magnetUri', 'is no magnet link with a BitTorrent v1 info-hash')
}

function fromTorrentFile(base64: string): Named | { refusal: Refusal } {
  const bytes = Buffer.from(base64, 'base64')
  if (bytes.length === 0 || bytes.toString('base64') !== base64) return refuse('invalid_torrent', 'torrentFile', 'is not base64')
  try {
    const { trackers, webSeeds, ...info } = parseTorrentFile(bytes)
    return { infoHash: info.infoHash, trackers, webSeeds, info, warnings: [] }
  } catch (error) {
    if (!(error instanceof TorrentRefused)) throw error
    // a version 2 torrent that brings no version 1 pieces along (BEP 52); a hybrid has both and is read as version 1
    if (bytes.includes('12:meta versioni2e') && !bytes.includes('6:pieces')) return v2Only('torrentFile')
    return refuse('invalid_torrent', 'torrentFile', error.message)
  }
}

/** What a source says is inside, against what is. */
function differences({ files }: IngestItem, info: TorrentInfo | null): SourceWarning[] {
  if (!files || !info) return []
  const real = info.files.filter(({ padding }) => !padding)
  const same = files.length === real.length && sum(files.map((f) => f.sizeBytes)) === sum(real.map((f) => f.lengthBytes))
  return same ? [] : [{ code: 'files_differ', message: 'The torrent holds other files than the item says; the torrent counts.' }]
}

export const sum = (numbers: number[]): number => numbers.reduce((all, one) => all + one, 0)

const v2Only = (path: string) => refuse('v2_only', path, 'is a BitTorrent v2 torrent; only v1 and hybrid ones are taken')

const refuse = (code: string, path: string, message: string) => ({ refusal: { code, path, message }, warnings: [] as SourceWarning[] })

function refusalOf(issues: z.core.$ZodIssue[]): Refusal {
  const { code, errors } = invalidFrom(new z.ZodError(issues))
  const [first] = errors ?? []
  return { code, path: storable(first?.path ?? ''), message: storable(first?.message ?? 'is not valid') }
}

/** A path may hold a key that a stranger chose: Postgres keeps neither NUL nor half a surrogate pair in JSON. */
const storable = (text: string): string => text.slice(0, 200).toWellFormed().replaceAll(/\p{Cc}/gu, ' ')
