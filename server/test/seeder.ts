/**
 * A seeder as a process of its own: told over IPC what to seed, on loopback alone, at a limited rate. It says `seeding`
 * with its port once the tracker knows it of each torrent, answers `uploaded` with how many bytes of content it has sent, and
 * ends with its parent.
 */
import WebTorrent, { type ChunkStore, type Torrent } from 'webtorrent'
import { torrentObject } from '../engine/torrent-object.ts'
import { parseTorrentFile } from '../lib/torrent.ts'
import { readContent, type Content } from './content.ts'

export interface SeededTorrent {
  readonly torrent: Uint8Array
  /** One for each file of the torrent. */
  readonly contents: readonly Content[]
}
export interface SeedOrder {
  readonly torrents: readonly SeededTorrent[]
  readonly port: number
  /** Bytes per second, of all torrents together; null for as fast as it goes. */
  readonly rate: number | null
}

if (process.send) {
  process.once('message', (order: SeedOrder) => seed(order))
  process.once('disconnect', () => process.exit())
}

function seed({ torrents, port, rate }: SeedOrder): void {
  const client = new WebTorrent({
    dht: false, lsd: false, utPex: false, natUpnp: false, natPmp: false, utp: false, webSeeds: false, secure: 0,
    tracker: {}, maxConns: 50, torrentPort: { host: '127.0.0.1', port }, ...(rate === null ? {} : { uploadLimit: rate }),
  })
  const seeded = torrents.map((torrent) => add(client, torrent))
  process.on('message', (message) => {
    if (message === 'uploaded') process.send?.({ kind: 'uploaded', bytes: seeded.reduce((sum, { uploaded }) => sum + uploaded, 0) })
  })
  let unknown = seeded.length
  for (const torrent of seeded) {
    torrent.once('trackerAnnounce', () => {
      unknown -= 1
      if (unknown === 0) process.send?.({ kind: 'seeding', port: client.torrentPort })
    })
  }
}

function add(client: WebTorrent, { torrent, contents }: SeededTorrent): Torrent {
  const info = parseTorrentFile(torrent)

  async function read(piece: number, offset: number, length: number): Promise<Uint8Array> {
    const start = piece * info.pieceLength + offset
    const parts = await Promise.all(info.files.map(async (file, index) => {
      const from = Math.max(start, file.offset)
      const to = Math.min(start + length, file.offset + file.lengthBytes)
      const content = contents[index]
      return from < to && content ? readContent(content, from - file.offset, to - from) : new Uint8Array()
    }))
    return Buffer.concat(parts)
  }

  class ContentStore implements ChunkStore {
    readonly chunkLength: number
    constructor(chunkLength: number) {
      this.chunkLength = chunkLength
    }
    put(_piece: number, _bytes: Uint8Array, done: (error?: Error | null) => void) {
      done(new Error('read only'))
    }
    get(piece: number, options: { offset?: number; length?: number } | null | undefined, done: (error: Error | null, bytes?: Uint8Array) => void) {
      const offset = options?.offset ?? 0
      const length = options?.length ?? Math.min(info.pieceLength, info.sizeBytes - piece * info.pieceLength) - offset
      read(piece, offset, length).then((bytes) => done(null, bytes), (error: Error) => done(error))
    }
    close(done: (error?: Error | null) => void) {
      done(null)
    }
    destroy(done: (error?: Error | null) => void) {
      done(null)
    }
  }

  return client.add(torrentObject(info, info.trackers, []), { store: ContentStore, storeCacheSlots: 0, skipVerify: true })
}
