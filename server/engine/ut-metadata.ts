import { createHash } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { decodeBencodePrefix, encodeBencode, entryOf } from '../lib/bencode.ts'
import { parseTorrentFile, torrentLimits } from '../lib/torrent.ts'
import { drop, type GuardedWire } from './wire-guard.ts'

const blockBytes = 16_384
/** How often a peer may have all of the metadata from us, and how often its own may have a wrong hash. */
const mostCopies = 4
const mostFailures = 2
const message = { request: 0, data: 1, reject: 2 }

/** The info dictionary in a .torrent of our own making, as webtorrent holds it: the same array for every wire. */
const infoBytesOf = new WeakMap<Uint8Array, Uint8Array>()

/**
 * Metadata to and from a peer (BEP 9), in place of the package of that name, which writes where a peer says, throws on what
 * it did not expect (and takes the process with it), and decodes before it checks the hash. Here nothing is decoded but
 * the few numbers before a block; what came is handed on when its hash is the torrent's. Emits `metadata`: a .torrent.
 */
export class UtMetadata extends EventEmitter {
  declare readonly name: string
  #wire: GuardedWire
  #infoHash = ''
  #ours: Uint8Array | null = null
  #given = 0
  #fetching = false
  #sizeBytes = 0
  #received = new Map<number, Uint8Array>()
  #failures = 0

  constructor(wire: GuardedWire) {
    super()
    this.#wire = wire
  }

  /** The torrent that this wire belongs to. The protocol's own handshake tells it of outgoing connections alone. */
  serve(infoHash: string, torrent: Uint8Array | null): void {
    this.#infoHash = infoHash
    if (torrent) this.setMetadata(torrent)
  }

  onExtendedHandshake(handshake: { readonly metadata_size?: number }): void {
    const size = handshake.metadata_size ?? 0
    if (size === 0 || size === this.#sizeBytes) return
    if (this.#sizeBytes > 0) return drop(this.#wire, 'metadata of another size')
    this.#sizeBytes = size
    this.#requestAll()
  }

  /** Asks the peer, now or when it has greeted. */
  fetch(): void {
    this.#fetching = true
    this.#requestAll()
  }

  /** From now on a peer that asks is given this. */
  setMetadata(torrent: Uint8Array): void {
    this.#fetching = false
    this.#received.clear()
    let infoBytes = infoBytesOf.get(torrent)
    if (!infoBytes) infoBytesOf.set(torrent, infoBytes = parseTorrentFile(torrent).infoBytes)
    this.#ours = infoBytes
    this.#wire.extendedHandshake['metadata_size'] = infoBytes.length
  }

  onMessage(bytes: Uint8Array): void {
    let head
    try {
      head = decodeBencodePrefix(bytes, { maxDepth: 1, maxValues: 16, anyOrder: true })
    } catch {
      return drop(this.#wire, 'malformed metadata message')
    }
    const type = entryOf(head.value, 'msg_type')
    const piece = entryOf(head.value, 'piece')
    if (typeof type !== 'number' || typeof piece !== 'number' || piece < 0 || piece > torrentLimits.fileBytes / blockBytes) return drop(this.#wire, 'malformed metadata message')
    if (type === message.request) this.#onRequest(piece)
    else if (type === message.data) this.#onData(piece, bytes.subarray(head.end))
    else if (type === message.reject) this.#fetching = false // it has none; others are asked as well
  }

  #onRequest(piece: number): void {
    const pieces = Math.ceil((this.#ours?.length ?? 0) / blockBytes)
    if (!this.#ours || piece >= pieces || this.#given >= pieces * mostCopies) return this.#send({ msg_type: message.reject, piece })
    this.#given += 1
    this.#send({ msg_type: message.data, piece, total_size: this.#ours.length }, this.#ours.subarray(piece * blockBytes, (piece + 1) * blockBytes))
  }

  #onData(piece: number, block: Uint8Array): void {
    if (!this.#fetching) return
    const pieces = Math.ceil(this.#sizeBytes / blockBytes)
    if (piece >= pieces || block.length !== Math.min(blockBytes, this.#sizeBytes - piece * blockBytes)) return drop(this.#wire, 'metadata of another size')
    if (this.#received.has(piece)) return
    this.#received.set(piece, block.slice())
    if (this.#received.size < pieces) return
    const infoBytes = Buffer.concat(Array.from({ length: pieces }, (_, at) => this.#received.get(at) ?? new Uint8Array()))
    this.#received.clear()
    if (createHash('sha1').update(infoBytes).digest('hex') === this.#infoHash) {
      this.#fetching = false
      this.emit('metadata', encodeBencode(new Map([['info', { raw: infoBytes }]])))
      return
    }
    this.#failures += 1
    if (this.#failures < mostFailures) this.#requestAll()
    else drop(this.#wire, 'metadata with another hash')
  }

  #requestAll(): void {
    if (!this.#fetching) return
    for (let piece = 0; piece * blockBytes < this.#sizeBytes; piece += 1) this.#send({ msg_type: message.request, piece })
  }

  #send(head: Record<string, number>, block: Uint8Array = new Uint8Array()): void {
    // A peer that never said under which number it takes them.
    if (!this.#wire.peerExtendedMapping['ut_metadata']) return drop(this.#wire, 'metadata message without a greeting')
    this.#wire.extended('ut_metadata', Buffer.concat([encodeBencode(new Map(Object.entries(head))), block]))
  }
}
Object.defineProperty(UtMetadata.prototype, 'name', { value: 'ut_metadata' })
