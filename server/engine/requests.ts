import type { Request, Torrent, Wire } from 'webtorrent'
import { Pipeline } from './pipeline.ts'

/**
 * An answer that takes so long, beyond two of the wire's shortest, is late: a piece that a reader waits for is then asked
 * of another peer. Several times what a wire's own queue takes.
 */
const lateMs = 500
const lookEveryMs = 250
/** Late blocks may go beyond the depth of the wire they are moved to: what it was asked for before is less urgent. */
const spare = 16
/** What a request in flight is taken to cost, in milliseconds, where late blocks are spread over several peers. */
const blockMs = 10

/** A wire is asked again when this part of its depth is free: several requests make one write and one packet. */
const refillPart = 8

/** Blocks taken back that are remembered of a peer. */
const mostTakenBack = 4_096

interface PeerState {
  readonly pipeline: Pipeline
  lastAnswerAt: number
  /** Took requests and let all of them go late: asked for one block at a time, and nothing urgent, until it answers. */
  stalls: boolean
  /** By `blockKey`, what was taken back from it, and how long it is waited for when it is asked for again. */
  readonly takenBack: Map<string, number>
}

/** `patienceMs`: after so long it is taken to be forgotten and asked for anew; null where the peer had not been asked for it before. */
interface Asked { readonly at: number; readonly patienceMs: number | null }

/**
 * What each peer is asked for. Takes the place of `Torrent._updateWire`, which first asks a new wire for one block of the
 * *last* piece wanted and waits for it (a round trip lost), then ramps up slowly, and takes no block back from a peer
 * that trickles as long as others are as slow by its five-second mean.
 */
export class Requests {
  #torrent: Torrent
  /** Pieces wanted, the most urgent first. */
  #order: readonly number[] = []
  /** Those that a reader waits for. */
  #heads: ReadonlySet<number> = new Set()
  #peers = new WeakMap<Wire, PeerState>()
  #asked = new WeakMap<Request, Asked>()
  /** Who sent blocks of the pieces that are being put together. */
  #sources = new Map<number, Set<Wire>>()
  #asking: Wire | null = null
  #timer: NodeJS.Timeout | null = null

  constructor(torrent: Torrent) {
    this.#torrent = torrent
    torrent._updateWire = (wire) => this.#fill(wire)
    torrent.on('warning', (error: Error) => {
      const failed = /^Piece (\d+) failed verification$/.exec(error.message)?.[1]
      if (failed !== undefined) this.#sources.delete(Number(failed))
    })
  }

  /** From now on asks for these pieces, the most urgent first, and takes back at once what is asked for beyond them: a seek would wait behind it. */
  want(order: readonly number[], heads: readonly number[]): void {
    const wanted = new Set(order)
    this.#order = order
    this.#heads = new Set(heads)
    for (const wire of this.#torrent.wires) {
      for (const request of [...wire.requests]) if (!wanted.has(request.piece)) this.#takeBack(wire, request)
    }
    this.#torrent._update()
    if (order.length === 0) this.close()
    else this.#timer ??= setInterval(() => this.#lookForLate(), lookEveryMs)
  }

  /** Who sent this piece, which has been found right. Forgets it. */
  takeSources(piece: number): Iterable<Wire> {
    const sources = this.#sources.get(piece)
    this.#sources.delete(piece)
    return sources ?? []
  }

  close(): void {
    if (this.#timer) clearInterval(this.#timer)
    this.#timer = null
  }

  #fill(wire: Wire): void {
    if (wire.destroyed || wire.peerChoking) return
    const { pipeline, stalls } = this.#stateOf(wire)
    const depth = stalls ? 1 : pipeline.depth
    const room = depth - wire.requests.length
    if (room < Math.max(1, depth / refillPart)) return
    const yields = stalls || this.#isSlow(wire)
    inOneWrite(wire, () => {
      for (const piece of this.#order) {
        if (!wire.peerPieces.get(piece) || (yields && this.#heads.has(piece) && this.#others(wire, piece).length > 0)) continue
        while (this.#ask(wire, piece)) if (wire.requests.length + 1 > depth) return
      }
    })
  }

  /** Moves the late blocks of pieces that a reader waits for to peers that answer sooner, and asks again for what a peer has forgotten. */
  #lookForLate(): void {
    const now = performance.now()
    for (const wire of this.#torrent.wires) {
      const state = this.#stateOf(wire)
      const isOlder = (request: Request, ms: number) => now - (this.#asked.get(request)?.at ?? now) > ms + 2 * state.pipeline.fastestMs
      const late = wire.requests.filter((request) => isOlder(request, lateMs))
      if (late.length > 0 && now - state.lastAnswerAt > lateMs) state.stalls = true
      for (const request of late) {
        const patienceMs = this.#asked.get(request)?.patienceMs ?? Infinity
        const [other] = this.#heads.has(request.piece) ? this.#others(wire, request.piece) : []
        if (!other && !isOlder(request, patienceMs)) continue
        this.#takeBack(wire, request, 2 * patienceMs) // which makes the block the next one to be given out
        this.#ask(other ?? wire, request.piece)
      }
    }
    this.#torrent._update()
  }

  /**
   * A peer that is webtorrent reads a block as soon as it is asked for it; taken back and asked for again meanwhile, it gives an answer to
   * neither (and, against BEP 6, never says so). Players that go to the end of a file and back do just that, and would wait half a minute.
   */
  #takeBack(wire: Wire, request: Request, patienceMs = lateMs): void {
    const { piece, offset, length } = request
    const { takenBack } = this.#stateOf(wire)
    if (takenBack.size >= mostTakenBack) takenBack.clear()
    takenBack.set(blockKey(request), Number.isFinite(patienceMs) ? patienceMs : lateMs)
    wire.cancel(piece, offset, length)
  }

  /** Peers that can be expected to send blocks of the piece sooner, the one with the least to do first. */
  #others(wire: Wire, piece: number): Wire[] {
    const latencyOf = (other: Wire) => this.#stateOf(other).pipeline.latencyMs ?? 0
    const own = this.#stateOf(wire)
    const bearable = own.stalls ? Infinity : Math.max(lateMs, own.pipeline.latencyMs ?? 0) / 2
    return this.#torrent.wires
      .filter((other) => other !== wire && !other.destroyed && !other.peerChoking && other.peerPieces.get(piece) && latencyOf(other) < bearable)
      .filter((other) => !this.#stateOf(other).stalls && other.requests.length < this.#stateOf(other).pipeline.depth + spare)
      .sort((one, another) => latencyOf(one) + one.requests.length * blockMs - latencyOf(another) - another.requests.length * blockMs)
  }

  #isSlow(wire: Wire): boolean {
    const { latencyMs, fastestMs } = this.#stateOf(wire).pipeline
    return latencyMs !== null && latencyMs > lateMs + 2 * fastestMs
  }

  #ask(wire: Wire, piece: number): boolean {
    const inFlight = wire.requests.length
    const state = this.#stateOf(wire)
    if (inFlight === 0) state.lastAnswerAt = performance.now()
    this.#asking = wire
    this.#torrent._request(wire, piece, false)
    this.#asking = null
    const request = wire.requests.at(-1)
    if (wire.requests.length === inFlight || !request) return false
    const at = performance.now()
    const key = blockKey(request)
    this.#asked.set(request, { at, patienceMs: state.takenBack.get(key) ?? null })
    state.takenBack.delete(key)
    const { callback } = request
    request.callback = (error, block) => {
      if (!error) this.#onBlock(wire, state, piece, performance.now() - at, inFlight + 1)
      callback(error, block)
    }
    return true
  }

  #onBlock(wire: Wire, state: PeerState, piece: number, latencyMs: number, place: number): void {
    state.lastAnswerAt = performance.now()
    state.stalls = false
    const { reqq } = wire.peerExtendedHandshake
    state.pipeline.answered(latencyMs, place, typeof reqq === 'number' && reqq > 0 ? reqq : undefined)
    let sources = this.#sources.get(piece)
    if (!sources) this.#sources.set(piece, sources = new Set())
    sources.add(wire)
  }

  #stateOf(wire: Wire): PeerState {
    let state = this.#peers.get(wire)
    if (state) return state
    state = { pipeline: new Pipeline(this.#torrent.pieceLength), lastAnswerAt: performance.now(), stalls: false, takenBack: new Map() }
    this.#peers.set(wire, state)
    // `_request` bounds what is in flight by this measure: while it is we who ask, the depth is ours to decide.
    const measured = wire.downloadSpeed
    wire.downloadSpeed = (bytes) => (this.#asking === wire ? Infinity : measured(bytes))
    return state
  }
}

const blockKey = ({ piece, offset }: Request): string => `${piece}:${offset}`

/** Sends what `say` says as one: else each message of 17 bytes goes through the streams, and to the socket, by itself. */
function inOneWrite(wire: Wire, say: () => void): void {
  const { _push: push } = wire // as it is: bound anew each time, it would be called through as many functions as there were turns
  const said: Uint8Array[] = []
  wire._push = (bytes) => { said.push(bytes) }
  try {
    say()
  } finally {
    wire._push = push
    if (said.length > 0) push.call(wire, Buffer.concat(said))
  }
}
