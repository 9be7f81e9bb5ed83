import { expect, test } from 'vitest'
import { readProblem } from './problem.ts'

test('a problem document speaks for itself', () => {
  const data = { title: 'Not Found', status: 404, detail: 'There is no such title.', instance: 'req-1', code: 'not_found' }
  expect(readProblem({ status: 404, data })).toEqual({ title: 'There is nothing here', detail: 'There is no such title.', code: 'not_found', requestId: 'req-1' })
})

test('a page that does not exist is a 404 without a document', () => {
  expect(readProblem({ status: 404, data: null })).toMatchObject({ title: 'There is nothing here', code: 'not_found', requestId: null })
})

test.each([null, { status: 500, data: 'Error: relation "users" does not exist at /srv/x.ts' }])('a fault of ours tells nothing of itself: %j', (error) => {
  expect(readProblem(error)).toEqual({
    title: 'Something went wrong',
    detail: 'The server met a fault, and its log holds the details under the request named below.',
    code: 'internal',
    requestId: null,
  })
})
