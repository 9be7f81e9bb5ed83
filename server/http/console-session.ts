import type { FastifyRequest } from 'fastify'
import type { z } from 'zod'
import type { Device } from '../features/auth/contract.ts'
import { knownDays } from '../features/auth/devices.ts'
import { actorOfCookie, type NewSession } from '../features/auth/sessions.ts'
import type { Actor, Deps, UserActor } from '../kit/context.ts'
import { secretToken } from '../kit/secret-tokens.ts'
import { browserName } from '../lib/browser.ts'
import { demandCsrf, type CsrfBinding } from './csrf.ts'

/** Whose request this is, by the console's cookies. A visitor has none yet where `binding` is null. */
export type Visit = { actor: UserActor | null; binding: CsrfBinding | null }

type CookieDeps = Pick<Deps, 'keys' | 'publicUrl'>

/**
 * Cookie names of this instance: two on one host are told apart by their deployment, since cookies know no ports
 * (RFC 6265 section 8.5). `__Host-` (RFC 6265bis) wherever the service is reached by HTTPS.
 */
export function cookieNames({ keys, publicUrl }: CookieDeps): { session: string; visitor: string; device: string } {
  const prefix = isHttps(publicUrl()) ? '__Host-' : ''
  const instance = keys.deployment.slice(0, 8)
  return { session: `${prefix}console-${instance}`, visitor: `${prefix}visitor-${instance}`, device: `${prefix}device-${instance}` }
}

/** The session of the console's cookie, else the visit of the visitor's. Use extends a session up to its idle limit. */
export async function readVisit(deps: CookieDeps & Pick<Deps, 'db' | 'now' | 'config'>, { headers, ip }: Pick<FastifyRequest, 'headers' | 'ip'>): Promise<Visit> {
  const names = cookieNames(deps)
  const session = readCookie(headers.cookie, names.session)
  const actor = session === null ? null : await actorOfCookie(deps, session, ip)
  if (actor) return { actor, binding: `session:${session ?? ''}` }
  const visitor = readCookie(headers.cookie, names.visitor)
  return { actor: null, binding: visitor !== null && /^[\w-]{43}$/.test(visitor) ? `visitor:${visitor}` : null }
}

/** A visit for someone without any cookie: forms before sign-in are bound to it. */
export function newVisit(deps: CookieDeps & Pick<Deps, 'randomBytes'>): { binding: CsrfBinding; setCookie: string } {
  const id = secretToken(deps.randomBytes)
  return { binding: `visitor:${id}`, setCookie: setCookie(deps, cookieNames(deps).visitor, id) }
}

/**
 * Set-Cookie lines of a sign-in: the new session's cookie, the end of the visit before it, and on a browser that was not
 * known the secret by which it will be (OWASP, device cookies). That one outlives sign-outs.
 */
export function signedInCookies(deps: CookieDeps, { cookieId, deviceToken }: Pick<NewSession, 'cookieId' | 'deviceToken'>): string[] {
  const names = cookieNames(deps)
  const known = deviceToken === null ? [] : [setCookie(deps, names.device, deviceToken, `; Max-Age=${knownDays * 86_400}`)]
  return [setCookie(deps, names.session, cookieId), forget(deps, names.visitor), ...known]
}

/** The browser as a device: named by what it says it is, known by its cookie. */
export function deviceOf(deps: CookieDeps, { headers }: Pick<FastifyRequest, 'headers'>): z.input<typeof Device> {
  const token = readCookie(headers.cookie, cookieNames(deps).device)
  return { name: browserName(headers['user-agent']), platform: 'web', ...(token !== null && /^tsd_[\w-]{43}$/.test(token) ? { token } : {}) }
}

export const signedOutCookies = (deps: CookieDeps): string[] => [forget(deps, cookieNames(deps).session)]

/**
 * Who calls /trpc: as `readBearer` says, or where no credentials were sent, the console's cookie. What is not a GET
 * needs the token in `x-csrf-token` as well, or it counts as nobody's.
 * @throws PermissionDenied 403 csrf_failed
 */
export function orConsoleCookie(deps: Deps, readBearer: (request: FastifyRequest) => Promise<Actor>): (request: FastifyRequest) => Promise<Actor> {
  return async (request) => {
    const { authorization, cookie, 'x-api-key': apiKey, 'sec-fetch-site': site } = request.headers
    if (authorization !== undefined || apiKey !== undefined || cookie === undefined) return readBearer(request)
    const { actor, binding } = await readVisit(deps, request)
    if (!actor) return readBearer(request)
    if (request.method !== 'GET' && request.method !== 'HEAD') demandCsrf(deps, request, binding, request.headers['x-csrf-token'])
    // another site's page may make the browser send the cookie, but learns and spends nothing by it
    else if (site !== undefined && site !== 'same-origin' && site !== 'none') return { kind: 'anonymous' }
    return actor
  }
}

const isHttps = (url: string): boolean => url.startsWith('https:')

/** Our values are base32 and base64url: they need no quoting. Of several with one name the first counts. */
function readCookie(header: string | undefined, name: string): string | null {
  const found = header?.split(';').find((part) => part.trimStart().startsWith(`${name}=`))
  return found === undefined ? null : found.slice(found.indexOf('=') + 1).trim()
}

/**
 * A Set-Cookie line (RFC 6265bis). Without Max-Age: the browser forgets it when it closes, and how long it is good for
 * is the server's to say. Lax, so that a link in a mail finds its reader signed in.
 */
function setCookie({ publicUrl }: CookieDeps, name: string, value: string, more = ''): string {
  return `${name}=${value}; Path=/; HttpOnly; SameSite=Lax${isHttps(publicUrl()) ? '; Secure' : ''}${more}`
}

const forget = (deps: CookieDeps, name: string): string => setCookie(deps, name, '', '; Max-Age=0')
