import { createRemoteJWKSet, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readConfig } from '../config.ts'
import { startTestApp, type TestApp } from '../test/app.ts'
import { ask } from '../test/raw-http.ts'

let app: TestApp
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app[Symbol.asyncDispose]())

describe('public keys', () => {
  test('a stranger verifies an access token with them', async () => {
    const { token, userId } = await app.as.user()
    const { payload, protectedHeader } = await jwtVerify(token, createRemoteJWKSet(new URL('/.well-known/jwks.json', app.baseUrl)), { algorithms: ['ES256'] })
    expect([payload.sub, protectedHeader.typ]).toEqual([userId, 'at+jwt'])
  })

  test('hold nothing private', async () => {
    const { status, body, headers } = await ask(app.baseUrl, '/.well-known/jwks.json')
    expect(status).toBe(200)
    expect(headers['cache-control']).toMatch(/^public/)
    for (const key of body.keys) expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
  })
})

describe('which apps may use passkeys of this site', () => {
  const fingerprint = Array.from({ length: 32 }, () => 'a1').join(':')
  const ANDROID_APPS = `org.example.tv=${fingerprint}, org.example.tv=${fingerprint.replaceAll('a1', 'B2')}`

  test('is told to Android and Apple, from the settings', async () => {
    await using named = await startTestApp({ settings: { ANDROID_APPS, IOS_APPS: 'ABCDE12345.org.example.tv' } })
    const android = await ask(named.baseUrl, '/.well-known/assetlinks.json')
    expect([android.status, android.headers['content-type']]).toEqual([200, 'application/json; charset=utf-8'])
    expect(android.body).toEqual([
      {
        relation: ['delegate_permission/common.get_login_creds', 'delegate_permission/common.handle_all_urls'],
        target: { namespace: 'android_app', package_name: 'org.example.tv', sha256_cert_fingerprints: [fingerprint.toUpperCase(), fingerprint.replaceAll('a1', 'B2')] },
      },
    ])
    const apple = await ask(named.baseUrl, '/.well-known/apple-app-site-association')
    expect([apple.status, apple.headers['content-type']]).toEqual([200, 'application/json; charset=utf-8'])
    expect(apple.body).toEqual({ webcredentials: { apps: ['ABCDE12345.org.example.tv'] } })
  })

  test.each(['assetlinks.json', 'apple-app-site-association'])('is no document where none is named: %s', async (name) => {
    expect(await ask(app.baseUrl, `/.well-known/${name}`)).toMatchObject({ status: 404, body: { code: 'not_found' } })
  })

  test.each([{ ANDROID_APPS: 'org.example.tv' }, { ANDROID_APPS: 'org.example.tv=AB:CD' }, { ANDROID_APPS: `tv=${fingerprint}` }, { IOS_APPS: 'org.example.tv' }, { IOS_APPS: 'abcde12345.org.example' }])('a setting that is none is refused: %j', (settings) => {
    expect(() => readConfig(settings)).toThrow(Object.keys(settings)[0])
  })
})

describe('reports of the browser about a broken page policy', () => {
  const report = (body: string, type = 'application/csp-report') => ask(app.baseUrl, '/csp-reports', { method: 'POST', headers: { 'content-type': type }, body })
  const directives = () => app.logLines.filter(({ msg }) => msg === 'a page broke its content security policy').map(({ directive }) => directive)

  test('are logged by their directive alone, in both forms', async () => {
    expect((await report(JSON.stringify({ 'csp-report': { 'document-uri': 'http://localhost/set-up/secret', 'violated-directive': 'img-src', 'effective-directive': 'img-src-elem' } }))).status).toBe(204)
    expect((await report(JSON.stringify([{ type: 'csp-violation', url: 'http://localhost/set-up/secret', body: { effectiveDirective: 'script-src' } }]), 'application/reports+json')).status).toBe(204)
    expect(directives()).toEqual(['img-src-elem', 'script-src'])
    expect(JSON.stringify(app.logLines)).not.toContain('secret')
  })

  test.each(['', 'x', '[]', '{}', '{"csp-report":5}', '[{"type":"deprecation","body":{}}]', JSON.stringify({ 'csp-report': { 'violated-directive': 'x'.repeat(201) } }), '['.repeat(10_000)])('that are none are refused (%#)', async (body) => {
    const before = directives().length
    expect(await report(body)).toMatchObject({ status: 400, body: { code: 'malformed' } })
    expect(directives()).toHaveLength(before)
  })

  test('are small, and of a type of their own', async () => {
    expect((await report(`{"csp-report":{"x":"${'x'.repeat(17_000)}"}}`)).status).toBe(413)
    expect((await report('{}', 'text/html')).status).toBe(415)
  })
})
