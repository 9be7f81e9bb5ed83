/** As much of webtorrent 3.0 as the engine uses. Members with `_` are private there: pinned, and covered by the engine's tests. */
declare module 'webtorrent' {
  import type { EventEmitter } from 'node:events'
  import type { Server, Socket } from 'node:net'

  export interface ClientOptions {
    dht: boolean
    /** Handed to `dgram.Socket.bind` as it is. */
    dhtPort?: { port: number; address: string }
    lsd: boolean
    utPex: boolean
    natUpnp: boolean
    natPmp: boolean
    utp: boolean
    webSeeds: boolean
    /** False: none. */
    tracker: object | false
    /** 0: plain, 1: encrypted with plain as fallback. */
    secure: 0 | 1
    maxConns: number
    /** Handed to `net.Server.listen` as it is: so may be more than a number. */
    torrentPort: number | { port: number; host: string }
    /** Bytes per second. */
    uploadLimit?: number
    downloadLimit?: number
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
    readonly type: string
    readonly remoteAddress?: string
  }

  export interface Peer {
    /** `host:port` */
    readonly addr: string
    destroy(error?: Error): void
  }

  export interface Discovery extends EventEmitter {
    tracker: { update(): void; complete(): void; start(): void; stop(): void; destroy(done: () => void): void; removeListener(): void } | null
    readonly lsd: (EventEmitter & { _parseAnnounce(text: string): { readonly infoHash: readonly string[] } | null }) | null
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
    readonly discovery: Discovery | null
    readonly announce: readonly string[]
    readonly private?: boolean
    /** Undefined while the metadata is not there, as are the pieces. */
    readonly length?: number
    readonly downloaded: number
    readonly pieces: readonly unknown[]
    /** A .torrent. */
    readonly metadata: Uint8Array | null
    addPeer(peer: string | { destroy(): void }, source?: string): boolean
    removePeer(peer: unknown): void
    critical(start: number, end: number): void
    destroy(options: { destroyStore: boolean }, done: (error?: Error | null) => void): void
    /** Selections of streams are kept apart, others are merged with what they touch. */
    _select(start: number, end: number, priority: number, notify: undefined, isStreamSelection: boolean): void
    readonly _selections: { clear(): void }
    _critical: boolean[]
    _updateSelections(): void
    _markUnverified(piece: number): void
    _verifyPieces(done: (error?: Error | null) => void): void
    _onMetadata(metadata: Uint8Array): void
    readonly _peers: ReadonlyMap<string, Peer>
    /** To be connected to. */
    readonly _queue: Peer[]
    readonly _numConns: number
    readonly _numPending: number
    _drain(): void
    _request(wire: Wire, piece: number, hotswap: boolean): boolean
    _startDiscovery(): void
    _addIncomingPeer(peer: Peer): void
  }

  export default class WebTorrent extends EventEmitter {
    constructor(options: ClientOptions)
    blocked: { contains(host: string): boolean } | undefined
    readonly torrentPort: number
    readonly listening: boolean
    /** Hexadecimal. */
    readonly peerId: string
    readonly torrents: readonly Torrent[]
    /** Of one torrent. */
    readonly maxConns: number
    lsd: boolean
    readonly _connPool: {
      readonly tcpServer: Server
      readonly _onTCPConnectionBound: (socket: Socket) => void
      _onConnection(socket: Socket, type: 'tcp'): void
    }
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
