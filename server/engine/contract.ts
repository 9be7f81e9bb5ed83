/**
 * What the server and the torrent engine say to each other over the IPC channel of a child process (structured clone).
 * The server sends requests, each answered by one reply, and two notes that need none; the engine sends events besides.
 */
import { z } from 'zod'
import { infoHashPattern } from '../lib/infohash.ts'
import { torrentLimits } from '../lib/torrent.ts'

const infoHash = z.string().regex(infoHashPattern)
const position = z.int().min(0)
const readerId = z.int().min(1)
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array)
/** `host:port` of a peer that the operator or a test names; never taken from a torrent. */
const peers = z.array(z.string()).default([])

export const EngineSettings = z.strictObject({
  /** Absolute folder of the engine's own. */
  dataDir: z.string().min(1),
  host: z.string().min(1),
  /** 0: any free one. */
  port: z.int().min(0).max(65_535),
  /** Peers and trackers on loopback and private networks: for tests and closed networks (control D3). */
  allowPrivateAddresses: z.boolean(),
  /** The most that viewers have on disk, and what the operator published has besides, in bytes. */
  cacheBytes: z.int().min(0),
  publishedBytes: z.int().min(0),
  /** Left free on the disk for others. */
  freeSpaceBytes: z.int().min(0),
  /** The most that is fetched ahead of a reader, in bytes. */
  windowBytes: z.int().min(1),
  /** How long a torrent that nobody reads keeps its connections. */
  idleMs: z.int().min(0),
  connectionsPerTorrent: z.int().min(1),
  /** Of all torrents, both ways. */
  connections: z.int().min(1).default(200),
  /** Incoming, of one IPv4 address or IPv6 /64. */
  connectionsPerAddress: z.int().min(1).default(4),
  /** Fruitless attempts to connect to one address within ten minutes; its network has four times as many (control D3). */
  connectsPerAddress: z.int().min(1).default(16),
  /** Peers and trackers at ports below 1024 and those of known services. */
  allowServicePorts: z.boolean().default(false),
  /** Null: as fast as it goes. */
  uploadBytesPerSecond: z.int().min(1).nullable().default(1_048_576),
  downloadBytesPerSecond: z.int().min(1).nullable().default(null),
  /** What is sent of a torrent to others, in percent of what was fetched of it; 0: nothing. */
  sharePercent: z.int().min(0).default(100),
  /** How peers are found beside trackers, and whether the router is asked to open the port. */
  discovery: z.strictObject({ dht: z.boolean(), pex: z.boolean(), lsd: z.boolean(), upnp: z.boolean() })
    .default({ dht: false, pex: false, lsd: false, upnp: false }),
  /** The engine ends when its memory passes this, and is started anew. */
  memoryBytes: z.int().min(1).default(2 * 1024 ** 3),
})
export type EngineSettings = z.infer<typeof EngineSettings>
/** With defaults left out. */
export type GivenEngineSettings = z.input<typeof EngineSettings>

/** `torrent` is a .torrent of the server's own making, around an info dictionary whose hash it has checked. */
export const OpenTorrent = z.strictObject({
  infoHash,
  torrent: bytes,
  trackers: z.array(z.string()),
  peers,
})
export const FetchMetadata = z.strictObject({ infoHash, trackers: z.array(z.string()), peers, timeoutMs: z.int().min(1) })
/**
 * Asks for the bytes `start` (included) to `end` (excluded) of a file. `position` is where the reader stands: `start` lies
 * ahead of it when earlier bytes are known to be there already, at `end` when all are. `bytesPerSecond`: how fast it plays.
 * `isDoubted`: what was called available was not found at `start`.
 */
export const Want = z.strictObject({ readerId, infoHash, fileIndex: z.int().min(0), start: position, end: position, position, bytesPerSecond: z.number().positive().optional(), isDoubted: z.boolean().default(false) })
/** Drops what no reader needs, of one file or all. */
export const Evict = z.strictObject({ infoHash, fileIndex: z.int().min(0).optional() })
/** Asks to call a torrent's peers, and to fetch nothing, so that a reader who comes in this time starts at once. */
export const Warm = z.strictObject({ infoHash, forMs: z.int().min(1).max(60_000) })
/** What of a file is there, and how it comes in. */
export const BufferedFile = z.strictObject({ infoHash, fileIndex: z.int().min(0) })
/** Names what is being published until its info-hash is known. */
const publicationId = z.string().regex(/^[0-9a-f-]{1,64}$/)
/** Makes room for files of these lengths, so far, among what is published, and the folder in which the server writes their segments. */
export const Stage = z.strictObject({ id: publicationId, lengths: z.array(position).max(torrentLimits.files) })
/** Takes what was staged for the torrent's data: from now on it is the operator's own, and nothing of it is dropped for room. */
export const Publish = z.strictObject({ id: publicationId, infoHash, torrent: bytes })
export const Discard = z.strictObject({ id: publicationId })
/** From now on offers these published torrents to peers, and no others. */
export const Seed = z.strictObject({ torrents: z.array(z.strictObject({ infoHash, trackers: z.array(z.string()) })).max(100_000) })
export const InfoHashOnly = z.strictObject({ infoHash })
const Nothing = z.strictObject({})

const request = <Op extends string, Input extends z.ZodType>(op: Op, input: Input) =>
  z.strictObject({ kind: z.literal('request'), id: z.int(), op: z.literal(op), input })

export const FromServer = z.union([
  z.discriminatedUnion('op', [
    request('configure', EngineSettings),
    request('open', OpenTorrent),
    request('metadata', FetchMetadata),
    request('want', Want),
    request('warm', Warm),
    request('buffered', BufferedFile),
    request('stage', Stage),
    request('publish', Publish),
    request('discard', Discard),
    request('seed', Seed),
    request('remove', InfoHashOnly),
    request('evict', Evict),
    request('stats', Nothing),
    request('ping', Nothing),
  ]),
  z.strictObject({ kind: z.literal('progress'), readerId, position }),
  z.strictObject({ kind: z.literal('release'), readerId }),
])
export type FromServer = z.infer<typeof FromServer>
export type EngineRequest = Extract<FromServer, { kind: 'request' }>
export type EngineOp = EngineRequest['op']
export type EngineInput<Op extends EngineOp> = z.input<Extract<(typeof FromServer)['options'][0]['options'][number], { shape: { op: z.ZodLiteral<Op> } }>>['input']

export const TorrentLayout = z.object({
  pieceLength: z.int(),
  files: z.array(z.object({ index: z.int(), lengthBytes: z.int() })),
})
export type TorrentLayout = z.infer<typeof TorrentLayout>

export const TorrentStats = z.object({
  infoHash,
  /** Connected ones. */
  peers: z.int(),
  readers: z.int(),
  /** Bytes per second. */
  downloadSpeed: z.number(),
  uploadSpeed: z.number(),
  /** Received from peers since the engine started, protocol included; it never shrinks while the engine lives. */
  fetchedBytes: z.int(),
  sentBytes: z.int(),
  verifiedPieces: z.int(),
  pieces: z.int(),
})
export type TorrentStats = z.infer<typeof TorrentStats>

export const CacheStats = z.object({
  /** What counts against the viewers' budget, and that budget. */
  usedBytes: z.int(),
  budgetBytes: z.int(),
  /** Of what is published, and of what is about to be: room is taken before it is written. */
  publishedBytes: z.int(),
  /** Of the disk; null where it does not say. */
  freeBytes: z.int().nullable(),
  segments: z.int(),
  /** Segments dropped since the engine started. */
  evictions: z.int(),
})
export type CacheStats = z.infer<typeof CacheStats>

/** `torrents` are those active now; `seeds` are published ones on offer, most of them asleep; the totals count all since the engine started. */
export const EngineStats = z.object({ torrents: z.array(TorrentStats), seeds: z.int(), fetchedBytes: z.int(), sentBytes: z.int(), cache: CacheStats })
export type EngineStats = z.infer<typeof EngineStats>

/** Stretches of the file on disk, verified, `end` excluded, ascending: the longest of very many. Speeds are the torrent's, in bytes per second. */
export const FileBuffer = z.object({ peers: z.int(), downloadSpeed: z.number(), uploadSpeed: z.number(), stretches: z.array(z.object({ start: position, end: position })) })

export const engineReplies = {
  configure: z.object({ port: z.int() }),
  open: TorrentLayout,
  /** The info dictionary, its hash verified. */
  metadata: bytes,
  want: z.null(),
  warm: z.null(),
  /** Null while nobody reads the torrent. */
  buffered: FileBuffer.nullable(),
  stage: z.null(),
  publish: z.null(),
  discard: z.null(),
  /** Those that are not published here. */
  seed: z.object({ missing: z.array(infoHash) }),
  remove: z.null(),
  evict: z.object({ freedBytes: z.int() }),
  stats: EngineStats,
  ping: z.null(),
} satisfies Record<EngineOp, z.ZodType>
export type EngineReply<Op extends EngineOp> = z.infer<(typeof engineReplies)[Op]>

/**
 * - `swarm_timeout`: no bytes, or no metadata, in the time allowed
 * - `unavailable`: the engine is not running, or crashed while it was asked
 * - `storage_full`, `storage_failed`: the disk took no more, or failed
 * - `removed`: the torrent was removed while it was read
 * - `not_staged`: the engine knows nothing of what is to be published: it was started anew meanwhile
 * - `not_open`: the engine does not know the torrent (the client opens it and asks again)
 * - `refused`: a torrent, file or range that makes no sense
 * - `listen_failed`: the port is taken or not allowed
 * - `aborted`: the reader was let go
 */
export const EngineErrorCode = z.enum(['swarm_timeout', 'unavailable', 'storage_full', 'storage_failed', 'removed', 'not_staged', 'not_open', 'refused', 'listen_failed', 'aborted', 'internal'])
export type EngineErrorCode = z.infer<typeof EngineErrorCode>

export class EngineError extends Error {
  override readonly name = 'EngineError'
  readonly code: EngineErrorCode
  constructor(code: EngineErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

const Failure = z.object({ code: EngineErrorCode, message: z.string() })
export type Failure = z.infer<typeof Failure>

export const FromEngine = z.union([
  z.object({ kind: z.literal('reply'), id: z.int(), ok: z.literal(true), value: z.unknown() }),
  z.object({ kind: z.literal('reply'), id: z.int(), ok: z.literal(false), error: Failure }),
  /** All bytes of the reader's want before `upTo` are on disk, verified, and stay there while it stands before them. */
  z.object({ kind: z.literal('available'), readerId, upTo: position }),
  z.object({ kind: z.literal('failed'), readerId, error: Failure }),
  /** The torrent is not open any more: nobody had read it for a while, or it was removed. */
  z.object({ kind: z.literal('closed'), infoHash }),
  /** Something worth a line in the log. */
  z.object({ kind: z.literal('notice'), event: z.string(), infoHash: infoHash.optional(), detail: z.string().optional() }),
])
export type FromEngine = z.infer<typeof FromEngine>
