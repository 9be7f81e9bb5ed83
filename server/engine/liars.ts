import { createHash } from 'node:crypto'
import type { Torrent } from 'webtorrent'
import type { GuardedWire } from './wire-guard.ts'

/**
 * Who sent the bad bytes of a piece whose hash was wrong. A piece is put together from several peers, so a failure alone
 * accuses all of them; what is asked again is asked of one peer alone. Either that piece fails too, and it was that peer,
 * or it is right, and whoever had sent other bytes for the same block is found by comparing. No honest peer is banned.
 */
export interface Liars {
  onBlock(wire: GuardedWire, piece: number, offset: number, block: Uint8Array): void
  /** Whether this wire may be asked for a block of the piece now. */
  mayAsk(wire: GuardedWire, piece: number): boolean
}

interface Block { readonly address: string; readonly bytes: Uint8Array }
interface Suspicion {
  /** By offset, who sent what, as digests, of each time it failed. */
  readonly failures: ReadonlyMap<number, { readonly address: string; readonly digest: string }>[]
  owner: GuardedWire | null
  /** When the owner last sent a block of it, or was chosen. */
  at: number
}

/** An owner that sends nothing for so long gives the piece back. */
const ownerMs = 4_000
/** Failed pieces that are remembered, and failures of each. */
const mostSuspicions = 256
const mostFailures = 4

export function findLiars(torrent: Torrent, onLiar: (address: string) => void): Liars {
  /** Blocks of pieces not verified yet, as they came: the same memory that the piece itself holds. */
  const pending = new Map<number, Map<number, Block>>()
  const suspicions = new Map<number, Suspicion>()

  torrent.on('warning', (warning: unknown) => {
    const [, index] = /^Piece (\d+) failed verification$/.exec(warning instanceof Error ? warning.message : '') ?? []
    if (index !== undefined) onFailure(Number(index))
  })
  torrent.on('verified', (piece: number) => {
    const blocks = pending.get(piece)
    const suspicion = suspicions.get(piece)
    pending.delete(piece)
    suspicions.delete(piece)
    if (!suspicion || !blocks) return
    for (const failure of suspicion.failures) {
      for (const [offset, { address, digest }] of failure) {
        const right = blocks.get(offset)
        if (right && digestOf(right.bytes) !== digest) onLiar(address)
      }
    }
  })

  function onFailure(piece: number): void {
    const blocks = pending.get(piece) ?? new Map<number, Block>()
    pending.delete(piece)
    const senders = new Set([...blocks.values()].map(({ address }) => address))
    const [only] = senders
    if (senders.size === 1 && only !== undefined) onLiar(only)
    if (suspicions.size >= mostSuspicions && !suspicions.has(piece)) return
    const suspicion = suspicions.get(piece) ?? { failures: [], owner: null, at: 0 }
    suspicion.owner = null
    suspicion.failures.push(new Map([...blocks].map(([offset, { address, bytes }]) => [offset, { address, digest: digestOf(bytes) }])))
    if (suspicion.failures.length > mostFailures) suspicion.failures.shift()
    suspicions.set(piece, suspicion)
  }

  return {
    onBlock(wire, piece, offset, bytes) {
      let blocks = pending.get(piece)
      if (!blocks) pending.set(piece, blocks = new Map<number, Block>())
      const suspicion = suspicions.get(piece)
      if (suspicion && suspicion.owner !== wire) return // late, from before: webtorrent passes it over as well
      if (suspicion) suspicion.at = performance.now()
      if (!blocks.has(offset)) blocks.set(offset, { address: wire.remoteAddress ?? '', bytes })
    },
    mayAsk(wire, piece) {
      const suspicion = suspicions.get(piece)
      if (!suspicion || suspicion.owner === wire) return true
      const { owner } = suspicion
      if (owner && !owner.destroyed && torrent.wires.some((one) => one === (owner as unknown)) && performance.now() - suspicion.at < ownerMs) return false
      if (owner) {
        // What the former owner sent of it must not mix with what this one will.
        pending.delete(piece)
        torrent._markUnverified(piece)
      }
      suspicion.owner = wire
      suspicion.at = performance.now()
      return true
    },
  }
}

const digestOf = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('base64')
