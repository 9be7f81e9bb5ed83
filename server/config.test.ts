import { resolve } from 'node:path'
import fc from 'fast-check'
import Fastify from 'fastify'
import { expect, test } from 'vitest'
import { ConfigError, isLoopbackHost, readConfig, settings } from './config.ts'

const faultsOf = (env: Record<string, string>): string[] => {
  try {
    readConfig(env)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
}
const dayMs = 86_400_000
const proxied = { PUBLIC_URL: 'https://tv.example.org', TRUSTED_PROXIES: '10.0.0.1' }

test('with an empty environment everything has its default', () => {
  const { config, secrets } = readConfig({})
  expect(config).toEqual({
    production: false,
    host: '127.0.0.1',
    port: 3000,
    publicUrl: 'http://localhost:3000',
    dataDir: resolve('data'),
    keysDir: resolve('data/keys'),
    tls: null,
    hsts: 'max-age=63072000; includeSubDomains; preload',
    trustedProxies: [],
    corsOrigins: [],
    mailFrom: 'torrent-streamer <no-reply@localhost>',
    sessions: { app: { idleMs: 30 * dayMs, absoluteMs: 180 * dayMs }, console: { idleMs: 30 * 60_000, absoluteMs: 12 * 3_600_000 } },
    erasureGraceMs: 14 * dayMs,
    unverifiedMs: 7 * dayMs,
    logLevel: 'info',
    torrent: {
      host: '127.0.0.1', port: 0, allowPrivate: false, allowServicePorts: false, connections: 200, connectionsPerTitle: 50, connectsPerAddress: 16,
      uploadBytesPerSecond: 1_048_576, downloadBytesPerSecond: null, sharePercent: 100, discovery: { dht: false, pex: false, lsd: false, upnp: false },
      memoryBytes: 2 * 1024 ** 3, cacheBytes: 20 * 1024 ** 3, publishedBytes: 100 * 1024 ** 3, freeSpaceBytes: 1024 ** 3, timeoutMs: 30_000,
    },
    publishTrackers: [],
    webSeedBytesPerSecond: 1_048_576,
    streams: { perUser: 10, perNode: 200, bytesPerSecond: null },
    passwordStrict: false,
    breachedPasswordsFile: null,
    rateLimitFactor: 1,
    signUpPolicy: 'verified',
    androidApps: [],
    iosApps: [],
    minAppVersions: {},
    privacyUrl: null,
    termsUrl: null,
    cataloguePublic: false,
  })
  expect(Object.values(secrets)).toEqual([null, null, null, null])
  expect(readConfig(Object.fromEntries(Object.keys(settings).map((name) => [name, ''])))).toEqual(readConfig({}))
})

test('each documented default is the default there is', () => {
  for (const [name, { schema, default: written }] of Object.entries(settings)) {
    const value = schema.parse(undefined) as unknown
    if (value === undefined || (Array.isArray(value) && value.length === 0)) expect(written, name).toMatch(/^(none|DATA_DIR|http:)/)
    else expect([written, written.split(' ')[0]], name).toContain(typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value))
  }
})

test('what is set is used', () => {
  const { config, secrets } = readConfig({
    HOST: '::', PORT: '8443', PUBLIC_URL: 'https://TV.example.org:443/', DATA_DIR: '/srv/tv', KEYS_DIR: '/etc/tv', DATABASE_URL: 'postgres://a@db/x',
    DATABASE_OWNER_URL: 'postgresql://o@db/x', DATABASE_MAINTENANCE_URL: 'postgres://m@db/x', TLS_CERT_FILE: '/c.pem', TLS_KEY_FILE: '/k.pem',
    HSTS: 'max-age=600', TRUSTED_PROXIES: '10.0.0.0/8, ::1', CORS_ORIGINS: 'https://app.example.org,http://localhost:5173', SMTP_URL: 'smtps://mail.example.org', MAIL_FROM: 'tv@example.org',
    APP_SESSION_IDLE_DAYS: '7', APP_SESSION_DAYS: '60', STAFF_SESSION_IDLE_MINUTES: '10', STAFF_SESSION_HOURS: '8', ERASURE_GRACE_DAYS: '3', UNVERIFIED_SIGN_UP_DAYS: '2',
    PASSWORD_STRICT: 'on', HIBP_FILE: '/srv/hibp.txt', LOG_LEVEL: 'warn', TORRENT_PORT: '6881', TORRENT_HOST: '0.0.0.0', ALLOW_PRIVATE_PEERS: 'on', CACHE_BYTES: '67108864', PUBLISHED_BYTES: '0', FREE_SPACE_BYTES: '7',
    ALLOW_SERVICE_PORTS: 'on', TORRENT_CONNECTIONS: '9', TORRENT_CONNECTIONS_PER_TITLE: '8', TORRENT_CONNECTS_PER_ADDRESS: '7', TORRENT_UPLOAD_LIMIT: '0', TORRENT_DOWNLOAD_LIMIT: '6',
    SEED_RATIO_PERCENT: '0', TORRENT_DHT: 'on', TORRENT_PEX: 'on', TORRENT_LSD: 'on', TORRENT_UPNP: 'on', TORRENT_MEMORY_BYTES: '268435456',
    PUBLISH_TRACKERS: 'https://tracker.example.org/announce, udp://tracker.example.org:6969', WEB_SEED_BYTES_PER_SECOND: '65536',
    SWARM_TIMEOUT_SECONDS: '5', STREAMS_PER_USER: '3', STREAMS_PER_NODE: '50', STREAM_BYTES_PER_SECOND: '2000000', RATE_LIMIT_FACTOR: '10', SIGN_UP_POLICY: 'invite', CATALOGUE_PUBLIC: 'on',
    MIN_APP_VERSIONS: 'android=2.1.0, web=0.9.12', PRIVACY_URL: 'https://TV.example.org/privacy', TERMS_URL: 'https://tv.example.org/terms',
  })
  expect(config).toEqual({
    production: true,
    host: '::',
    port: 8443,
    publicUrl: 'https://tv.example.org',
    dataDir: '/srv/tv',
    keysDir: '/etc/tv',
    tls: { certFile: '/c.pem', keyFile: '/k.pem' },
    hsts: 'max-age=600',
    trustedProxies: ['10.0.0.0/8', '::1'],
    corsOrigins: ['https://app.example.org', 'http://localhost:5173'],
    mailFrom: 'tv@example.org',
    sessions: { app: { idleMs: 7 * dayMs, absoluteMs: 60 * dayMs }, console: { idleMs: 10 * 60_000, absoluteMs: 8 * 3_600_000 } },
    erasureGraceMs: 3 * dayMs,
    unverifiedMs: 2 * dayMs,
    logLevel: 'warn',
    torrent: {
      host: '0.0.0.0', port: 6881, allowPrivate: true, allowServicePorts: true, connections: 9, connectionsPerTitle: 8, connectsPerAddress: 7,
      uploadBytesPerSecond: null, downloadBytesPerSecond: 6, sharePercent: 0, discovery: { dht: true, pex: true, lsd: true, upnp: true },
      memoryBytes: 268_435_456, cacheBytes: 67_108_864, publishedBytes: 0, freeSpaceBytes: 7, timeoutMs: 5_000,
    },
    publishTrackers: ['https://tracker.example.org/announce', 'udp://tracker.example.org:6969'],
    webSeedBytesPerSecond: 65_536,
    streams: { perUser: 3, perNode: 50, bytesPerSecond: 2_000_000 },
    passwordStrict: true,
    breachedPasswordsFile: '/srv/hibp.txt',
    rateLimitFactor: 10,
    signUpPolicy: 'invite',
    androidApps: [],
    iosApps: [],
    minAppVersions: { android: '2.1.0', web: '0.9.12' },
    privacyUrl: 'https://tv.example.org/privacy',
    termsUrl: 'https://tv.example.org/terms',
    cataloguePublic: true,
  })
  expect(secrets).toEqual({ databaseUrl: 'postgres://a@db/x', databaseOwnerUrl: 'postgresql://o@db/x', databaseMaintenanceUrl: 'postgres://m@db/x', smtpUrl: 'smtps://mail.example.org' })
})

test.each<[string, string]>([
  ['HOST', '0.0.0.0'], ['HOST', '::'], ['HOST', '192.168.1.10'],
  ['PORT', '65536'], ['PORT', '-1'], ['PORT', '80 '], ['PORT', '0x50'], ['PORT', '1e3'], ['PORT', '3000.0'], ['PORT', 'http'],
  ['PUBLIC_URL', 'tv.example.org'], ['PUBLIC_URL', 'ftp://tv.example.org'], ['PUBLIC_URL', 'https://tv.example.org/app'], ['PUBLIC_URL', 'https://tv.example.org/?a'], ['PUBLIC_URL', 'https://ann:pw@tv.example.org'], ['PUBLIC_URL', 'https://tv.example.org/#x'],
  ['DATABASE_URL', 'mysql://db/x'], ['DATABASE_URL', 'db'], ['DATABASE_OWNER_URL', 'http://db'], ['DATABASE_MAINTENANCE_URL', 'x'],
  ['TLS_CERT_FILE', '/only-the-certificate'], ['TLS_KEY_FILE', '/only-the-key'],
  ['TRUSTED_PROXIES', 'proxy.example.org'], ['TRUSTED_PROXIES', '10.0.0.0/33'], ['TRUSTED_PROXIES', '10.0.0.1/'], ['TRUSTED_PROXIES', '10.0.0.1,*'], ['TRUSTED_PROXIES', '10.0.0.0/8/8'], ['TRUSTED_PROXIES', '0.0.0.0/0'], ['TRUSTED_PROXIES', '::/0'],
  ['HSTS', 'on'], ['HSTS', 'max-age=1\r\nX: y'], ['HSTS', 'max-age=-1'],
  ['CORS_ORIGINS', '*'], ['CORS_ORIGINS', 'null'], ['CORS_ORIGINS', 'https://app.example.org/'], ['CORS_ORIGINS', 'https://*.example.org'], ['CORS_ORIGINS', 'app.example.org'], ['CORS_ORIGINS', 'https://App.example.org'],
  ['SMTP_URL', 'https://mail.example.org'], ['SMTP_URL', 'mail'], ['SMTP_URL', 'smtps://mail.example.org?tls.rejectUnauthorized=false'],
  ['LOG_LEVEL', 'loud'], ['TORRENT_PORT', '70000'], ['TORRENT_HOST', 'localhost'], ['ALLOW_PRIVATE_PEERS', 'yes'], ['CACHE_BYTES', '67108863'], ['CACHE_BYTES', '99999999999999999'], ['PUBLISHED_BYTES', '-1'], ['PUBLISH_TRACKERS', 'tracker.example.org'], ['PUBLISH_TRACKERS', 'wss://tracker.example.org'], ['WEB_SEED_BYTES_PER_SECOND', '1'], ['FREE_SPACE_BYTES', '1G'],
  ['SWARM_TIMEOUT_SECONDS', '0'], ['RATE_LIMIT_FACTOR', '0'], ['CATALOGUE_PUBLIC', 'true'], ['CATALOGUE_PUBLIC', 'ON'], ['MAIL_FROM', 'x'], ['SIGN_UP_POLICY', 'open'],
  ['APP_SESSION_IDLE_DAYS', '0'], ['APP_SESSION_IDLE_DAYS', '181'], ['APP_SESSION_DAYS', '29'], ['STAFF_SESSION_IDLE_MINUTES', '721'], ['STAFF_SESSION_HOURS', '0'], ['ERASURE_GRACE_DAYS', '91'], ['ERASURE_GRACE_DAYS', '-1'], ['UNVERIFIED_SIGN_UP_DAYS', '0'], ['UNVERIFIED_SIGN_UP_DAYS', '91'],
  ['MIN_APP_VERSIONS', '2.1.0'], ['MIN_APP_VERSIONS', 'android'], ['MIN_APP_VERSIONS', 'android=2.1'], ['MIN_APP_VERSIONS', 'android=2.1.0.4'], ['MIN_APP_VERSIONS', 'android=02.1.0'], ['MIN_APP_VERSIONS', 'android=2.1.0-beta'], ['MIN_APP_VERSIONS', 'android=v2.1.0'],
  ['MIN_APP_VERSIONS', 'android=2.1.0=3'], ['MIN_APP_VERSIONS', 'symbian=2.1.0'], ['MIN_APP_VERSIONS', '__proto__=2.1.0'], ['MIN_APP_VERSIONS', 'ios=2.1.0,ios=2.2.0'],
  ['PRIVACY_URL', 'http://tv.example.org/privacy'], ['PRIVACY_URL', 'tv.example.org/privacy'], ['PRIVACY_URL', 'javascript:alert(1)'], ['PRIVACY_URL', 'https://ann:pw@tv.example.org/'], ['PRIVACY_URL', 'https://'], ['PRIVACY_URL', `https://tv.example.org/${'a'.repeat(2_000)}`],
  ['TERMS_URL', 'http://tv.example.org'], ['TERMS_URL', 'data:text/html,x'],
])('%s=%s is refused by name', (name, value) => {
  const faults = faultsOf({ [name]: value })
  expect(faults).toHaveLength(1)
  expect(faults[0]).toContain(name)
})

test.each(['127.0.0.1', '127.0.0.53', 'localhost', '::1'])('listening on %s needs no public address', (host) => {
  expect(readConfig({ HOST: host }).config.production).toBe(false)
})

test('every fault is named at once, those between settings included', () => {
  const faults = faultsOf({ PORT: 'x', LOG_LEVEL: 'loud', TRUSTED_PROXIES: 'a,10.0.0.1,b', CORS_ORIGINS: '*', TLS_KEY_FILE: '/k', CATALOGUE_PUBLIC: '1', PUBLIC_URL: 'http://tv.example.org' })
  expect(faults.map((fault) => fault.split(' ')[0]).sort()).toEqual(['CATALOGUE_PUBLIC', 'CORS_ORIGINS', 'LOG_LEVEL', 'PORT', 'PUBLIC_URL', 'TLS_CERT_FILE', 'TRUSTED_PROXIES'])
  expect(faults.find((fault) => fault.startsWith('TRUSTED_PROXIES'))).toContain('"a" and "b"')
  expect(() => readConfig({ PORT: 'x', LOG_LEVEL: 'loud' })).toThrow('2 faults')
  expect(() => readConfig({ PORT: 'x' })).toThrow('a fault')
})

test('a fault does not repeat a secret', () => {
  for (const fault of faultsOf({ DATABASE_URL: 'mysql://ann:hunter2@db', SMTP_URL: 'http://ann:hunter2@mail', DATABASE_OWNER_URL: 'hunter2' })) expect(fault).not.toContain('hunter2')
})

test.each([
  ['nothing that ends TLS', { PUBLIC_URL: 'https://tv.example.org' }, /TLS is needed/],
  ['a public address in clear', { ...proxied, PUBLIC_URL: 'http://tv.example.org' }, /must be https/],
  ['a private address in clear', { ...proxied, PUBLIC_URL: 'http://192.168.1.10:3000' }, /must be https/],
  ['a name that only looks local', { ...proxied, PUBLIC_URL: 'http://localhost.example.org' }, /must be https/],
])('production with %s is refused', (_what, env, message) => {
  expect(faultsOf(env).join('\n')).toMatch(message)
})

test('production is what is not reached by a loopback address', () => {
  expect(readConfig(proxied).config.production).toBe(true)
  expect(readConfig({ PUBLIC_URL: 'https://tv.example.org', TLS_CERT_FILE: '/c', TLS_KEY_FILE: '/k' }).config.production).toBe(true)
  for (const url of ['http://localhost:3000', 'http://127.0.0.1', 'http://127.1.2.3:80', 'http://[::1]:3000']) expect(readConfig({ PUBLIC_URL: url }).config.production, url).toBe(false)
})

test('with certificates the default address is https; with a port to be found there is none yet', () => {
  expect(readConfig({ TLS_CERT_FILE: '/c', TLS_KEY_FILE: '/k' }).config.publicUrl).toBe('https://localhost:3000')
  expect(readConfig({ PORT: '0' }).config.publicUrl).toBeNull()
})

test.each(['localhost.', 'localhost.example.org', '127.0.0.1.example.org', '128.0.0.1', '0.0.0.0', '::1', '', '127.0.0', '1127.0.0.1'])('%j is no loopback host', (host) => {
  expect(isLoopbackHost(host)).toBe(false)
})

test('whatever the environment holds, the answer is a configuration that works or a ConfigError', () => {
  const likely = fc.constantFrom('on', 'off', '0', '3000', 'https://a.example', 'http://localhost', '::1', 'fe80::1%eth0', '::ffff:1.2.3.4/120', '0.0.0.0/0', 'postgres://x', 'smtp://x', '/f', 'info', ',', ' ', '1.2.3.4,::/0', 'https://[::1]', 'http://localhost:99999')
  const value = fc.option(fc.oneof(likely, fc.string({ unit: 'binary', maxLength: 20 })), { nil: undefined })
  const environment = fc.record(Object.fromEntries(Object.keys(settings).map((name) => [name, value])))
  fc.assert(
    fc.property(environment, (env) => {
      try {
        const { config } = readConfig(env)
        // Fastify compiles the list of proxies
        Fastify({ trustProxy: config.trustedProxies.length > 0 ? config.trustedProxies : false })
        expect(config.publicUrl === null || new URL(config.publicUrl).origin === config.publicUrl).toBe(true)
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError)
        expect((error as ConfigError).faults.length).toBeGreaterThan(0)
      }
    }),
    { numRuns: 2_000 },
  )
})

test.each(['fe80::1%eth0', '::ffff:1.2.3.4/120', '1.2.3.4/32', '10.0.0.0/8', '2001:db8::/1'])('TRUSTED_PROXIES=%s is taken only if Fastify can use it', (range) => {
  if (faultsOf({ TRUSTED_PROXIES: range }).length === 0) Fastify({ trustProxy: readConfig({ TRUSTED_PROXIES: range }).config.trustedProxies })
})
