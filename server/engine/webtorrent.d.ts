/** As much of webtorrent 3.0 as the engine uses. Members with `_` are private there: pinned, and covered by the engine's tests. */
declare module 'webtorrent' {
  import type { EventEmitter } from 'node:events'

  export interface ClientOptions {
    dht: boolean
    lsd: boolean
    utPex: boolean
    natUpnp: boolean
    natPmp: boolean
    utp: boolean
    webSeeds: boolean
    tracker: object
    /** 0: plain, 1: encrypted with plain as fallback. */
    secure: 0 | 1
    maxConns: number
    /** Handed to `net.Server.listen` as it is: so may be more than a number. */
    torrentPort: number | { port: number; host: string }
    /** Bytes per second. */
    uploadLimit?: number
  }

  /** What parse-torrent would make of a .torrent. */
  export interface TorrentObject {
    infoHash: string
    name?: string
    announce: string[]
    urlList: string[]
    peerAddresses: string[]
    private?: boolean
    info?: object
    pieceLength?: number
    lastPieceLength?: number
    length?: number
    /** Hexadecimal SHA-1 of each piece. */
    pieces?: string[]
    files?: { path: string; name: string; length: number; offset: number }[]
  }

  export interface ChunkStore {
    readonly chunkLength: number
    put(index: number, bytes: Uint8Array, done: (error?: Error | null) => void): void
    get(index: number, options: { offset?: number; length?: number } | null | undefined, done: (error: Error | null, bytes?: Uint8Array) => void): void
    close(done: (error?: Error | null) => void): void
    destroy(done: (error?: Error | null) => void): void
  }

  export interface AddOptions {
    store?: new (chunkLength: number) => ChunkStore
    storeCacheSlots?: number
    bitfield?: Uint8Array
    /** Nothing is selected at first. */
    deselect?: boolean
    skipVerify?: boolean
    uploads?: number | false
  }

  export interface Request { piece: number; offset: number; length: number }
  export interface Wire {
    requests: Request[]
    cancel(piece: number, offset: number, length: number): void
    /** Says nothing to a peer that does not know the extension. */
    readonly lt_donthave: { donthave(piece: number): void }
  }

  export interface Torrent extends EventEmitter {
    readonly infoHash: string
    readonly destroyed: boolean
    readonly numPeers: number
    readonly wires: Wire[]
    readonly received: number
    readonly uploaded: number
    readonly downloadSpeed: number
    readonly uploadSpeed: number
    readonly bitfield: { get(piece: number): boolean }
    readonly discovery: { tracker: { update(): void } | null } | null
    addPeer(peer: string): boolean
    critical(start: number, end: number): void
    destroy(options: { destroyStore: boolean }, done: (error?: Error | null) => void): void
    /** Selections of streams are kept apart, others are merged with what they touch. */
    _select(start: number, end: number, priority: number, notify: undefined, isStreamSelection: boolean): void
    readonly _selections: { clear(): void }
    _critical: boolean[]
    _updateSelections(): void
    /** Where it ends by itself, with an error of the store, say. */
    _destroy(error: Error | null, ...rest: unknown[]): void
    _markUnverified(piece: number): void
    _verifyPieces(done: (error?: Error | null) => void): void
    _onMetadata(metadata: Uint8Array): void
  }

  export default class WebTorrent extends EventEmitter {
    constructor(options: ClientOptions)
    blocked: { contains(host: string): boolean } | undefined
    readonly torrentPort: number
    readonly listening: boolean
    add(torrent: TorrentObject, options: AddOptions): Torrent
    destroy(done: (error?: Error | null) => void): void
  }
}

declare module 'bittorrent-tracker' {
  import type { EventEmitter } from 'node:events'
  import type { Server as HttpServer } from 'node:http'

  export class Server extends EventEmitter {
    constructor(options: { udp: boolean; ws: boolean; stats: boolean; http?: boolean; interval?: number })
    readonly http: HttpServer
    listen(port: number, host: string, done: () => void): void
    close(done: (error?: Error | null) => void): void
  }
}
