import type { FastifyInstance, HTTPMethods } from 'fastify'
import { AppError } from '../kit/errors.ts'

const all: HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** Answers 405 with Allow (RFC 9110 section 15.5.6) for the methods that a known path lacks. Call before and `finish` after the routes. */
export function wrongMethods(app: FastifyInstance): { finish(): void } {
  const known = new Map<string, Set<HTTPMethods>>()
  let collecting = true
  app.addHook('onRoute', ({ url, method }) => {
    if (!collecting || url.includes('*')) return
    const methods = known.get(url) ?? new Set()
    for (const one of Array.isArray(method) ? method : [method]) methods.add(one)
    known.set(url, methods)
  })
  return {
    finish() {
      collecting = false
      for (const [url, methods] of known) {
        const missing = all.filter((method) => !methods.has(method))
        if (missing.length === 0) continue
        app.route({
          method: missing,
          url,
          config: { permission: 'public', refusal: true },
          handler: () => {
            throw new AppError(405, 'method_not_allowed', 'This method is not allowed here.', { headers: { allow: [...methods].sort().join(', ') } })
          },
        })
      }
    },
  }
}
