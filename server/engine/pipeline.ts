/** The unit in which peers are asked (BEP 3; every client serves 16 KiB). */
export const blockBytes = 16 * 1024

/** How long a request may wait behind others of ours at the peer: enough to keep its line full, and all that a seek waits for. */
const queueMs = 150
const least = 4
/** What peers take that do not say (`reqq`, BEP 10). */
const mostUnlessTold = 250
const most = 1_000
/** At first a whole piece, within bounds: nothing can be given away before one is complete. */
const first = { least: 16, most: 128 }

/**
 * How many requests one wire has in flight. webtorrent begins with two and follows a mean of five seconds, so that a new
 * wire needs some five round trips to get going, and then keeps up to a second in flight. Here each answer says how long
 * it took: beyond the shortest time seen it has waited behind our own, and the depth follows from that.
 */
export class Pipeline {
  depth: number
  /** Milliseconds from question to answer, smoothed; null before the first. */
  latencyMs: number | null = null
  #fastestMs = Infinity

  constructor(pieceLength: number) {
    this.depth = Math.min(Math.max(Math.ceil(pieceLength / blockBytes), first.least), first.most)
  }

  /** The shortest time an answer has taken, which is about the round trip; 0 before the first. */
  get fastestMs(): number {
    return this.#fastestMs === Infinity ? 0 : this.#fastestMs
  }

  /** A block came `latencyMs` after it was asked for as the `place`th in flight (from 1). `reqq` is what the peer says it takes. */
  answered(latencyMs: number, place: number, reqq: number = mostUnlessTold): void {
    this.#fastestMs = Math.min(this.#fastestMs, latencyMs)
    this.latencyMs = this.latencyMs === null ? latencyMs : this.latencyMs + (latencyMs - this.latencyMs) / 8
    const waitedMs = latencyMs - this.#fastestMs
    // `place` blocks take as long as this one did, so fewer in the same proportion take what is allowed
    const aim = (place * (this.#fastestMs + queueMs)) / latencyMs
    let { depth } = this
    if (waitedMs > queueMs) depth += Math.min(0, aim - depth) / 8
    else if (waitedMs < queueMs / 2 && place >= depth / 2) depth += 1 // twice as deep each round trip
    this.depth = Math.max(least, Math.min(depth, reqq, most))
  }
}
