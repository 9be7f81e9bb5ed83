import { checkTrackerUrl, usableTrackers, type TrackerRules } from '../../lib/addresses.ts'

export type SourceWarning = { code: string; message: string }

const reasons: Record<string, string> = {
  tracker_malformed: 'is no URL',
  tracker_scheme: 'is neither http, https nor udp',
  tracker_credentials: 'carries a user name or password',
  tracker_port: 'names no port, or one of another service',
  tracker_private_address: 'is on a private network',
}

/**
 * What the engine may ask for peers, and what was dropped and why (control D3): one warning a reason, naming hosts only,
 * because passkeys stand in the rest. URLs come back as they are parsed, so that what was checked is what is used.
 */
export function peerSources(given: { trackers: readonly string[]; webSeeds: readonly string[] }, options: TrackerRules) {
  const { trackers, dropped } = usableTrackers(given.trackers, options)
  const usableSeed = (url: string) => /^https?:/i.test(url) && checkTrackerUrl(url, options) === null
  const badSeeds = given.webSeeds.filter((url) => !usableSeed(url))
  const warnings: SourceWarning[] = [...new Set(dropped.map(({ code }) => code))].map((code) => ({
    code,
    message: `Not used, because it ${reasons[code] ?? 'is not safe'}: ${named(dropped.filter((one) => one.code === code).map(({ url }) => url))}.`,
  }))
  if (badSeeds.length > 0) warnings.push({ code: 'web_seed_ignored', message: `Web seeds that are not used: ${named(badSeeds)}.` })
  return { trackers: canonical(trackers), webSeeds: canonical(given.webSeeds.filter(usableSeed)), warnings }
}

const canonical = (urls: readonly string[]): string[] => [...new Set(urls.map((url) => new URL(url).href))]

function named(urls: readonly string[]): string {
  const hosts = urls.slice(0, 3).map((url) => (URL.canParse(url) && new URL(url).host) || 'one without a host')
  return hosts.join(', ') + (urls.length > hosts.length ? ` and ${urls.length - hosts.length} more` : '')
}
