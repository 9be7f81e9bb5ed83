import { expect, test } from 'vitest'
import { AppError } from './errors.ts'
import { createLog, logError } from './log.ts'

function capture(level = 'debug') {
  const lines: string[] = []
  return { lines, log: createLog(level, { write: (line) => void lines.push(line) }) }
}

test('a line is one line of JSON with a time, a severity by name, and no host or process', () => {
  const { lines, log } = capture()
  log.warn({ route: '/x' }, 'first\nsecond')
  expect(lines).toHaveLength(1)
  expect(lines[0]?.trimEnd()).not.toContain('\n')
  const line = JSON.parse(lines[0] ?? '') as Record<string, unknown>
  expect(Object.keys(line).sort()).toEqual(['msg', 'route', 'severity', 'time'])
  expect(line).toMatchObject({ severity: 'warn', msg: 'first\nsecond', time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) })
})

test('what is below the level is not written', () => {
  const { lines, log } = capture('info')
  log.debug('detail')
  expect(lines).toEqual([])
})

const mark = 'MARK-7f3a'
test.each([
  { password: mark },
  { body: { password: mark, newPassword: mark, currentPassword: mark } },
  { request: { body: { refreshToken: mark } } },
  { tokens: { accessToken: mark, refreshToken: mark } },
  { code: mark, ticket: mark, token: mark, apiKey: mark },
  { headers: { authorization: mark, cookie: mark, 'x-api-key': mark, 'set-cookie': mark } },
  { request: { headers: { authorization: mark, cookie: mark, 'x-api-key': mark } } },
  { email: mark, user: { email: mark } },
  { url: mark, link: { url: mark } },
])('secrets are censored in %j', (fields) => {
  const { lines, log } = capture()
  log.info(fields, 'x')
  expect(lines.join('')).not.toContain(mark)
  expect(lines.join('')).toContain('[redacted]')
})

test('an error tells its name, message, detail, stack and causes, but no other property', () => {
  const { lines, log } = capture()
  const cause = Object.assign(new Error('the disk is full'), { parameters: [mark], query: mark })
  logError(log, new AppError(503, 'unavailable', 'Try again.', { detail: 'a private detail', cause }), 'a request failed', { requestId: 'r1' })
  const line = JSON.parse(lines[0] ?? '') as { err: Record<string, unknown> }
  expect(line).toMatchObject({ severity: 'error', requestId: 'r1', err: { name: 'AppError', message: 'Try again.', detail: 'a private detail', stack: expect.stringContaining('log.test.ts'), cause: { message: 'the disk is full' } } })
  expect(lines.join('')).not.toContain(mark)
})

test('parameters of a failed query and tickets in an address are taken out of messages', () => {
  const { lines, log } = capture()
  const query = new Error(`Failed query: select 1 where email = $1\nparams: ${mark},other`, { cause: new Error(`GET http://localhost/api/v1/stream/${mark}-0123456789/film.mp4 failed`) })
  logError(log, query, 'x')
  logError(log, `thrown text /stream/${mark}-0123456789/`, 'x')
  expect(lines.join('')).not.toContain(mark)
  expect(lines.join('')).toContain('select 1 where email = $1')
})

test.each([`${mark}\nsecond line ${mark}`, `x\n    at ${mark} (file:1:1)`, `$&${mark}$'`, `\r\n${mark}\u2028${mark}`, `\nparams: ${mark}\nparams: ${mark}`])('however a parameter looks, it is gone, and the frames stay (%#)', (parameter) => {
  const { lines, log } = capture()
  logError(log, new Error('outer', { cause: new Error(`Failed query: insert into t values ($1)\nparams: 1,${parameter},2`) }), 'x')
  expect(lines.join('')).not.toContain(mark)
  expect(lines.join('')).toContain('insert into t')
  expect(JSON.parse(lines[0] ?? '').err.cause.stack).toContain('log.test.ts')
})

test('a stack that was changed after the fact does not bring them back', () => {
  const { lines, log } = capture()
  const error = new Error(`Failed query: x\nparams: ${mark}\n${mark}`)
  error.message = `Failed query: y\nparams: ${mark}`
  logError(log, error, 'x')
  const later = new Error('fine')
  later.stack = `Error: Failed query: z\nparams: ${mark}\n    at ${mark}`
  logError(log, later, 'x')
  expect(lines.join('')).not.toContain(mark)
})

test('an error that is its own cause ends', () => {
  const { lines, log } = capture()
  const error = new Error('round')
  error.cause = error
  logError(log, error, 'x')
  expect(lines).toHaveLength(1)
})
