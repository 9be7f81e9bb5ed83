import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { ConnectionError, FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { Deps } from '../kit/context.ts'
import { AppError, problemOf } from '../kit/errors.ts'
import { headersOfEveryAnswer } from './headers.ts'
import { sendProblem } from './problems.ts'

type EarlyDeps = Pick<Deps, 'config' | 'publicUrl' | 'log' | 'newId'>

/** What Fastify refuses before any hook has run (a path that cannot be decoded or is too long) looks like every other refusal. */
export const refuseBadPath = (deps: EarlyDeps) => (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
  deps.log.info({ requestId: request.id, method: request.method, route: 'unknown', status: error.statusCode }, 'request')
  void sendProblem(deps, request, reply.headers(headersOfEveryAnswer(deps, request.id, request.protocol === 'https')), error)
}

/** What is not HTTP, or not in time, never becomes a request: answered on the socket. */
export const refuseBadHttp = (deps: EarlyDeps) => (error: ConnectionError, socket: Socket) => {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) return
  const requestId = deps.newId()
  const refusal =
    error.code === 'HPE_HEADER_OVERFLOW' ? new AppError(431, 'headers_too_large', 'The headers are too large.')
    : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? new AppError(408, 'request_timeout', 'The request did not come in time.')
    : new AppError(400, 'malformed', 'The request could not be read.')
  const body = JSON.stringify(problemOf(refusal, requestId))
  const headers = {
    ...headersOfEveryAnswer(deps, requestId, 'encrypted' in socket),
    'cache-control': 'no-store',
    'content-type': 'application/problem+json',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  }
  deps.log.info({ requestId, route: 'unknown', status: refusal.status }, 'request')
  socket.end(`HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`)
}
