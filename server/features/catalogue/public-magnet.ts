import { buildMagnet } from '../../lib/magnet.ts'

/** A magnet link that may leave the server: trackers in which a passkey could hide are left out (control B11). */
export const publicMagnet = (infoHash: string, title: string, trackers: readonly string[]): string => buildMagnet(infoHash, title, trackers.filter(isOpenTracker))

/** Passkeys stand in the path, the query, the credentials, or in a label of the host name. */
function isOpenTracker(tracker: string): boolean {
  const url = URL.canParse(tracker) ? new URL(tracker) : null
  if (!url || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') return false
  return /^(\/|\/announce)?$/.test(url.pathname) && url.hostname.split('.').every((label) => label.length < 20)
}
