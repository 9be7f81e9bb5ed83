import { coarseNetworkOf, networkOf } from '../lib/addresses.ts'

/**
 * How often strangers can make the engine knock at one door (control D3): a hostile tracker names a victim at every port,
 * or its neighbours, and each engine that listens to it connects. Attempts count until a BitTorrent handshake proves
 * that a peer of this very torrent is there; a swarm of real peers is therefore never held back.
 */
export interface Dials {
  /** Counts one attempt; false when its address or network has had its share. */
  take(address: string): boolean
  /** The attempt led to a peer. */
  giveBack(address: string): void
}

/** Fruitless attempts are forgotten after this long. */
const windowMs = 10 * 60_000
/** An IPv4 /24 or IPv6 /48 has this many times the share of one address (IPv6: /64). */
const networkShare = 4
/** Doors remembered; when all are fresh, new ones wait. */
const mostDoors = 20_000

export function createDials(perAddress: number, now: () => number = () => performance.now()): Dials {
  const doors = new Map<string, { count: number; readonly since: number }>()

  function countOf(door: string): number {
    const known = doors.get(door)
    if (known && now() - known.since > windowMs) doors.delete(door)
    return doors.get(door)?.count ?? 0
  }

  function add(door: string, by: number): void {
    const known = doors.get(door)
    if (known && known.count + by <= 0) doors.delete(door)
    else if (known) known.count += by
    else if (by > 0) doors.set(door, { count: by, since: now() })
  }

  /** In order of `since`, so the expired are in front. */
  function forgetExpired(): void {
    for (const [door, { since }] of doors) {
      if (now() - since <= windowMs) return
      doors.delete(door)
    }
  }

  return {
    take(address) {
      const [door, network] = doorsOf(address)
      if (countOf(door) >= perAddress || countOf(network) >= perAddress * networkShare) return false
      if (doors.size >= mostDoors) forgetExpired()
      if (doors.size >= mostDoors) return false
      add(door, 1)
      add(network, 1)
      return true
    },
    giveBack(address) {
      for (const door of doorsOf(address)) add(door, -1)
    },
  }
}

const doorsOf = (address: string): [string, string] => [networkOf(address), `${coarseNetworkOf(address)} `]
