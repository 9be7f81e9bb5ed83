import { STATUS_CODES } from 'node:http'
import { TRPCError } from '@trpc/server'
import { z } from 'zod'
import { SignInMethod } from './zod.ts'

/** `code`: which rule it was, where a client may want to say it in its own words. */
export type FieldError = { path: string; message: string; code?: string }
type More = { detail?: string; cause?: unknown; errors?: FieldError[]; methods?: z.infer<typeof SignInMethod>[]; headers?: Record<string, string> }

/**
 * An error that clients may see. `code` is stable and snake_case; `message` is for people and public;
 * `detail` and `cause` are for the log only.
 */
export class AppError extends Error {
  readonly status: number
  readonly code: string
  readonly detail: string | undefined
  readonly errors: FieldError[] | undefined
  /** By what the caller could prove who they are, and be let through. */
  readonly methods: z.infer<typeof SignInMethod>[] | undefined
  readonly headers: Record<string, string>
  constructor(status: number, code: string, message: string, more: More = {}) {
    super(message, { cause: more.cause })
    this.name = 'AppError'
    this.status = status
    this.code = code
    this.detail = more.detail
    this.errors = more.errors
    this.methods = more.methods
    this.headers = more.headers ?? {}
  }
}

export class NotFound extends AppError {
  constructor(what = 'page') {
    super(404, 'not_found', `There is no such ${what}.`)
  }
}

export class Conflict extends AppError {
  constructor(message: string, code = 'conflict') {
    super(409, code, message)
  }
}

export class PermissionDenied extends AppError {
  constructor(code = 'permission_denied', message = 'You may not do this.') {
    super(403, code, message)
  }
}

/** 401: not, or no longer, signed in (RFC 6750 section 3 asks for the challenge). */
export class Unauthenticated extends AppError {
  constructor(code: string, message: string) {
    const error = code === 'access_token_missing' || code === 'invalid_credentials' ? '' : ', error="invalid_token"'
    super(401, code, message, { headers: { 'www-authenticate': `Bearer realm="torrent-streamer"${error}` } })
  }
}

export class Invalid extends AppError {
  constructor(errors: FieldError[], code = 'validation_failed') {
    super(422, code, errors[0] ? `${errors[0].path || 'body'}: ${errors[0].message}` : 'The request is not valid.', { errors })
  }
}

export class RateLimited extends AppError {
  constructor(seconds: number, headers: Record<string, string> = {}) {
    super(429, 'rate_limited', `Too many requests. Try again in ${seconds} s.`, { headers: { ...headers, 'retry-after': String(seconds) } })
  }
}

export class Unavailable extends AppError {
  constructor(detail: string, cause?: unknown) {
    super(503, 'unavailable', 'The service cannot answer this just now. Try again in a moment.', { detail, cause, headers: { 'retry-after': '2' } })
  }
}

/** What a schema found wrong, as 422: unknown keys have a code of their own. */
export function invalidFrom(error: z.ZodError): Invalid {
  const unknown = error.issues.flatMap((issue) => (issue.code === 'unrecognized_keys' ? issue.keys.map((key) => ({ path: [...issue.path, key].join('.'), message: 'is not a known field' })) : []))
  const others = error.issues.flatMap((issue) => (issue.code === 'unrecognized_keys' ? [] : [{ path: issue.path.join('.'), message: issue.message, ...codeOf(issue) }]))
  return others.length === 0 && unknown.length > 0 ? new Invalid(unknown, 'unknown_field') : new Invalid([...others, ...unknown])
}

/** A rule of our own may name itself: `.refine(…, { params: { code } })`. */
function codeOf(issue: z.core.$ZodIssue): { code?: string } {
  const code: unknown = issue.code === 'custom' ? issue.params?.['code'] : undefined
  return typeof code === 'string' ? { code } : {}
}

/** Of postgres.js and of sockets; and the SQLSTATE classes 08 (connection), 53 (resources), 57 (operator intervention, timeouts). */
const outageCodes = /^(ECONN\w+|EPIPE|ETIMEDOUT|CONNECT_TIMEOUT|CONNECTION_\w+|(08|53|57)[0-9A-Z]{3})$/

/** Did it fail because the database is away or overloaded? drizzle wraps what its driver threw. */
function isOutage(thrown: unknown, depth = 0): boolean {
  if (!(thrown instanceof Error) || depth > 4) return false
  return ('code' in thrown && typeof thrown.code === 'string' && outageCodes.test(thrown.code)) || isOutage(thrown.cause, depth + 1)
}

/** The public face of whatever was thrown; what is not ours becomes a bare 500, or 503 while the database is away. */
export function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown
  if (thrown instanceof TRPCError && thrown.cause instanceof AppError) return thrown.cause
  if (isOutage(thrown)) return new Unavailable('the database did not answer', thrown)
  if (thrown instanceof TRPCError) {
    if (thrown.code === 'BAD_REQUEST' && thrown.cause instanceof z.ZodError) return invalidFrom(thrown.cause)
    if (thrown.code === 'NOT_FOUND') return new NotFound('procedure')
    if (thrown.code === 'METHOD_NOT_SUPPORTED') return new AppError(405, 'method_not_allowed', 'This method is not allowed here.')
    if (thrown.code === 'PARSE_ERROR' || thrown.code === 'BAD_REQUEST') return new AppError(400, 'malformed', 'The request could not be read.', { cause: thrown })
    if (thrown.code === 'PAYLOAD_TOO_LARGE') return new AppError(413, 'too_large', 'The request is too large.')
    if (thrown.code === 'UNSUPPORTED_MEDIA_TYPE') return new AppError(415, 'unsupported_media_type', 'This media type is not understood here.')
    return new AppError(500, 'internal', 'Something went wrong on the server.', { cause: thrown.cause ?? thrown })
  }
  return new AppError(500, 'internal', 'Something went wrong on the server.', { cause: thrown })
}

const trpcCodes: Record<number, TRPCError['code']> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_SUPPORTED',
  409: 'CONFLICT',
  413: 'PAYLOAD_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  422: 'UNPROCESSABLE_CONTENT',
  429: 'TOO_MANY_REQUESTS',
  503: 'SERVICE_UNAVAILABLE',
  504: 'GATEWAY_TIMEOUT',
}

/** The one place where a TRPCError is made: the public message, with the AppError as its cause. */
export function toTrpcError(error: AppError): TRPCError {
  return new TRPCError({ code: trpcCodes[error.status] ?? 'INTERNAL_SERVER_ERROR', message: error.message, cause: error })
}

/** Problem document, RFC 9457. `instance` is the request id. */
export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    code: z.string().describe('Stable, snake_case: what a client decides by.'),
    errors: z.array(z.object({ path: z.string(), message: z.string(), code: z.string().optional() }).meta({ id: 'FieldError' })).optional(),
    methods: z.array(SignInMethod).optional().describe('With step_up_required: the methods of /auth/step-up/begin that would do.'),
  })
  .meta({ id: 'Problem' })

export function problemOf(error: AppError, requestId: string): z.infer<typeof Problem> {
  return {
    type: 'about:blank',
    title: STATUS_CODES[error.status] ?? 'Error',
    status: error.status,
    detail: error.message,
    instance: requestId,
    code: error.code,
    ...(error.errors ? { errors: error.errors } : {}),
    ...(error.methods ? { methods: error.methods } : {}),
  }
}
