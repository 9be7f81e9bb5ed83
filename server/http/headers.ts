import type { FastifyInstance } from 'fastify'
import { isLoopbackHost } from '../config.ts'
import type { Deps } from '../kit/context.ts'
import './types.ts'

/** The headers of control B6 on every answer. A page gets a policy with a nonce; everything else may load nothing. */
export function securityHeaders(app: FastifyInstance, deps: Deps): void {
  app.decorateRequest('cspNonce', '')
  app.addHook('onRequest', (request, reply, done) => {
    request.cspNonce = Buffer.from(deps.randomBytes(16)).toString('base64')
    reply.headers(headersOfEveryAnswer(deps, request.id, request.protocol === 'https'))
    done()
  })
}

/** What no answer goes without, also one that is given before there is a request to speak of. */
export function headersOfEveryAnswer({ config, publicUrl }: Pick<Deps, 'config' | 'publicUrl'>, requestId: string, overTls: boolean): Record<string, string> {
  // a browser must not take HSTS from an answer in clear (RFC 6797 section 7.2)
  const hsts = overTls && (config.production || config.tls) && reachedFromElsewhere(publicUrl()) ? config.hsts : null
  return {
    'x-request-id': requestId,
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'x-xss-protection': '0',
    'referrer-policy': 'no-referrer',
    'permissions-policy': 'accelerometer=(), camera=(), geolocation=(), gyroscope=(), microphone=(), payment=(), usb=()',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ...(hsts ? { 'strict-transport-security': hsts } : {}),
  }
}

/** The policy of a page of the console. */
export function pagePolicy(nonce: string): string {
  return [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "media-src 'self'",
    "connect-src 'self'",
    "manifest-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    'report-uri /csp-reports',
  ].join('; ')
}

/** For this machine itself HSTS would break every other service of it. */
function reachedFromElsewhere(publicUrl: string): boolean {
  const { protocol, hostname } = new URL(publicUrl)
  return protocol === 'https:' && !isLoopbackHost(hostname)
}
