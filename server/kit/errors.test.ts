import { TRPCError } from '@trpc/server'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { AppError, Conflict, invalidFrom, Invalid, NotFound, PermissionDenied, Problem, problemOf, RateLimited, toAppError, toTrpcError, Unauthenticated, Unavailable } from './errors.ts'

const internal = new Error('insert into users … duplicate key value violates unique constraint')

test.each<[string, AppError, number, string]>([
  ['a missing thing', new NotFound('title'), 404, 'not_found'],
  ['a conflict', new Conflict('taken'), 409, 'conflict'],
  ['no permission', new PermissionDenied(), 403, 'permission_denied'],
  ['not signed in', new Unauthenticated('access_token_missing', 'Sign in.'), 401, 'access_token_missing'],
  ['a bad field', new Invalid([{ path: 'q', message: 'is too long' }]), 422, 'validation_failed'],
  ['too often', new RateLimited(7), 429, 'rate_limited'],
  ['an outage', new Unavailable('the database', internal), 503, 'unavailable'],
  ['a time-out whose cause is a connection', new AppError(504, 'swarm_timeout', 'No bytes came.', { cause: Object.assign(new Error('x'), { code: 'ECONNRESET' }) }), 504, 'swarm_timeout'],
])('%s keeps its status and code through tRPC and in the problem document', (_what, error, status, code) => {
  const back = toAppError(toTrpcError(error))
  expect(back).toBe(error)
  const problem = problemOf(back, 'request-1')
  expect(Problem.parse(problem)).toEqual(problem)
  expect(problem).toMatchObject({ status, code, type: 'about:blank', instance: 'request-1' })
  expect(code).toMatch(/^[a-z_]+$/)
})

test.each<[string, unknown]>([
  ['an error of a library', internal],
  ['one wrapped by tRPC', new TRPCError({ code: 'INTERNAL_SERVER_ERROR', message: internal.message, cause: internal })],
  ['a failed output schema', new TRPCError({ code: 'INTERNAL_SERVER_ERROR', message: 'Output validation failed', cause: z.string().safeParse(1).error })],
  ['a thrown text', 'select 1'],
  ['nothing', undefined],
  ['null', null],
])('%s becomes a bare 500 that tells nothing', (_what, thrown) => {
  const error = toAppError(thrown)
  expect(problemOf(error, 'r')).toEqual({ type: 'about:blank', title: 'Internal Server Error', status: 500, detail: 'Something went wrong on the server.', instance: 'r', code: 'internal' })
})

test('the private detail and the cause stay out of the problem document', () => {
  const text = JSON.stringify(problemOf(new Unavailable('connection to 10.0.0.5 refused', internal), 'r'))
  expect(text).not.toMatch(/10\.0\.0\.5|duplicate|stack/)
})

test.each([
  ['ECONNREFUSED', Object.assign(new Error('connect ECONNREFUSED 10.0.0.5:5432'), { code: 'ECONNREFUSED' })],
  ['a query whose connection was lost', new Error('Failed query: select …', { cause: Object.assign(new Error('write CONNECTION_CLOSED'), { code: 'CONNECTION_CLOSED' }) })],
  ['a connection that takes too long', Object.assign(new Error('write CONNECT_TIMEOUT'), { code: 'CONNECT_TIMEOUT' })],
  ['an administrator ending connections', new Error('Failed query', { cause: Object.assign(new Error('terminating connection'), { name: 'PostgresError', code: '57P01' }) })],
  ['too many connections', Object.assign(new Error('sorry, too many clients already'), { name: 'PostgresError', code: '53300' })],
  ['a statement that took too long', new Error('Failed query', { cause: Object.assign(new Error('canceling statement due to statement timeout'), { name: 'PostgresError', code: '57014' }) })],
])('%s is an outage: 503, to be tried again, without a word of it', (_what, thrown) => {
  const wrapped = new TRPCError({ code: 'INTERNAL_SERVER_ERROR', cause: thrown })
  for (const error of [toAppError(thrown), toAppError(wrapped)]) {
    expect(error).toMatchObject({ status: 503, code: 'unavailable', headers: { 'retry-after': expect.stringMatching(/^\d+$/) } })
    expect(JSON.stringify(problemOf(error, 'r'))).not.toMatch(/10\.0\.0\.5|CONN|connection|statement/i)
  }
})

test('a schema’s complaint names each field; unknown ones have a code of their own', () => {
  const schema = z.strictObject({ name: z.string(), tags: z.array(z.strictObject({ id: z.int() })) })
  const complaint = (value: unknown) => invalidFrom(schema.safeParse(value).error ?? expect.unreachable())
  expect(complaint({ name: 'x', tags: [], extra: 1 })).toMatchObject({ code: 'unknown_field', errors: [{ path: 'extra', message: 'is not a known field' }] })
  expect(complaint({ name: 'x', tags: [{ id: 1, more: 2 }] })).toMatchObject({ code: 'unknown_field', errors: [{ path: 'tags.0.more' }] })
  expect(complaint({ name: 1, tags: [{ id: '1' }], extra: 1 })).toMatchObject({
    code: 'validation_failed',
    errors: [expect.objectContaining({ path: 'name' }), expect.objectContaining({ path: 'tags.0.id' }), { path: 'extra', message: 'is not a known field' }],
  })
})

test('an unsigned call gets the challenge of RFC 6750, with its error only where a token was sent', () => {
  expect(new Unauthenticated('access_token_missing', 'x').headers['www-authenticate']).toBe('Bearer realm="torrent-streamer"')
  expect(new Unauthenticated('access_token_expired', 'x').headers['www-authenticate']).toBe('Bearer realm="torrent-streamer", error="invalid_token"')
})
