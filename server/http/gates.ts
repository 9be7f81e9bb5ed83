import type { FastifyInstance } from 'fastify'
import type { Deps } from '../kit/context.ts'
import { AppError, NotFound, PermissionDenied } from '../kit/errors.ts'

const isProbe = (url: string): boolean => url === '/healthz' || url === '/readyz'

/** A request for another host than ours is not answered: DNS rebinding (control B10), 421 of RFC 9110. */
export function hostGate(app: FastifyInstance, deps: Deps): void {
  app.addHook('onRequest', (request, _reply, done) => {
    done(isOurs(deps, request.headers.host?.toLowerCase() ?? '', request.url) || isProbe(request.url) ? undefined : new AppError(421, 'wrong_host', 'This server does not answer for that host.'))
  })
}

/** libtorrent leaves the port out (its web seeds are fetched without credentials, by nobody's browser). */
const isOurs = (deps: Pick<Deps, 'config' | 'publicUrl'>, host: string, url: string): boolean =>
  ownHosts(deps).has(host) || (url.startsWith('/api/v1/web-seed/') && [...ownHosts(deps)].some((own) => own.replace(/:\d+$/, '') === host))

/** The Host headers that are ours: the public one, and on loopback its other spellings. */
export function ownHosts({ config, publicUrl }: Pick<Deps, 'config' | 'publicUrl'>): Set<string> {
  const { protocol, host, port } = new URL(publicUrl())
  // a client may say the scheme's own port, which URLs leave out (RFC 9110 section 4.2.3)
  if (config.production) return new Set(port ? [host] : [host, `${host}:${protocol === 'https:' ? 443 : 80}`])
  return new Set([host, ...['localhost', '127.0.0.1', '[::1]'].map((name) => (port ? `${name}:${port}` : name))])
}

/** Outside loopback nothing is served in clear: pages redirect, everything else is refused (control C1). */
export function httpsGate(app: FastifyInstance, deps: Deps): void {
  if (!deps.config.production) return
  app.addHook('onRequest', async (request, reply) => {
    if (request.protocol === 'https' || isProbe(request.url)) return
    if (/^\/(api|trpc|\.well-known)(\/|$)/.test(request.url) || (request.method !== 'GET' && request.method !== 'HEAD')) {
      throw new PermissionDenied('https_required', 'Use HTTPS.')
    }
    // joined as text: resolved as a reference, "/\\host" and "http://host/" would lead elsewhere (control B5)
    if (!request.url.startsWith('/')) throw new NotFound('page')
    await reply.redirect(deps.publicUrl() + request.url, 308)
  })
}

/** CORS for the exact origins of the configuration; bearer tokens only, so never with credentials (control B7). */
export function corsGate(app: FastifyInstance, { config }: Pick<Deps, 'config'>): void {
  const allowed = new Set(config.corsOrigins)
  app.addHook('onRequest', async (request, reply) => {
    const { origin } = request.headers
    if (!/^\/(api|trpc)\//.test(request.url)) return
    reply.header('vary', 'Origin')
    if (origin === undefined || !allowed.has(origin)) return
    reply.headers({
      'access-control-allow-origin': origin,
      'access-control-expose-headers': 'X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, Content-Range, Accept-Ranges, ETag',
      'cross-origin-resource-policy': 'cross-origin',
    })
    if (request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined) {
      await reply
        .code(204)
        .headers({
          'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
          'access-control-allow-headers': 'Authorization, Content-Type, Idempotency-Key, Range, If-Range, X-API-Key, X-Request-Id',
          'access-control-max-age': '600',
        })
        .send()
    }
  })
}
