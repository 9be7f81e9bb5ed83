import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AppError, NotFound, problemOf, toAppError } from '../kit/errors.ts'
import { logError } from '../kit/log.ts'
import type { Deps } from '../kit/context.ts'

/** Every error of the edges as a problem document (RFC 9457), Fastify's own included. */
export function problemDocuments(app: FastifyInstance, deps: Pick<Deps, 'log'>): void {
  app.setErrorHandler((error, request, reply) => sendProblem(deps, request, reply, error))
  app.setNotFoundHandler((request, reply) => sendProblem(deps, request, reply, new NotFound('page')))
}

export function sendProblem(deps: Pick<Deps, 'log'>, request: FastifyRequest, reply: FastifyReply, thrown: unknown): FastifyReply {
  const error = fromFastify(thrown) ?? toAppError(thrown)
  reportIfOurs(deps, error, request.id)
  return reply
    .code(error.status)
    .headers(error.headers)
    .header('cache-control', 'no-store')
    .type('application/problem+json')
    .send(JSON.stringify(problemOf(error, request.id)))
}

/** Faults of the server go to the log with their cause; those of clients are in the request's line already. */
export function reportIfOurs({ log }: Pick<Deps, 'log'>, error: AppError, requestId: string): void {
  if (error.status >= 500 && error.status !== 504) logError(log, error, 'a request failed', { requestId })
}

function fromFastify(thrown: unknown): AppError | null {
  const { code, statusCode } = thrown as Partial<FastifyError>
  if (thrown instanceof AppError || typeof code !== 'string' || !code.startsWith('FST_')) return null
  if (statusCode === 413) return new AppError(413, 'too_large', 'The request body is too large.')
  if (statusCode === 415) return new AppError(415, 'unsupported_media_type', 'Send the body as application/json.')
  if (statusCode !== undefined && statusCode < 500) return new AppError(statusCode, 'malformed', 'The request could not be read.', { cause: thrown })
  return null
}
