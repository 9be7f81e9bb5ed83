import { lookup, type LookupAddress, type LookupOptions } from 'node:dns'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { isPublicAddress } from '../lib/addresses.ts'

/** Where the engine may connect to (control D3), judged by the address itself: after DNS, at each connect. */
export interface Reach {
  mayReach(address: string): boolean
  /** A lookup for `net.connect` that leaves out what may not be reached, and fails when nothing is left. */
  lookup(host: string, options: LookupOptions, done: LookupDone): void
}
export type LookupDone = (error: NodeJS.ErrnoException | null, addresses: string | LookupAddress[], family?: number) => void
export type Resolve = (host: string, options: LookupOptions & { all: true }, done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void) => void

export interface ReachOptions {
  readonly allowPrivateAddresses: boolean
  /** Stands in for `dns.lookup`, and for the interfaces of this machine, in tests. */
  readonly resolve?: Resolve
  readonly interfaces?: typeof networkInterfaces
}

/** The server's own addresses change seldom: a laptop's, or a container's that joins another network. */
const ownFreshMs = 30_000

export function createReach({ allowPrivateAddresses, resolve = lookup, interfaces = networkInterfaces }: ReachOptions): Reach {
  let own = { addresses: new Set<string>(), at: -Infinity }
  const ownAddresses = () => {
    if (performance.now() - own.at > ownFreshMs) {
      const addresses = Object.values(interfaces()).flatMap((all) => all?.map(({ address }) => address) ?? [])
      own = { addresses: new Set(addresses), at: performance.now() }
    }
    return own.addresses
  }
  const mayReach = (address: string) => isIP(address) > 0 && (allowPrivateAddresses || (isPublicAddress(address) && !ownAddresses().has(address)))
  return {
    mayReach,
    lookup(host, options, done) {
      resolve(host, { ...options, all: true }, (error, addresses) => {
        if (error) return done(error, [])
        const reachable = addresses.filter(({ address }) => mayReach(address))
        const [first] = reachable
        if (!first) return done(refusal(host), [])
        if (options.all) done(null, reachable)
        else done(null, first.address, first.family)
      })
    },
  }
}

/** What a refused connection fails with: to its caller the network is just not there. */
export const refusal = (host: string): NodeJS.ErrnoException => Object.assign(new Error(`${host} may not be reached`), { code: 'ENETUNREACH' })
