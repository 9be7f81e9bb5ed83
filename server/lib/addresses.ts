import { BlockList, isIP } from 'node:net'
import { isTrackerPort } from './ports.ts'

/**
 * Which addresses a stranger may make the server talk to (control D3): only those that are routed on the public
 * internet. By the IANA special-purpose registries (RFC 6890), and IPv4 inside IPv6 in every form.
 */
const special = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['172.16.0.0', 12],
  ['192.0.0.0', 24], ['192.0.2.0', 24], ['192.88.99.0', 24], ['192.168.0.0', 16], ['198.18.0.0', 15],
  ['198.51.100.0', 24], ['203.0.113.0', 24], ['224.0.0.0', 4], ['240.0.0.0', 4],
] as const) special.addSubnet(network, prefix, 'ipv4')
for (const [network, prefix] of [
  ['2001::', 23], // IETF protocol assignments: Teredo, ORCHID, benchmarking…
  ['2001:db8::', 32], // documentation
  ['2002::', 16], // 6to4
  ['3fff::', 20], // documentation
] as const) special.addSubnet(network, prefix, 'ipv6')
const globalUnicast = new BlockList()
globalUnicast.addSubnet('2000::', 3, 'ipv6') // all else of IPv6: loopback, mapped, NAT64, unique local, link-local, multicast

/** The IPv4 address in an IPv4-mapped IPv6 one, as a listener on `::` names who calls; any other as it is. */
export const unmapped = (address: string): string => /^::ffff:(\d+(?:\.\d+){3})$/i.exec(address)?.[1] ?? address

/** Names that never mean a public host (RFC 6761, RFC 8375, and what clouds and home routers use). */
const localSuffixes = ['localhost', 'local', 'localdomain', 'internal', 'intranet', 'lan', 'home', 'corp', 'private', 'home.arpa', 'test', 'invalid', 'example', 'onion', 'arpa']

/**
 * Whether a host may be a public one: a public address literal in any spelling (`127.1`, `0x7f000001`, `[::ffff:7f00:1]`),
 * or a name that is not plainly local. What a name resolves to is for whoever connects to check.
 */
export function isPublicAddress(host: string): boolean {
  const canonical = canonicalHost(host)
  if (canonical === null) return false
  const family = isIP(canonical)
  if (family === 4) return !special.check(canonical, 'ipv4')
  if (family === 6) return globalUnicast.check(canonical, 'ipv6') && !special.check(canonical, 'ipv6')
  const name = canonical.replace(/\.$/, '')
  return name.includes('.') && !localSuffixes.some((suffix) => name === suffix || name.endsWith(`.${suffix}`))
}

/** The host as the WHATWG URL parser reads it, without brackets: odd spellings of IPv4 and IPv6 become the usual one. */
function canonicalHost(host: string): string | null {
  const bare = host.trim()
  const bracketed = bare.includes(':') && !bare.startsWith('[') ? `[${bare.split('%', 1)[0]}]` : bare
  if (/[/?#@\\\s]/.test(bracketed)) return null
  try {
    return new URL(`http://${bracketed}/`).hostname.replace(/^\[|\]$/g, '')
  } catch {
    return null
  }
}

/**
 * Whom a client's address counts as (control A6): itself in IPv4, also when written as IPv6; its /64 in IPv6, because a single
 * customer has at least that many to come from.
 */
export function networkOf(address: string): string {
  // in the usual spelling already, as a socket gives it; asked several times a request
  if (isIP(address) === 4) return address
  const canonical = canonicalHost(address)
  if (canonical === null || isIP(canonical) !== 6) return canonical ?? address
  const [head = '', tail] = canonical.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail ? tail.split(':') : []
  const groups = [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after]
  const [high, low] = groups.slice(6).map((group) => parseInt(group, 16))
  const mapped = groups.slice(0, 5).every((group) => group === '0') && groups[5] === 'ffff'
  if (mapped && high !== undefined && low !== undefined) return [high >> 8, high & 255, low >> 8, low & 255].join('.')
  return `${groups.slice(0, 4).join(':')}::/64`
}

/** The IPv6 /48 that an address is in, null for IPv4: a site has that many /64 to come from (control A6). */
export function wideNetworkOf(address: string): string | null {
  const network = networkOf(address)
  return network.endsWith('::/64') ? `${network.split(':').slice(0, 3).join(':')}::/48` : null
}

/** Where an address is, coarsely: its IPv4 /24 or IPv6 /48. Enough to recognise a place by, too little to find a person (control C5). */
export function coarseNetworkOf(address: string): string {
  const network = networkOf(address)
  if (isIP(network) === 4) return `${network.split('.').slice(0, 3).join('.')}.0/24`
  return wideNetworkOf(address) ?? 'unknown'
}

export type TrackerRefusal = 'tracker_malformed' | 'tracker_scheme' | 'tracker_credentials' | 'tracker_port' | 'tracker_private_address'

export interface TrackerRules {
  /** For tests and closed networks. */
  readonly allowPrivate: boolean
  /** Ports that known services have (see `isTrackerPort`). */
  readonly allowServicePorts?: boolean
}

/** Why a tracker URL is not used, or null when it may be. */
export function checkTrackerUrl(url: string, { allowPrivate, allowServicePorts = false }: TrackerRules): TrackerRefusal | null {
  const parsed = URL.canParse(url) && url.length <= 2048 ? new URL(url) : null
  if (!parsed) return 'tracker_malformed'
  if (!['http:', 'https:', 'udp:'].includes(parsed.protocol)) return 'tracker_scheme'
  if (parsed.hostname === '') return 'tracker_malformed'
  if (parsed.username !== '' || parsed.password !== '') return 'tracker_credentials'
  const port = parsed.port === '' ? { 'http:': 80, 'https:': 443 }[parsed.protocol] ?? 0 : Number(parsed.port)
  if (port === 0 || (!allowServicePorts && !isTrackerPort(port))) return 'tracker_port'
  // Of a udp URL the parser leaves `0x7f.1` as written: isPublicAddress reads it once more as the resolver would.
  return allowPrivate || isPublicAddress(parsed.hostname) ? null : 'tracker_private_address'
}

export interface TrackerWarning { readonly code: TrackerRefusal; readonly url: string }

/** Splits trackers into those to use and those that are dropped, with the reason. */
export function usableTrackers(urls: readonly string[], options: TrackerRules): { trackers: string[]; dropped: TrackerWarning[] } {
  const trackers: string[] = []
  const dropped: TrackerWarning[] = []
  for (const url of new Set(urls)) {
    const code = checkTrackerUrl(url, options)
    if (code) dropped.push({ code, url })
    else trackers.push(url)
  }
  return { trackers, dropped }
}
