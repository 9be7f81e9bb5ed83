import pino, { type DestinationStream, type Logger } from 'pino'

/** Fields that never reach the log, wherever they stand (control E1). */
const secretFields = ['password', 'newPassword', 'currentPassword', 'code', 'token', 'accessToken', 'refreshToken', 'authorization', 'cookie', 'email', 'url', 'ticket', 'apiKey']
const redact = {
  paths: secretFields.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]).concat(['headers["x-api-key"]', '*.headers["x-api-key"]', '*["set-cookie"]']),
  censor: '[redacted]',
}

/** JSON lines on standard output, severity by name. */
export function createLog(level: string, destination?: DestinationStream): Logger {
  return pino(
    { level, base: undefined, timestamp: pino.stdTimeFunctions.isoTime, redact, formatters: { level: (label) => ({ severity: label }) }, serializers: { err: describe } },
    destination ?? pino.destination({ dest: 1, sync: false }),
  )
}

export function logError(log: Logger, error: unknown, message: string, fields: Record<string, unknown> = {}): void {
  log.error({ ...fields, err: error }, message)
}

/** An error as name, message, stack and its causes; not its other properties, which may hold a query's values. */
function describe(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return { message: withoutTickets(withoutParameters(String(error))) }
  const detail = 'detail' in error && typeof error.detail === 'string' && error.name === 'AppError' ? { detail: error.detail } : {}
  const message = withoutParameters(error.message)
  return {
    name: error.name,
    message: withoutTickets(message),
    ...detail,
    stack: withoutTickets(stackWith(message, error)),
    ...(error.cause !== undefined && depth < 4 ? { cause: describe(error.cause, depth + 1) } : {}),
  }
}

/** drizzle's errors end in "\nparams: a,b,c", which may be anything, line breaks included: all of the rest goes. */
const withoutParameters = (text: string): string => text.replace(/\nparams: [^]*$/, '\nparams: [redacted]')
const withoutTickets = (text: string): string => text.replace(/\/(stream|playlist|subtitles)\/[\w-]{8,}/g, '/$1/[redacted]')

/** The stack begins with the message as it was. */
function stackWith(message: string, error: Error): string {
  const { stack = '', message: original } = error
  if (message === original) return withoutParameters(stack)
  const at = stack.indexOf(original)
  return at < 0 ? `${error.name}: ${message}` : stack.slice(0, at) + message + stack.slice(at + original.length)
}
