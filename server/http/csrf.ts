import { createHmac } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import type { Deps } from '../kit/context.ts'
import { PermissionDenied } from '../kit/errors.ts'
import type { MacKey } from '../kit/keys.ts'
import { sameBytes } from '../kit/secret-tokens.ts'

/** What a token holds for: a console session, or the visit of someone not yet signed in. */
export type CsrfBinding = `session:${string}` | `visitor:${string}`

/** Synchroniser token (OWASP, Cross-Site Request Forgery Prevention): HMAC-SHA256 of what it is bound to, base64url. */
export function csrfToken({ keys }: Pick<Deps, 'keys'>, binding: CsrfBinding): string {
  return tokenBy(keys.mac('csrf'), binding)
}

const tokenBy = ({ secret }: MacKey, binding: CsrfBinding): string => createHmac('sha256', secret).update(binding).digest('base64url')

/**
 * Lets a request that changes something pass only when it came from a page of ours (control B4): the token fits the
 * cookie, and neither Sec-Fetch-Site nor Origin says otherwise. Pages under `no-referrer` send `Origin: null`; such a
 * request, like one without Origin, needs Sec-Fetch-Site to vouch for it.
 * @throws PermissionDenied 403 csrf_failed
 */
export function demandCsrf(deps: Pick<Deps, 'keys'>, request: Pick<FastifyRequest, 'headers' | 'protocol'>, binding: CsrfBinding | null, token: unknown): void {
  const { origin, 'sec-fetch-site': site } = request.headers
  const bySite = site === undefined ? null : site === 'same-origin'
  const byOrigin = origin === undefined || origin === 'null' ? null : origin === ownOrigin(request)
  // a page may have been open since before a rotation of the key
  const byToken = binding !== null && typeof token === 'string' && deps.keys.macs('csrf').some((key) => sameBytes(Buffer.from(token), Buffer.from(tokenBy(key, binding))))
  if (byToken && bySite !== false && byOrigin !== false && (bySite === true || byOrigin === true)) return
  throw new PermissionDenied('csrf_failed', 'This form is too old, or it was not sent from this console. Open the page again and repeat it.')
}

/** The origin by which the request came; the Host header has passed the host gate. */
function ownOrigin({ protocol, headers }: Pick<FastifyRequest, 'headers' | 'protocol'>): string {
  return `${protocol}://${headers.host?.toLowerCase() ?? ''}`
}
