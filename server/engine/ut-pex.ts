import { EventEmitter } from 'node:events'
import { decodeBencode, entryOf, type Bencoded } from '../lib/bencode.ts'
import { readCompact } from './compact-peers.ts'
import { drop, type GuardedWire } from './wire-guard.ts'

/** A message names 50 peers (BEP 11), the first one perhaps more; one a minute, the first two perhaps sooner. */
const mostPeers = 200
const mostAtOnce = 2
const everyMs = 50_000

/**
 * Peer exchange (BEP 11), listening only: where it is switched on, the engine takes a few addresses from each message,
 * and tells nobody whom it is connected to. Emits `peer`.
 */
export class UtPex extends EventEmitter {
  declare readonly name: string
  #wire: GuardedWire
  #allowance = mostAtOnce
  #at = performance.now()

  constructor(wire: GuardedWire) {
    super()
    this.#wire = wire
  }

  onMessage(bytes: Uint8Array): void {
    const now = performance.now()
    this.#allowance = Math.min(mostAtOnce, this.#allowance + (now - this.#at) / everyMs)
    this.#at = now
    if (this.#allowance < 1) return drop(this.#wire, 'peer exchange too often')
    this.#allowance -= 1
    let message: Bencoded
    try {
      message = decodeBencode(bytes, { maxDepth: 1, maxValues: 32, anyOrder: true })
    } catch {
      return drop(this.#wire, 'malformed peer exchange')
    }
    for (const [key, family] of [['added', 4], ['added6', 6]] as const) {
      const added = entryOf(message, key)
      if (!(added instanceof Uint8Array)) continue
      for (const peer of readCompact(added, family).slice(0, mostPeers)) this.emit('peer', peer)
    }
  }

  /** webtorrent calls it when the wire closes; nothing is sent here that could be stopped. */
  reset(): void {}
}
Object.defineProperty(UtPex.prototype, 'name', { value: 'ut_pex' })
