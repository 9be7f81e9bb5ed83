import { expect, test } from 'vitest'
import { returnTo } from './return-to.ts'

const title = '/titles/0190f3c2-7a1b-7c3d-8e4f-5a6b7c8d9e0f'

test.each(['/', '/titles', '/titles?state=approved&cursor=abc_-%3D', title, `${title}?done=approve`, '/account', '/account/security/passkey?next=%2Ftitles', '/account/email?done'])('leads back to %s', (path) => {
  expect(returnTo(path)).toBe(path)
})

const hostile = [
  null,
  '',
  'titles',
  '//evil.example',
  '///evil.example',
  '/\\evil.example',
  '\\\\evil.example',
  'https://evil.example/titles',
  'https:evil.example',
  'javascript:alert(1)',
  'data:text/html,x',
  '/titles/../../evil',
  '/titles//evil.example',
  '/titles@evil.example',
  '/%2f%2fevil.example',
  '/titles\n//evil.example',
  ' /titles',
  '/\t/evil.example',
  '/?next=https://evil.example',
  '/sign-out',
  '/account/step-up',
  '/account/security/',
  '/accounts',
  '/titles#x',
  '/titles/not-an-id',
  `/titles?${'a'.repeat(301)}`,
]
test.each(hostile)('does not follow %j', (path) => {
  expect(returnTo(path)).toBe('/')
})
