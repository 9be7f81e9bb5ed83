import type { LookupAddress } from 'node:dns'

/** What is said to a tracker (BEP 3); hashes in hexadecimal, counts in bytes. */
export interface Announce {
  readonly infoHash: string
  readonly peerId: string
  readonly port: number
  readonly uploaded: number
  readonly downloaded: number
  readonly left: number
  readonly event: 'started' | 'completed' | 'stopped' | null
  /** Peers asked for. */
  readonly wanted: number
}

/** What it answered, as it stands: `peers` are `host:port`, not checked yet. */
export interface Announced { readonly intervalSeconds: number; readonly peers: readonly string[]; /** Peers that lack a part; null where it does not say. */ readonly leechers: number | null }

/** Asks the tracker of the URL at this address: the one that its name had when it was judged. Rejects with what went wrong. */
export type AskTracker = (url: URL, address: LookupAddress, announce: Announce, signal: AbortSignal) => Promise<Announced>

/** The host without the brackets of IPv6. */
export const hostOf = (url: URL): string => decodeURIComponent(url.hostname).replace(/^\[|\]$/g, '')
