import { findPackageJSON } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { decodeBencode, entryOf, type Bencoded } from '../lib/bencode.ts'
import { torrentLimits } from '../lib/torrent.ts'
import type { Uploads } from './uploads.ts'

/** As much of bittorrent-protocol 5.0 as is guarded. */
export interface GuardedWire {
  readonly type: string
  readonly destroyed: boolean
  readonly remoteAddress?: string
  readonly amChoking: boolean
  readonly hasFast: boolean
  readonly requests: readonly { piece: number; offset: number; length: number }[]
  readonly peerRequests: { piece: number; offset: number; length: number }[]
  readonly extendedMapping: Readonly<Record<number, string>>
  readonly peerExtendedMapping: Readonly<Record<string, number>>
  readonly extendedHandshake: Record<string, unknown>
  readonly peerPieces: { get(piece: number): boolean; set(piece: number, has: boolean): void }
  readonly _readableState: { readonly buffered: number }
  destroy(): void
  choke(): void
  piece(piece: number, offset: number, block: Uint8Array): void
  reject(piece: number, offset: number, length: number): void
  extended(name: string, message: Uint8Array): void
  emit(event: string, ...args: unknown[]): boolean
}
/** Its handlers of what a peer says; `this` is the wire. */
interface Handlers {
  use(this: GuardedWire, Extension: { prototype: { name: string } }): void
  _write(this: GuardedWire, bytes: Uint8Array, done: (error: Error | null) => void): void
  _onMessageLength(this: GuardedWire, head: Uint8Array): void
  _onMessage(this: GuardedWire, message: Uint8Array): void
  _onHave(this: GuardedWire, piece: number): void
  _onBitField(this: GuardedWire, bits: Uint8Array): void
  _onRequest(this: GuardedWire, piece: number, offset: number, length: number): void
  _onPiece(this: GuardedWire, piece: number, offset: number, block: Uint8Array): void
  _onChoke(this: GuardedWire): void
  _onReject(this: GuardedWire, piece: number, offset: number, length: number): void
  _onExtended(this: GuardedWire, id: number, payload: Uint8Array): void
  cancel(this: GuardedWire, piece: number, offset: number, length: number): void
  _push(this: GuardedWire, bytes: Uint8Array): unknown
}

export interface WireGuardOptions {
  readonly uploads: Uploads
  /** Ours in place of the package's, by name: `use` takes these. */
  readonly extensions: Readonly<Record<string, { prototype: { name: string } }>>
}

/** What the guard of a torrent knows and hears of a wire; a wire that belongs to no torrent yet has none. */
export interface Attachment {
  /** Null while the metadata is not there. */
  readonly pieces: () => number | null
  readonly mayUpload: (bytes: number) => boolean
  readonly onBlock: (wire: GuardedWire, piece: number, offset: number, block: Uint8Array) => void
  readonly onOffence: (wire: GuardedWire, offence: string) => void
}

interface Ward {
  attachment: Attachment | null
  dropped: boolean
  greetings: number
  bitfields: number
  /** Blocks that may still come although they are not asked for any more. */
  pardoned: number
  blocks: number
  rejects: number
  haveTold: boolean
  budget: { left: number; at: number }
}

/** Longest message: a block of 128 KiB, or a bitfield of the most pieces a torrent may have (64 KiB). */
const mostMessageBytes = 128 * 1024 + 13
/** Messages that cost much for their size (choke, reject, extension…): so many at once, then so many a second. */
const budget = { burst: 1_000, perSecond: 100 }
const mostGreetings = 8
/** Requests of a peer that wait for an answer; told to it as `reqq` (BEP 10). */
const mostPeerRequests = 128
const mostRequestBytes = 128 * 1024
/** What a peer has asked for and not taken in yet: as many blocks of 16 KiB. */
const mostUnsentBytes = mostPeerRequests * 16_384
/** Blocks never asked for: a few are a race with a timeout, more are a flood. */
const mostUnasked = 64
const greetingLimits = { maxDepth: 4, maxValues: 256, anyOrder: true }

/** Exact lengths of messages by id, the id included (BEP 3, BEP 6); others have a least length. */
const lengths: Readonly<Record<number, number>> = { 0: 1, 1: 1, 2: 1, 3: 1, 4: 5, 6: 13, 8: 13, 9: 3, 13: 5, 14: 1, 15: 1, 16: 13, 17: 5 }
const leastLengths: Readonly<Record<number, number>> = { 5: 1, 7: 10, 20: 2 }
/** Rejects beyond the blocks it sent: each makes webtorrent ask again at once. */
const mostRejects = 2_000
/** HAVE is told once a turn; requests, blocks and rejects have bounds of their own. */
const free = new Set([4, 6, 7, 8, 16])

const wards = new WeakMap<GuardedWire, Ward>()

function wardOf(wire: GuardedWire): Ward {
  let ward = wards.get(wire)
  if (!ward) wards.set(wire, ward = { attachment: null, dropped: false, greetings: 0, bitfields: 0, pardoned: mostUnasked, blocks: 0, rejects: 0, haveTold: false, budget: { left: budget.burst, at: performance.now() } })
  return ward
}

/** From now on the wire is one of this torrent's. */
export function attach(wire: GuardedWire, attachment: Attachment): void {
  wardOf(wire).attachment = attachment
  wire.extendedHandshake['reqq'] = mostPeerRequests
}

/** Ends a wire whose peer does what no honest one does. */
export function drop(wire: GuardedWire, offence: string): void {
  const ward = wardOf(wire)
  if (ward.dropped) return
  ward.dropped = true
  wire.destroy()
  ward.attachment?.onOffence(wire, offence)
}

/**
 * Bounds what a peer can make webtorrent do, on every wire of this process, from its first byte (control D6). Without it
 * bittorrent-protocol waits for messages of 2 GiB, answers requests without end, and loops for ever on a bencoded `l-3:`;
 * whatever throws while a message is read takes the process with it: here it ends that wire.
 */
export async function guardWires({ uploads, extensions }: WireGuardOptions): Promise<void> {
  const wire = (await protocolOfWebtorrent()).prototype
  const original = { ...(Object.fromEntries(guardedNames.map((name) => [name, wire[name]])) as unknown as Handlers) }

  wire.use = function use(Extension) {
    original.use.call(this, extensions[Extension.prototype.name] ?? Extension)
  }

  // Whatever throws below, the keys of an encrypted handshake included.
  wire._write = function write(bytes, done) {
    if (wardOf(this).dropped) return done(null)
    try {
      original._write.call(this, bytes, done)
    } catch (error) {
      drop(this, `what it sent made an error: ${String(error)}`)
      done(null)
    }
  }

  wire._onMessageLength = function onMessageLength(head) {
    const length = (((head[0] ?? 0) << 24) | ((head[1] ?? 0) << 16) | ((head[2] ?? 0) << 8) | (head[3] ?? 0)) >>> 0
    if (length > mostMessageBytes) return drop(this, 'message too long')
    if (length === 0 && !afford(this)) return drop(this, 'flood')
    original._onMessageLength.call(this, head)
  }

  wire._onMessage = function onMessage(message) {
    if (wardOf(this).dropped) return
    const id = message[0] ?? 0
    if ((lengths[id] ?? message.length) !== message.length || message.length < (leastLengths[id] ?? 1)) return drop(this, 'malformed message')
    if (!free.has(id) && !afford(this)) return drop(this, 'flood')
    original._onMessage.call(this, message)
  }

  // Each would make webtorrent look at all pieces and all wires.
  wire._onHave = function onHave(index) {
    const ward = wardOf(this)
    const piece = index >>> 0
    if (piece >= (ward.attachment?.pieces() ?? 2 ** 32)) return drop(this, 'piece out of range')
    if (this.peerPieces.get(piece)) return
    this.peerPieces.set(piece, true)
    tellHave(this, piece)
  }

  wire._onBitField = function onBitField(bits) {
    const ward = wardOf(this)
    const pieces = ward.attachment?.pieces() ?? null
    if (pieces !== null && bits.length !== Math.ceil(pieces / 8)) return drop(this, 'bitfield of another length')
    ward.bitfields += 1
    if (ward.bitfields === 1) return original._onBitField.call(this, bits.slice()) // a copy: it would keep the chunk it came in
    // aria2 says so what it has got meanwhile, where many HAVEs would be longer.
    for (const [at, byte] of bits.entries()) {
      for (let bit = 0; byte !== 0 && bit < 8; bit += 1) {
        const piece = at * 8 + bit
        if (((byte >> (7 - bit)) & 1) === 0 || this.peerPieces.get(piece)) continue
        this.peerPieces.set(piece, true)
        tellHave(this, piece)
      }
    }
  }

  wire._onRequest = function onRequest(index, offset, length) {
    const [piece, from, bytes] = [index >>> 0, offset >>> 0, length >>> 0]
    const { attachment } = wardOf(this)
    const pieces = attachment?.pieces() ?? 0
    if (bytes === 0 || bytes > mostRequestBytes || piece >= pieces) return drop(this, 'request out of range')
    const waiting = this.peerRequests.reduce((sum, request) => sum + request.length, this._readableState.buffered)
    const takes = this.peerRequests.length < mostPeerRequests && waiting + bytes <= mostUnsentBytes
    const shares = attachment?.mayUpload(bytes) ?? false
    if (!takes || this.amChoking || !shares) {
      if (this.hasFast) this.reject(piece, from, bytes)
      if (!shares) this.choke()
      return
    }
    // As there, but answered when it is its turn.
    const request = { piece, offset: from, length: bytes }
    this.peerRequests.push(request)
    const respond = (error: Error | null, block?: Uint8Array) => {
      const at = this.peerRequests.indexOf(request)
      if (at < 0 || this.destroyed) return
      this.peerRequests.splice(at, 1)
      if (!error && block) this.piece(piece, from, block)
      else if (this.hasFast) this.reject(piece, from, bytes)
    }
    uploads.serve(bytes, () => {
      if (!this.destroyed && this.peerRequests.includes(request)) this.emit('request', piece, from, bytes, respond)
    })
  }

  wire._onPiece = function onPiece(index, offset, block) {
    const ward = wardOf(this)
    if (this.requests.some((request) => request.piece === index && request.offset === offset && request.length === block.length)) {
      ward.blocks += 1
      ward.attachment?.onBlock(this, index, offset, block)
      return original._onPiece.call(this, index, offset, block)
    }
    ward.pardoned -= 1
    if (ward.pardoned < 0) drop(this, 'blocks that were not asked for')
  }

  wire.cancel = function cancel(piece, offset, length) {
    wardOf(this).pardoned += 1
    original.cancel.call(this, piece, offset, length)
  }

  wire._onChoke = function onChoke() {
    wardOf(this).pardoned += this.requests.length
    original._onChoke.call(this)
  }

  wire._onReject = function onReject(piece, offset, length) {
    const ward = wardOf(this)
    ward.rejects += 1
    if (ward.rejects > ward.blocks + mostRejects) return drop(this, 'rejects without end')
    original._onReject.call(this, piece, offset, length)
  }

  wire._onExtended = function onExtended(id, payload) {
    const ward = wardOf(this)
    if (id === 0) {
      ward.greetings += 1
      if (ward.greetings > mostGreetings || !isGreeting(payload)) return drop(this, 'malformed extended handshake')
    } else if (!this.extendedMapping[id]) return
    original._onExtended.call(this, id, payload)
  }

  wire._push = function push(bytes) {
    if (this._readableState.buffered > 2 * mostUnsentBytes) return drop(this, 'takes nothing in')
    return original._push.call(this, bytes)
  }
}

/** Once for all pieces of a turn: webtorrent looks at the same things whichever it is. */
function tellHave(wire: GuardedWire, piece: number): void {
  const ward = wardOf(wire)
  if (ward.haveTold) return
  ward.haveTold = true
  setImmediate(() => {
    ward.haveTold = false
    if (!ward.dropped && !wire.destroyed) wire.emit('have', piece)
  })
}

const guardedNames = ['use', '_write', '_onMessageLength', '_onMessage', '_onHave', '_onBitField', '_onRequest', '_onPiece', '_onChoke', '_onReject', '_onExtended', 'cancel', '_push'] as const

function afford(wire: GuardedWire): boolean {
  const { budget: purse } = wardOf(wire)
  const now = performance.now()
  purse.left = Math.min(budget.burst, purse.left + ((now - purse.at) / 1_000) * budget.perSecond) - 1
  purse.at = now
  return purse.left >= 0
}

/** A dictionary with extension numbers that fit, and a size of metadata that is one (BEP 9, BEP 10). */
function isGreeting(payload: Uint8Array): boolean {
  let greeting: Bencoded
  try {
    greeting = decodeBencode(payload, greetingLimits)
  } catch {
    return false
  }
  const mapping = entryOf(greeting, 'm')
  const size = entryOf(greeting, 'metadata_size')
  const numbers = typeof mapping === 'object' && 'kind' in mapping && mapping.kind === 'dict' ? [...mapping.entries.values()].map(({ value }) => value) : []
  return entryOf(greeting, '__proto__') === undefined
    && (mapping === undefined || (typeof mapping === 'object' && 'kind' in mapping && mapping.kind === 'dict'))
    && numbers.every((number) => typeof number === 'number' && number >= 0 && number < 256)
    && (size === undefined || (typeof size === 'number' && size >= 0 && size <= torrentLimits.fileBytes))
}

/** The very copy that webtorrent runs, wherever npm put it. */
async function protocolOfWebtorrent(): Promise<{ prototype: Handlers }> {
  const manifest = findPackageJSON('bittorrent-protocol', import.meta.resolve('webtorrent'))
  if (!manifest) throw new Error('webtorrent has no bittorrent-protocol')
  const { default: Wire } = (await import(pathToFileURL(join(dirname(manifest), 'index.js')).href)) as { default: { prototype: Handlers } }
  return Wire
}
