import { domainToASCII } from 'node:url'

/** RFC 5321 section 4.5.3.1, in octets; what is longer no mail server has to take. */
const longest = { address: 254, local: 64, label: 63 }

/** The dot-atom of RFC 5322: what follows and precedes every dot. No quoted strings, no comments. */
const atom = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+$/
const label = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/
/** Control and format characters (zero widths, direction marks), surrogates, unassigned ones, blanks. */
const unseen = /[\p{C}\p{Z}]/u

/**
 * The one spelling of an e-mail address, or null for what is none (decision 0011). Compatibility forms are folded (NFKC), case is
 * folded, the domain is in its ASCII form (UTS 46) without a trailing dot. The part before the @ is ASCII, so nothing there looks
 * like something else; a look-alike in a domain shows as `xn--…`. Dots and plus signs mean what the mail server makes of them.
 */
export function canonicalEmail(given: string): string | null {
  if (given.length > longest.address || unseen.test(given)) return null
  const folded = given.normalize('NFKC').toLowerCase()
  const [local = '', host = '', ...more] = folded.split('@')
  if (more.length > 0 || local.length > longest.local || !local.split('.').every((part) => atom.test(part))) return null
  const domain = canonicalDomain(host)
  if (domain === null) return null
  const address = `${local}@${domain}`
  return address.length <= longest.address ? address : null
}

/** A name with at least two labels, of which the last is not a number: no address literals, no `localhost`. */
function canonicalDomain(host: string): string | null {
  // the parser of hosts would decode percent signs, and stop at what begins a port or a path
  if (/[^a-z0-9.\-\u0080-\u{10ffff}]/u.test(host)) return null
  const labels = domainToASCII(host).replace(/\.$/, '').split('.')
  if (labels.length < 2 || !labels.every((part) => part.length <= longest.label && label.test(part))) return null
  return /^\d+$/.test(labels.at(-1) ?? '') ? null : labels.join('.')
}
