import { parseInfoHash } from './infohash.ts'

/** A magnet link (BEP 9), reduced to what is used: which torrent, what it calls itself, which trackers. */
export interface ParsedMagnet {
  readonly infoHash: string
  /** `dn`, for people; null when absent. */
  readonly name: string | null
  /** `tr`, http, https and udp only; to be checked by `usableTrackers` before use. */
  readonly trackers: readonly string[]
  readonly warnings: readonly MagnetWarning[]
}

/** Something in the link that is not used. `parameter` is its name as written, `x.pe` say. */
export interface MagnetWarning { readonly code: 'source_ignored' | 'tracker_ignored'; readonly parameter: string; readonly message: string }

const maxLength = 16 * 1024
const maxTrackers = 100
/** Where to fetch from, or whom to call: addresses chosen by whoever wrote the link (control D3). */
const unsafeSources = new Set(['xs', 'as', 'x.pe', 'ws', 'mt'])

/** Reads a magnet link; null when it is none, or names no version 1 torrent. */
export function parseMagnet(uri: string): ParsedMagnet | null {
  if (uri.length > maxLength || !/^magnet:\?/i.test(uri)) return null
  const fields = new URLSearchParams(uri.slice(uri.indexOf('?') + 1))
  let infoHash: string | null = null
  let name: string | null = null
  const trackers = new Set<string>()
  const warnings: MagnetWarning[] = []
  for (const [key, value] of fields) {
    const parameter = key.toLowerCase().replace(/^(xs|as|tr|xt|dn|ws|mt)\.\d+$/, '$1')
    if (parameter === 'xt' && infoHash === null) infoHash = /^urn:btih:/i.test(value) ? parseInfoHash(value.slice(9)) : null
    else if (parameter === 'dn') name ??= value
    else if (parameter === 'tr' && /^(https?|udp):\/\//i.test(value) && trackers.size < maxTrackers) trackers.add(value)
    else if (parameter === 'tr') warnings.push({ code: 'tracker_ignored', parameter: 'tr', message: 'A tracker is not http, https or udp, or is one too many.' })
    else if (unsafeSources.has(parameter)) warnings.push({ code: 'source_ignored', parameter, message: `The source in ${parameter} is not used.` })
  }
  return infoHash === null ? null : { infoHash, name, trackers: [...trackers], warnings: warnings.slice(0, maxTrackers) }
}

/** A magnet link of our own making. */
export function buildMagnet(infoHash: string, name: string, trackers: readonly string[]): string {
  const query = [`dn=${encodeURIComponent(name)}`, ...trackers.map((tracker) => `tr=${encodeURIComponent(tracker)}`)]
  return `magnet:?xt=urn:btih:${infoHash}&${query.join('&')}`
}
