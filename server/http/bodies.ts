import type { FastifyInstance } from 'fastify'
import { AppError } from '../kit/errors.ts'
import { nestsDeeperThan } from '../lib/json-depth.ts'

export const jsonDepth = 32

/** JSON bodies: bounded depth (control B9), no `__proto__` (B2), an empty body is no body. */
export function jsonBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeContentTypeParser(['application/json', 'text/plain'])
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') return done(null, undefined)
    if (nestsDeeperThan(jsonDepth, body)) return done(new AppError(400, 'malformed', `JSON may be nested ${jsonDepth} deep at most.`))
    return parse(request, body, (error, value) => done(error ? new AppError(400, 'malformed', 'The body is not JSON.', { cause: error }) : null, value))
  })
}
