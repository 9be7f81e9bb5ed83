import type WebTorrent from 'webtorrent'
import { parseTorrentFile, TorrentRefused } from '../lib/torrent.ts'
import { EngineError } from './contract.ts'
import { encryptOnRefusal } from './encryption.ts'

export interface MetadataSearch {
  readonly found: Promise<Uint8Array>
  /** Ends the search with an answer from elsewhere; resolves when it has left the swarm. */
  end(infoBytes: Uint8Array): Promise<void>
}

/** Asks the swarm for an info dictionary (BEP 9). `found` rejects with `swarm_timeout`, or `refused` when it is a hostile one. */
export function searchMetadata(client: WebTorrent, wanted: { infoHash: string; trackers: readonly string[]; peers: readonly string[]; timeoutMs: number }): MetadataSearch {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
  const torrent = client.add({
    infoHash: wanted.infoHash,
    announce: [...wanted.trackers],
    urlList: [],
    peerAddresses: [...wanted.peers],
  }, { deselect: true })
  encryptOnRefusal(torrent)
  // Taken before webtorrent would parse it: its parser is unbounded and trusts what it reads. The hash has been checked.
  torrent._onMetadata = (bytes) => {
    try {
      const { infoBytes, infoHash } = parseTorrentFile(bytes)
      if (infoHash === wanted.infoHash) resolve(infoBytes)
      else reject(new EngineError('refused', 'The info dictionary is not in canonical form.'))
    } catch (error) {
      reject(error instanceof TorrentRefused ? new EngineError('refused', `The torrent ${error.message}.`) : error)
    }
  }
  torrent.on('error', reject)
  const timer = setTimeout(() => reject(new EngineError('swarm_timeout', 'No peer sent the metadata in time.')), wanted.timeoutMs)
  const left = promise.catch(() => {}).then(async () => {
    clearTimeout(timer)
    if (!torrent.destroyed) await new Promise<void>((done) => torrent.destroy({ destroyStore: false }, () => done()))
  })
  return {
    found: promise,
    end: (infoBytes) => {
      resolve(infoBytes)
      return left
    },
  }
}
