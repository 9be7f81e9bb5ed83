import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addressKey, storedClient } from '../kit/limits.ts'
import { startTestApp, type TestApp } from '../test/app.ts'
import { selfSignedCertificate } from '../test/certificate.ts'
import { createTestDatabase, type TestDatabase } from '../test/database.ts'
import { ask, talk } from '../test/raw-http.ts'

let database: TestDatabase
let home: string
/** One app for each set of settings. */
const apps = new Map<string, TestApp>()
beforeAll(async () => {
  database = await createTestDatabase()
  home = await mkdtemp(join(tmpdir(), 'gates-'))
  // in production the operator secret has to be there beforehand
  await writeFile(join(home, 'operator.key'), randomBytes(32).toString('hex'), { mode: 0o600 })
})
afterAll(async () => {
  for (const app of apps.values()) await app[Symbol.asyncDispose]()
  await rm(home, { recursive: true, force: true })
  await database[Symbol.asyncDispose]()
})

async function start(settings: Record<string, string> = {}): Promise<TestApp> {
  const which = JSON.stringify(settings)
  const app = apps.get(which) ?? (await startTestApp({ database, dataDir: home, settings: { KEYS_DIR: home, ...settings } }))
  apps.set(which, app)
  return app
}
const portOf = ({ baseUrl }: TestApp) => new URL(baseUrl).port
const server = '/api/v1/server'

describe('the Host header (control B10: DNS rebinding)', () => {
  test('on loopback its spellings are ours, others are not', async () => {
    const app = await start()
    const port = portOf(app)
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`, `LocalHost:${port}`]) expect((await ask(app.baseUrl, server, { headers: { host } })).status, host).toBe(200)
    for (const host of ['evil.example', `evil.example:${port}`, 'localhost', `localhost:${Number(port) + 1}`, `localhost:${port}.evil.example`, `evil@localhost:${port}`]) {
      const { status, body } = await ask(app.baseUrl, server, { headers: { host } })
      expect([host, status, body.code]).toEqual([host, 421, 'wrong_host'])
    }
    expect(await talk(app.baseUrl, `GET ${server} HTTP/1.0\r\n\r\n`)).toMatch(/^HTTP\/1.1 421 /)
    expect(await talk(app.baseUrl, `GET http://localhost:${port}${server} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`)).toMatch(/^HTTP\/1.1 421 /)
  })

  test('every kind of path is behind it, but the probes, which have no name to give', async () => {
    const app = await start()
    const headers = { host: 'evil.example' }
    for (const path of ['/', '/sign-in', '/trpc/server.info', '/api/v1/openapi.json', '/.well-known/jwks.json', '/api/v1/nothing', '/healthz/', '/healthz?x', '/assets/x.js']) expect((await ask(app.baseUrl, path, { headers })).status, path).toBe(421)
    expect((await ask(app.baseUrl, '/healthz', { headers })).status).toBe(200)
    expect((await ask(app.baseUrl, '/readyz', { headers })).status).toBe(503)
  })

  test('a forwarded host is not believed', async () => {
    const app = await start({ TRUSTED_PROXIES: '127.0.0.1' })
    expect((await ask(app.baseUrl, server, { headers: { host: 'evil.example', 'x-forwarded-host': `localhost:${portOf(app)}` } })).status).toBe(421)
  })

  test('in production only the public name is ours', async () => {
    const app = await start({ PUBLIC_URL: 'https://tv.example.org', TRUSTED_PROXIES: '127.0.0.1' })
    const over = (host: string) => ask(app.baseUrl, server, { headers: { host, 'x-forwarded-proto': 'https' } })
    for (const host of ['tv.example.org', 'tv.example.org:443']) expect((await over(host)).status, host).toBe(200)
    for (const host of ['tv.example.org:80', 'tv.example.org:8443', `localhost:${portOf(app)}`, '127.0.0.1', 'www.tv.example.org', 'tv.example.org.evil.example']) expect((await over(host)).status, host).toBe(421)
  })
})

describe('production without TLS on the way (control C1)', () => {
  const settings = { PUBLIC_URL: 'https://tv.example.org', TRUSTED_PROXIES: '127.0.0.1' }
  const host = 'tv.example.org'

  test.each(['/api/v1/server', '/api/v1/users/me', '/api/v1/nothing', '/trpc/server.info', '/.well-known/jwks.json', `/api/v1/stream/${'A'.repeat(43)}/a.mp4`])('%s is refused', async (path) => {
    const app = await start(settings)
    for (const headers of [{ host }, { host, 'x-forwarded-proto': 'http' }, { host, 'x-forwarded-proto': 'https, http' }] as Record<string, string>[]) {
      const { status, body, headers: answered } = await ask(app.baseUrl, path, { headers })
      expect([status, body.code]).toEqual([403, 'https_required'])
      expect(answered['strict-transport-security']).toBeUndefined()
    }
  })

  test('pages go to the same path of the public address, and nowhere else', async () => {
    const app = await start(settings)
    for (const path of ['/', '/titles?state=pending', '//evil.example/', '/\\evil.example', '/\\/evil.example', '/@evil.example', '/%2f%2fevil.example']) {
      const { status, headers } = await ask(app.baseUrl, path, { headers: { host } })
      expect(status, path).toBe(308)
      expect(headers.location, path).toBe(`https://tv.example.org${path}`)
      expect(new URL(headers.location ?? '').host, path).toBe('tv.example.org')
    }
    const { status, headers } = await ask(app.baseUrl, 'http://evil.example/', { headers: { host } })
    expect([status, headers.location]).toEqual([404, undefined])
  })

  test('a form is not redirected, so that nothing in it is sent twice', async () => {
    const app = await start(settings)
    expect(await ask(app.baseUrl, '/sign-in', { method: 'POST', headers: { host, 'content-type': 'application/x-www-form-urlencoded' }, body: 'password=x' })).toMatchObject({ status: 403, body: { code: 'https_required' } })
  })

  test('over TLS of the trusted proxy it answers, with HSTS', async () => {
    const app = await start(settings)
    const { status, headers } = await ask(app.baseUrl, server, { headers: { host, 'x-forwarded-proto': 'https' } })
    expect([status, headers['strict-transport-security']]).toEqual([200, 'max-age=63072000; includeSubDomains; preload'])
  })

  test.each([['max-age=600', 'max-age=600'], ['off', undefined]])('HSTS=%s is what is sent', async (HSTS, sent) => {
    const app = await start({ ...settings, HSTS })
    const { headers } = await ask(app.baseUrl, server, { headers: { host, 'x-forwarded-proto': 'https' } })
    expect(headers['strict-transport-security']).toBe(sent)
  })

  test('a stranger who says that TLS was used is not believed', async () => {
    const app = await start({ ...settings, TRUSTED_PROXIES: '10.0.0.1' })
    expect(await ask(app.baseUrl, server, { headers: { host, 'x-forwarded-proto': 'https' } })).toMatchObject({ status: 403, body: { code: 'https_required' } })
  })

  test('the probes answer in clear, since they come from the machine itself', async () => {
    const app = await start(settings)
    expect((await ask(app.baseUrl, '/healthz')).status).toBe(200)
  })
})

describe('TLS from files', () => {
  const { cert, key } = selfSignedCertificate()
  const files = async () => {
    const [certFile, keyFile] = [join(home, 'cert.pem'), join(home, 'key.pem')]
    await Promise.all([writeFile(certFile, cert), writeFile(keyFile, key, { mode: 0o600 })])
    return { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile }
  }

  test('it speaks HTTPS with that certificate, TLS 1.2 at least, and not HTTP', async () => {
    const app = await start(await files())
    expect(app.baseUrl).toMatch(/^https:/)
    expect((await ask(app.baseUrl, server, { ca: cert })).status).toBe(200)
    await expect(ask(app.baseUrl.replace('https:', 'http:'), server)).rejects.toThrow()
    await expect(ask(app.baseUrl, server)).rejects.toThrow(/self-signed/)
    for (const [maxVersion, works] of [['TLSv1.3', true], ['TLSv1.2', true], ['TLSv1.1', false]] as const) {
      const socket = connectTls({ port: Number(portOf(app)), host: '127.0.0.1', servername: 'localhost', ca: cert, minVersion: 'TLSv1', maxVersion, ciphers: 'DEFAULT@SECLEVEL=0' })
      const secure = await new Promise<boolean>((resolve) => socket.once('secureConnect', () => resolve(true)).once('error', () => resolve(false)))
      socket.destroy()
      expect(secure, maxVersion).toBe(works)
    }
  })

  test('on this machine there is no HSTS, which would bind its other services', async () => {
    const app = await start(await files())
    expect((await ask(app.baseUrl, server, { ca: cert })).headers).not.toHaveProperty('strict-transport-security')
  })

  test('with a public name there is', async () => {
    const app = await start({ ...(await files()), PUBLIC_URL: 'https://tv.example.org' })
    const { status, headers } = await ask(app.baseUrl, server, { ca: cert, headers: { host: 'tv.example.org' } })
    expect([status, headers['strict-transport-security']]).toEqual([200, 'max-age=63072000; includeSubDomains; preload'])
  })

  test('a file that is missing, no certificate, or the key of another stops the start, by name', async () => {
    await expect(start({ ...(await files()), TLS_CERT_FILE: join(home, 'absent.pem') })).rejects.toThrow(/TLS_CERT_FILE/)
    await expect(start({ ...(await files()), TLS_CERT_FILE: join(home, 'operator.key') })).rejects.toThrow(/TLS_CERT_FILE/)
    const strange = join(home, 'other-key.pem')
    await writeFile(strange, selfSignedCertificate().key)
    await expect(start({ ...(await files()), TLS_KEY_FILE: strange })).rejects.toThrow(/TLS_KEY_FILE/)
  })
})

describe('CORS (control B7)', () => {
  const origin = 'https://app.example.org'
  const preflight = { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' } }

  test('an origin of the configuration is answered to, errors included, and never with credentials', async () => {
    const app = await start({ CORS_ORIGINS: `${origin},http://localhost:5173` })
    for (const [path, status] of [[server, 200], ['/api/v1/users/me', 401], ['/api/v1/nothing', 404], ['/trpc/server.info', 200]] as const) {
      const { status: got, headers } = await ask(app.baseUrl, path, { headers: { origin } })
      expect([got, headers['access-control-allow-origin'], headers.vary], path).toEqual([status, origin, expect.stringMatching(/\bOrigin$/)])
      expect(headers).not.toHaveProperty('access-control-allow-credentials')
      expect(headers['access-control-expose-headers']).toContain('Retry-After')
    }
  })

  test('its preflight is answered, and may be kept', async () => {
    const app = await start({ CORS_ORIGINS: origin })
    const { status, headers } = await ask(app.baseUrl, '/api/v1/auth/sign-in', preflight)
    expect(status).toBe(204)
    expect(headers).toMatchObject({ 'access-control-allow-origin': origin, 'access-control-max-age': '600', vary: 'Origin' })
    expect(headers['access-control-allow-headers']).toContain('Authorization')
    expect(headers['access-control-allow-methods']).not.toContain('*')
    expect(headers).not.toHaveProperty('access-control-allow-credentials')
  })

  test.each(['https://evil.example', 'null', 'https://app.example.org.evil.example', 'http://app.example.org', 'https://app.example.org:444', 'https://APP.example.org', 'https://sub.app.example.org', '*'])('%s is not answered to', async (stranger) => {
    const app = await start({ CORS_ORIGINS: origin })
    for (const request of [{ headers: { origin: stranger } }, { ...preflight, headers: { ...preflight.headers, origin: stranger } }]) {
      const { headers } = await ask(app.baseUrl, server, request)
      expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([])
      expect(headers.vary).toBe('Origin')
      expect(headers['cross-origin-resource-policy']).toBe('same-origin')
    }
  })

  test('without configuration nobody is; the console never is', async () => {
    const app = await start()
    expect((await ask(app.baseUrl, server, { headers: { origin: app.baseUrl } })).headers).not.toHaveProperty('access-control-allow-origin')
    const other = await start({ CORS_ORIGINS: origin })
    expect((await ask(other.baseUrl, '/sign-in', { headers: { origin } })).headers).not.toHaveProperty('access-control-allow-origin')
  })
})

describe('whose address it is (control B10)', () => {
  /** What the limiter counted, and what it counts an address by. */
  const counted = async (settings: Record<string, string>, forwarded: string | undefined, address: string) => {
    const app = await start(settings)
    await app.deps.sql`delete from rate_limits`
    await ask(app.baseUrl, server, { headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded } })
    const rows = await app.deps.sql<{ key: string }[]>`select key from rate_limits`
    return { keys: rows.map(({ key }) => key), expected: [`read:${storedClient(app.deps.sealer, addressKey(address))}`] }
  }

  test.each<[string, Record<string, string>, string | undefined, string]>([
    ['nobody is trusted by default', {}, '203.0.113.9', '127.0.0.1'],
    ['another proxy than this one is trusted', { TRUSTED_PROXIES: '10.0.0.0/8' }, '203.0.113.9', '127.0.0.1'],
    ['a trusted proxy says whom it serves', { TRUSTED_PROXIES: '127.0.0.1' }, '203.0.113.9', '203.0.113.9'],
    ['what the client wrote before is not believed', { TRUSTED_PROXIES: '127.0.0.1' }, '198.51.100.1, 203.0.113.9', '203.0.113.9'],
    ['a chain of trusted proxies', { TRUSTED_PROXIES: '127.0.0.1,10.0.0.0/8' }, '198.51.100.1, 203.0.113.9, 10.1.2.3', '203.0.113.9'],
    ['a trusted proxy that says nothing', { TRUSTED_PROXIES: '127.0.0.1' }, undefined, '127.0.0.1'],
  ])('%s', async (_what, settings, forwarded, address) => {
    const { keys, expected } = await counted(settings, forwarded, address)
    expect(keys).toEqual(expected)
  })
})
