/** As much of webtorrent 3.0 as the engine uses. Members with `_` are private there: pinned, and covered by the engine's tests. */
declare module 'webtorrent' {
  import type { EventEmitter } from 'node:events'
  import type { Server as HttpServer } from 'node:http'
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
    /** Where webtorrent's own store would write. */
    path?: string
    skipVerify?: boolean
    uploads?: number | false
  }

  export interface Request {
    readonly piece: number
    readonly offset: number
    readonly length: number
    callback: (error: Error | null, block: Uint8Array | null) => void
  }

  export interface Wire {
    readonly destroyed: boolean
    readonly requests: Request[]
    readonly remoteAddress?: string
    readonly remotePort?: number
    readonly type: string
    /** Null until its handshake has come. */
    readonly peerId: string | null
    readonly peerChoking: boolean
    readonly peerInterested: boolean
    amInterested: boolean
    readonly peerPieces: { get(piece: number): boolean }
    readonly peerExtendedHandshake: { readonly reqq?: unknown }
    /** Bytes per second; with an argument, takes note of so many more. */
    downloadSpeed: (bytes?: number) => number
    /** To the peer, through encryption if there is any. */
    _push: (bytes: Uint8Array) => void
    once(event: string, listener: () => void): void
    cancel(piece: number, offset: number, length: number): void
    have(piece: number): void
    bitfield: (bitfield: Torrent['bitfield']) => void
    haveAll: () => void
    haveNone: () => void
    interested(): void
    unchoke(): void
    /** Says nothing to a peer that does not know the extension. */
    readonly lt_donthave: { donthave(piece: number): void }
  }

  export interface Peer extends EventEmitter {
    readonly type: 'tcpOutgoing' | 'tcpIncoming'
    readonly addr: string
    readonly wire: Wire | null
    readonly conn: Socket | null
    readonly connected: boolean
    retries: number
    /** As `ClientOptions.secure`; looked at when it connects. */
    secure: 0 | 1
    handshake: () => void
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
    readonly ready: boolean
    readonly files: readonly { readonly path: string }[]
    readonly pieceLength: number
    /** Null for those that are there. */
    readonly pieces: readonly (object | null)[]
    readonly bitfield: { get(piece: number): boolean; readonly buffer: Uint8Array }
    readonly discovery: Discovery | null
    readonly announce: readonly string[]
    private?: boolean
    /** Undefined while the metadata is not there, as are the pieces. */
    readonly length?: number
    readonly downloaded: number
    /** A .torrent. */
    readonly metadata: Uint8Array | null
    addPeer(peer: string | { destroy(): void }, source?: string): boolean
    removePeer(peer: unknown): void
    destroy(options: { destroyStore: boolean }, done: (error?: Error | null) => void): void
    /** Where it ends by itself, with an error of the store, say. */
    _destroy(error: Error | null, ...rest: unknown[]): void
    /** Lets each wire be asked for what it may be, by `_updateWire`. */
    _update(): void
    _updateWire: (wire: Wire) => void
    /** Asks for a block of the piece that nobody has been asked for. */
    _request(wire: Wire, piece: number, hotswap: boolean): boolean
    _registerPeer: (peer: Peer) => void
    readonly _peers: ReadonlyMap<string, Peer>
    /** Tells each peer whether it has anything for us. */
    _updateInterest(): void
    _markUnverified(piece: number): void
    _verifyPieces(done: (error?: Error | null) => void): void
    _onMetadata(metadata: Uint8Array): void
    /** To be connected to. */
    readonly _queue: Peer[]
    readonly _numConns: number
    readonly _numPending: number
    _drain(): void
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
    /** Of one torrent. */
    readonly maxConns: number
    lsd: boolean
    readonly _connPool: {
      readonly tcpServer: Server
      readonly _onTCPConnectionBound: (socket: Socket) => void
      _onConnection(socket: Socket, type: 'tcp'): void
    }
    /** Bytes of a .torrent only where it is our own: it trusts them. */
    add(torrent: TorrentObject | Uint8Array, options: AddOptions): Torrent
    /** `torrent`, with one, is emitted when it is ready. */
    readonly torrents: readonly Torrent[]
    /** webtorrent's own HTTP server, which the benches compare with. */
    createServer(options: object): { readonly server: HttpServer }
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
