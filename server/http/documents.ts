import type { FastifyInstance, FastifyReply } from 'fastify'
import { z } from 'zod'
import { appleAppSiteAssociation, assetLinks } from '../features/factors/app-links.ts'
import type { Deps } from '../kit/context.ts'
import { AppError, NotFound } from '../kit/errors.ts'
import { addressKey } from '../kit/limits.ts'
import { openApiDocument } from './openapi.ts'
import { apiBase } from './rest.ts'

/** Documents that anyone may read: the OpenAPI description and the public keys; and where browsers report breaches of the page policy. */
export function mountDocuments(app: FastifyInstance, deps: Deps): void {
  const config = { permission: 'public' } as const
  const document = JSON.stringify(openApiDocument())
  app.get(`${apiBase}/openapi.json`, { config }, (_request, reply) => reply.type('application/json').header('cache-control', 'public, max-age=300').send(document))
  app.get('/.well-known/jwks.json', { config }, (_request, reply) => reply.header('cache-control', 'public, max-age=300').send({ keys: deps.keys.publicKeys() }))
  app.get('/.well-known/assetlinks.json', { config }, (_request, reply) => sendIfSet(reply, assetLinks(deps.config)))
  // Apple fetches it without an extension, and wants this type
  app.get('/.well-known/apple-app-site-association', { config }, (_request, reply) => sendIfSet(reply, appleAppSiteAssociation(deps.config)))

  app.register((reports, _options, done) => {
    reports.addContentTypeParser(['application/csp-report', 'application/reports+json'], { parseAs: 'string', bodyLimit: 16_384 }, (_request, body, parsed) => parsed(null, body))
    reports.post('/csp-reports', { config, bodyLimit: 16_384 }, async (request, reply) => {
      await deps.limits.charge('write', addressKey(request.ip))
      const report = CspReport.safeParse(readJson(request.body))
      if (!report.success) throw new AppError(400, 'malformed', 'This is no CSP report.')
      for (const directive of report.data) deps.log.warn({ directive }, 'a page broke its content security policy')
      return reply.code(204).send()
    })
    done()
  })
}

/** Which apps may use passkeys of this site; there is no such document where the operator named none. */
function sendIfSet(reply: FastifyReply, document: object | null): FastifyReply {
  if (!document) throw new NotFound('document')
  return reply.type('application/json').header('cache-control', 'public, max-age=300').send(document)
}

const Directive = z.string().max(200)
/** The directives that were broken: as `report-uri` sends them (CSP level 2), or as `report-to` does (Reporting API). */
const CspReport = z.union([
  z
    .object({ 'csp-report': z.object({ 'violated-directive': Directive.optional(), 'effective-directive': Directive.optional() }) })
    .transform(({ 'csp-report': report }) => [report['effective-directive'] ?? report['violated-directive'] ?? 'unknown']),
  z
    .array(z.object({ type: z.literal('csp-violation'), body: z.object({ effectiveDirective: Directive }) }))
    .min(1)
    .max(20)
    .transform((reports) => reports.map(({ body }) => body.effectiveDirective)),
])

function readJson(body: unknown): unknown {
  try {
    return typeof body === 'string' ? JSON.parse(body) : body
  } catch {
    return null
  }
}
