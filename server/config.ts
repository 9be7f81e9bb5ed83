import { isIP } from 'node:net'
import { join, resolve } from 'node:path'
import { z } from 'zod'

/** Every fault of the settings at once, each a sentence that names its setting. */
export class ConfigError extends Error {
  readonly faults: string[]
  constructor(faults: string[]) {
    super(`The settings have ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n${faults.map((f) => `  - ${f}`).join('\n')}`)
    this.faults = faults
  }
}

const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,16}$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((n) => n >= min && n <= max, `must be a whole number from ${min} to ${max}`)

const onOff = z.enum(['on', 'off'], { error: 'must be "on" or "off"' }).transform((v) => v === 'on')
const listOf = (isRight: (part: string) => boolean, wanted: string) =>
  z
    .string()
    .transform((v) => v.split(',').map((part) => part.trim()).filter(Boolean))
    .superRefine((parts, { addIssue }) => {
      const wrong = parts.filter((part) => !isRight(part))
      if (wrong.length > 0) addIssue(`has ${wrong.map((part) => `"${part}"`).join(' and ')}, which is no ${wanted}`)
    })

const postgresUrl = z.string().refine((v) => /^postgres(ql)?:$/.test(protocolOf(v) ?? ''), 'must be a postgres:// URL')
const httpUrl = z
  .string()
  .refine((v) => /^https?:$/.test(protocolOf(v) ?? ''), 'must be an http:// or https:// URL')
  .refine((v) => !URL.canParse(v) || new URL(v).pathname + new URL(v).search === '/', 'must be an origin: no path, no query')
  .transform((v) => new URL(v).origin)

/** A page for people: never in clear, and no name or password in it. */
const pageUrl = z
  .string()
  .max(2_000)
  .refine((v) => protocolOf(v) === 'https:', 'must be an https:// URL')
  .refine((v) => !URL.canParse(v) || new URL(v).username + new URL(v).password === '', 'must hold no name or password')
  .transform((v) => new URL(v).href)

export const signUpPolicies = ['verified', 'invite', 'closed'] as const

/** One row a setting: its schema, its default as people read it, and what it does. docs/settings.md is made from this table. */
export const settings = {
  HOST: { schema: z.string().default('127.0.0.1'), default: '127.0.0.1', about: 'Address to listen on.' },
  PORT: { schema: integer(0, 65535).default(3000), default: '3000', about: 'Port to listen on; 0 takes a free one.' },
  PUBLIC_URL: {
    schema: httpUrl.optional(),
    default: 'http://localhost:PORT',
    about: 'Origin by which people reach the service. Anything but a loopback address means production: plain HTTP and missing secrets are then refused.',
  },
  DATA_DIR: { schema: z.string().default('./data'), default: './data', about: 'Folder of the embedded Postgres, torrent data and the mail outbox.' },
  KEYS_DIR: { schema: z.string().optional(), default: 'DATA_DIR/keys', about: 'Folder of the operator secret. Keep it apart from backups of the data. In production the secret must be there before the start: `npm run keys -- make-operator-secret`.' },
  DATABASE_URL: { schema: postgresUrl.optional(), default: 'none: embedded Postgres', secret: true, about: 'Postgres as the role that serves requests (ts_app).' },
  DATABASE_OWNER_URL: { schema: postgresUrl.optional(), default: 'none', secret: true, about: 'Postgres as the role that owns the tables (ts_owner); used by set-up, never while serving.' },
  DATABASE_MAINTENANCE_URL: { schema: postgresUrl.optional(), default: 'none', secret: true, about: 'Postgres as the role that purges (ts_maintenance).' },
  TLS_CERT_FILE: { schema: z.string().optional(), default: 'none', about: 'PEM certificate chain; with TLS_KEY_FILE the server speaks HTTPS itself.' },
  TLS_KEY_FILE: { schema: z.string().optional(), default: 'none', about: 'PEM private key of TLS_CERT_FILE.' },
  HSTS: {
    schema: z.string().regex(/^(off|max-age=\d{1,10}(; includeSubDomains)?(; preload)?)$/, 'must be "off" or as in "max-age=63072000; includeSubDomains; preload"').default('max-age=63072000; includeSubDomains; preload'),
    default: 'max-age=63072000; includeSubDomains; preload',
    about: 'Strict-Transport-Security of answers over TLS, or "off". Never sent for a loopback address.',
  },
  TRUSTED_PROXIES: { schema: listOf(isAddressOrRange, 'address and no CIDR range').default([]), default: 'none', about: 'Addresses or CIDR ranges, by comma, whose X-Forwarded-For and X-Forwarded-Proto are believed.' },
  CORS_ORIGINS: { schema: listOf(isOrigin, 'exact origin such as https://app.example.org').default([]), default: 'none', about: 'Exact origins, by comma, whose pages may call the API with a bearer token.' },
  SMTP_URL: {
    schema: z
      .string()
      .refine((v) => /^smtps?:$/.test(protocolOf(v) ?? ''), 'must be an smtp:// or smtps:// URL')
      // its query could switch the checks of the certificate off
      .refine((v) => !URL.canParse(v) || new URL(v).search === '', 'must have no query')
      .optional(),
    default: 'none: DATA_DIR/outbox',
    secret: true,
    about: 'Mail server. Without it, mails are written to DATA_DIR/outbox as .eml files.',
  },
  MAIL_FROM: { schema: z.string().min(3).default('torrent-streamer <no-reply@localhost>'), default: 'torrent-streamer <no-reply@localhost>', about: 'Sender of mails.' },
  APP_SESSION_IDLE_DAYS: { schema: integer(1, 365).default(30), default: '30', about: 'Days without use after which an app has to sign in again.' },
  APP_SESSION_DAYS: { schema: integer(1, 730).default(180), default: '180', about: 'Days after which an app has to sign in again, however much it was used.' },
  STAFF_SESSION_IDLE_MINUTES: { schema: integer(1, 1_440).default(30), default: '30', about: 'Minutes without use after which the console asks to sign in again.' },
  STAFF_SESSION_HOURS: { schema: integer(1, 168).default(12), default: '12', about: 'Hours after which the console asks to sign in again, however much it was used.' },
  ERASURE_GRACE_DAYS: { schema: integer(0, 90).default(14), default: '14', about: 'Days between the wish to delete an account and its erasure; signing in meanwhile keeps it.' },
  UNVERIFIED_SIGN_UP_DAYS: { schema: integer(1, 90).default(7), default: '7', about: 'Days after which nothing is kept of a sign-up that was not verified, or of any other mailed code that led to no account: address, name and password.' },
  LOG_LEVEL: { schema: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'), default: 'info', about: 'Least severity that is logged.' },
  TORRENT_PORT: { schema: integer(0, 65535).default(0), default: '0', about: 'Port on which other peers reach the engine; 0 takes a free one.' },
  TORRENT_HOST: { schema: z.string().refine((v) => isIP(v) > 0, 'must be an IP address').default('127.0.0.1'), default: '127.0.0.1', about: 'Address the engine listens on. 0.0.0.0 lets peers connect to it.' },
  ALLOW_PRIVATE_PEERS: { schema: onOff.default(false), default: 'off', about: 'Lets trackers, web seeds and peers have loopback and private addresses. For tests and closed networks.' },
  ALLOW_SERVICE_PORTS: { schema: onOff.default(false), default: 'off', about: 'Lets trackers and peers have ports below 1024 (beside 80 and 443 of trackers) and those that databases, desktops and the like are known by.' },
  TORRENT_CONNECTIONS: { schema: integer(1, 10_000).default(200), default: '200', about: 'Most connections to peers, both ways, of all titles together.' },
  TORRENT_CONNECTIONS_PER_TITLE: { schema: integer(1, 1_000).default(50), default: '50', about: 'Most connections to peers of one title.' },
  TORRENT_CONNECTS_PER_ADDRESS: { schema: integer(1, 10_000).default(16), default: '16', about: 'Attempts to connect to an address that lead to no peer, in ten minutes; a network (/24, or /48 of IPv6) has four times as many. So that nobody can aim this server at others.' },
  TORRENT_UPLOAD_LIMIT: { schema: integer(0, 10_000_000_000).default(1_048_576), default: '1048576 (1 MiB)', about: 'Most bytes of content a second that are sent to other peers; 0 for as fast as it goes.' },
  TORRENT_DOWNLOAD_LIMIT: { schema: integer(0, 10_000_000_000).default(0), default: '0 (none)', about: 'Most bytes a second that are fetched from peers; 0 for as fast as it goes.' },
  SEED_RATIO_PERCENT: { schema: integer(0, 10_000).default(100), default: '100', about: 'How much of a title is sent to other peers while it is open, in percent of what was fetched of it in that time (1 MiB in any case); 0 sends nothing.' },
  TORRENT_DHT: { schema: onOff.default(false), default: 'off', about: 'Finds peers by the distributed hash table (BEP 5), too: tells strangers which titles are played here. Never for private torrents.' },
  TORRENT_PEX: { schema: onOff.default(false), default: 'off', about: 'Takes addresses of peers from peers (BEP 11); gives none. Never for private torrents.' },
  TORRENT_LSD: { schema: onOff.default(false), default: 'off', about: 'Finds peers by multicast on the local network (BEP 14); they have private addresses, so ALLOW_PRIVATE_PEERS goes with it. Never for private torrents.' },
  TORRENT_UPNP: { schema: onOff.default(false), default: 'off', about: 'Asks the router to let peers reach TORRENT_PORT. The engine may then connect to addresses of the local network, as routers are there; peers and trackers there stay refused.' },
  TORRENT_MEMORY_BYTES: { schema: integer(268_435_456, 1_099_511_627_776).default(2_147_483_648), default: '2147483648 (2 GiB)', about: 'The engine is started anew when its memory passes this.' },
  CACHE_BYTES: { schema: integer(67_108_864, Number.MAX_SAFE_INTEGER).default(21_474_836_480), default: '21474836480 (20 GiB)', about: 'Most bytes of torrent data that playing leaves on disk; what was played least recently makes room. A title plays through less than its size: 64 MiB serve one viewer, and 110 MiB for each are enough for any number.' },
  PUBLISHED_BYTES: { schema: integer(0, Number.MAX_SAFE_INTEGER).default(107_374_182_400), default: '107374182400 (100 GiB)', about: 'Most bytes on disk of what the operator publishes: a budget of its own, from which nothing is dropped for room.' },
  PUBLISH_TRACKERS: { schema: listOf((url) => URL.canParse(url) && /^(https?|udp):$/.test(new URL(url).protocol), 'tracker address (http, https or udp)').default([]), default: 'none', about: 'Trackers of what the operator publishes, by comma, where a publication names none of its own.' },
  WEB_SEED_BYTES_PER_SECOND: { schema: integer(65_536, Number.MAX_SAFE_INTEGER).default(1_048_576), default: '1048576 (1 MiB)', about: 'Most bytes a second that this node sends to BitTorrent clients over HTTP, of titles published with a web seed, all together.' },
  FREE_SPACE_BYTES: { schema: integer(0, Number.MAX_SAFE_INTEGER).default(1_073_741_824), default: '1073741824 (1 GiB)', about: 'What torrent data leaves free on its disk for everything else: nothing is written below it, whatever the budgets allow.' },
  SWARM_TIMEOUT_SECONDS: { schema: integer(1, 600).default(30), default: '30', about: 'How long a player waits for bytes from the swarm before 504, or before its connection is closed.' },
  STREAMS_PER_USER: { schema: integer(1, 1_000).default(10), default: '10', about: 'How many streams one account may have at the same time, on all nodes together. Several ranges of one file by one link are one stream.' },
  STREAMS_PER_NODE: { schema: integer(1, 100_000).default(200), default: '200', about: 'How many streams one node serves at the same time; further ones are answered 503. Each range being sent takes half a MiB of memory; fast ones share 32 MiB more.' },
  STREAM_BYTES_PER_SECOND: { schema: integer(65_536, Number.MAX_SAFE_INTEGER).optional(), default: 'none', about: 'Most bytes per second of one stream, after a burst of four seconds. Films of highest quality need up to 16000000.' },
  PASSWORD_STRICT: { schema: onOff.default(false), default: 'off', about: 'New passwords must also have mixed case and a symbol. Long ones that are hard to guess are as good without.' },
  HIBP_FILE: { schema: z.string().optional(), default: 'none', about: 'The Pwned Passwords list ("SHA-1:count" a line, ordered by hash, any size): new passwords found in it are refused. It is searched where it lies; nothing is sent anywhere.' },
  RATE_LIMIT_FACTOR: { schema: integer(1, 100_000).default(1), default: '1', about: 'Multiplies every rate limit, for a site whose users share one address.' },
  SIGN_UP_POLICY: {
    schema: z.enum(signUpPolicies, { error: 'must be "verified", "invite" or "closed"' }).default('verified'),
    default: 'verified',
    about: 'Who may make an account: `verified`, anyone with an e-mail address; `invite`, who also has the code of an invite; `closed`, nobody.',
  },
  ANDROID_APPS: {
    schema: listOf(isAndroidApp, 'package name, "=" and the SHA-256 fingerprint of its signing certificate').transform((apps) => apps.map(readAndroidApp)).default([]),
    default: 'none',
    about: 'Android apps that may use passkeys of this site, by comma: org.example.app=AB:CD:… (32 bytes). Served in /.well-known/assetlinks.json.',
  },
  IOS_APPS: { schema: listOf(isIosApp, 'team and bundle id such as ABCDE12345.org.example.app').default([]), default: 'none', about: 'iOS apps that may use passkeys of this site, by comma: team id, full stop, bundle id. Served in /.well-known/apple-app-site-association.' },
  MIN_APP_VERSIONS: {
    schema: listOf(isAppVersion, 'platform (android, ios, desktop or web), "=" and a version such as 2.1.0')
      .refine((parts) => new Set(parts.map((part) => part.split('=')[0])).size === parts.length, 'must name each platform once')
      .default([]),
    default: 'none',
    about: 'Oldest versions of the app that this server works with, by comma: android=2.1.0,ios=2.0.3 (also desktop, web). Told by GET /server: an older app asks to be updated.',
  },
  PRIVACY_URL: { schema: pageUrl.optional(), default: 'none', about: 'https:// page that says what is kept about people and for how long. Told by GET /server.' },
  TERMS_URL: { schema: pageUrl.optional(), default: 'none', about: 'https:// page with the terms of use. Told by GET /server.' },
  CATALOGUE_PUBLIC: { schema: onOff.default(false), default: 'off', about: 'Lets anyone browse the catalogue without signing in. Playback always needs an account.' },
} as const satisfies Record<string, { schema: z.ZodType; default: string; about: string; secret?: true }>

const dayMs = 86_400_000

type Values = { [K in keyof typeof settings]: z.output<(typeof settings)[K]['schema']> }

/**
 * Reads settings from an environment; touches nothing else. An empty value counts as absent.
 * @throws ConfigError naming every fault.
 */
export function readConfig(env: Record<string, string | undefined>) {
  const faults: string[] = []
  const read: Record<string, unknown> = {}
  for (const [name, { schema }] of Object.entries(settings)) {
    const result = schema.safeParse(env[name] === '' ? undefined : env[name])
    if (result.success) read[name] = result.data
    else faults.push(`${name} ${result.error.issues[0]?.message ?? 'is not valid'}`)
  }
  faults.push(...faultsTogether(read))
  if (faults.length > 0) throw new ConfigError(faults)
  const v = read as Values
  const publicUrl = originOf(v)
  const production = isProduction(publicUrl)

  const dataDir = resolve(v.DATA_DIR)
  return {
    config: {
      production,
      host: v.HOST,
      port: v.PORT,
      /** Null where the port is taken at start-up: the origin is then made from the real one. */
      publicUrl: v.PUBLIC_URL ?? (v.PORT === 0 ? null : publicUrl),
      dataDir,
      keysDir: v.KEYS_DIR ? resolve(v.KEYS_DIR) : join(dataDir, 'keys'),
      tls: v.TLS_CERT_FILE && v.TLS_KEY_FILE ? { certFile: v.TLS_CERT_FILE, keyFile: v.TLS_KEY_FILE } : null,
      hsts: v.HSTS === 'off' ? null : v.HSTS,
      trustedProxies: v.TRUSTED_PROXIES,
      corsOrigins: v.CORS_ORIGINS,
      mailFrom: v.MAIL_FROM,
      /** Idle and absolute lives of sessions (control A4). */
      sessions: {
        app: { idleMs: v.APP_SESSION_IDLE_DAYS * dayMs, absoluteMs: v.APP_SESSION_DAYS * dayMs },
        console: { idleMs: v.STAFF_SESSION_IDLE_MINUTES * 60_000, absoluteMs: v.STAFF_SESSION_HOURS * 3_600_000 },
      },
      erasureGraceMs: v.ERASURE_GRACE_DAYS * dayMs,
      unverifiedMs: v.UNVERIFIED_SIGN_UP_DAYS * dayMs,
      logLevel: v.LOG_LEVEL,
      torrent: {
        host: v.TORRENT_HOST,
        port: v.TORRENT_PORT,
        allowPrivate: v.ALLOW_PRIVATE_PEERS,
        allowServicePorts: v.ALLOW_SERVICE_PORTS,
        connections: v.TORRENT_CONNECTIONS,
        connectionsPerTitle: v.TORRENT_CONNECTIONS_PER_TITLE,
        connectsPerAddress: v.TORRENT_CONNECTS_PER_ADDRESS,
        uploadBytesPerSecond: v.TORRENT_UPLOAD_LIMIT || null,
        downloadBytesPerSecond: v.TORRENT_DOWNLOAD_LIMIT || null,
        sharePercent: v.SEED_RATIO_PERCENT,
        discovery: { dht: v.TORRENT_DHT, pex: v.TORRENT_PEX, lsd: v.TORRENT_LSD, upnp: v.TORRENT_UPNP },
        memoryBytes: v.TORRENT_MEMORY_BYTES,
        cacheBytes: v.CACHE_BYTES,
        publishedBytes: v.PUBLISHED_BYTES,
        freeSpaceBytes: v.FREE_SPACE_BYTES,
        timeoutMs: v.SWARM_TIMEOUT_SECONDS * 1000,
      },
      publishTrackers: v.PUBLISH_TRACKERS,
      webSeedBytesPerSecond: v.WEB_SEED_BYTES_PER_SECOND,
      streams: { perUser: v.STREAMS_PER_USER, perNode: v.STREAMS_PER_NODE, bytesPerSecond: v.STREAM_BYTES_PER_SECOND ?? null },
      passwordStrict: v.PASSWORD_STRICT,
      breachedPasswordsFile: v.HIBP_FILE ? resolve(v.HIBP_FILE) : null,
      rateLimitFactor: v.RATE_LIMIT_FACTOR,
      signUpPolicy: v.SIGN_UP_POLICY,
      androidApps: v.ANDROID_APPS,
      iosApps: v.IOS_APPS,
      minAppVersions: Object.fromEntries(v.MIN_APP_VERSIONS.map((part) => part.split('='))) as Partial<Record<AppPlatform, string>>,
      privacyUrl: v.PRIVACY_URL ?? null,
      termsUrl: v.TERMS_URL ?? null,
      cataloguePublic: v.CATALOGUE_PUBLIC,
    },
    secrets: {
      databaseUrl: v.DATABASE_URL ?? null,
      databaseOwnerUrl: v.DATABASE_OWNER_URL ?? null,
      databaseMaintenanceUrl: v.DATABASE_MAINTENANCE_URL ?? null,
      smtpUrl: v.SMTP_URL ?? null,
    },
  }
}

/** What is wrong with settings that are right one by one; those that are wrong by themselves are absent here. */
function faultsTogether(v: Partial<Values>): string[] {
  const faults: string[] = []
  if (Boolean(v.TLS_CERT_FILE) !== Boolean(v.TLS_KEY_FILE)) faults.push('TLS_CERT_FILE and TLS_KEY_FILE go together: give both or neither')
  if (v.APP_SESSION_IDLE_DAYS && v.APP_SESSION_DAYS && v.APP_SESSION_IDLE_DAYS > v.APP_SESSION_DAYS) faults.push('APP_SESSION_IDLE_DAYS must not be more than APP_SESSION_DAYS')
  if (v.STAFF_SESSION_IDLE_MINUTES && v.STAFF_SESSION_HOURS && v.STAFF_SESSION_IDLE_MINUTES > v.STAFF_SESSION_HOURS * 60) faults.push('STAFF_SESSION_IDLE_MINUTES must not be more than STAFF_SESSION_HOURS')
  if (v.PUBLIC_URL === undefined || !isProduction(v.PUBLIC_URL)) {
    // whoever can reach the address could say "Host: localhost" and be served in clear
    if (v.HOST !== undefined && !isLoopbackHost(v.HOST === '::1' ? '[::1]' : v.HOST)) faults.push(`HOST ${v.HOST} is reached from other machines, so PUBLIC_URL must say by which https:// address`)
    return faults
  }
  if (!v.TLS_CERT_FILE && v.TRUSTED_PROXIES?.length === 0)
    faults.push(`PUBLIC_URL ${v.PUBLIC_URL} is not a loopback address, so TLS is needed: give TLS_CERT_FILE and TLS_KEY_FILE, or TRUSTED_PROXIES that end it`)
  if (!v.PUBLIC_URL.startsWith('https:')) faults.push(`PUBLIC_URL ${v.PUBLIC_URL} must be https:// outside loopback`)
  return faults
}

const originOf = ({ PUBLIC_URL, PORT, TLS_CERT_FILE }: Values): string => PUBLIC_URL ?? `${TLS_CERT_FILE ? 'https' : 'http'}://localhost${PORT === 0 ? '' : `:${PORT}`}`
const isProduction = (publicUrl: string): boolean => !isLoopbackHost(new URL(publicUrl).hostname)

export type Config = ReturnType<typeof readConfig>['config']
export type Secrets = ReturnType<typeof readConfig>['secrets']

/** Loopback by name or number: what "not production" means. */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)
}

function protocolOf(value: string): string | null {
  return URL.canParse(value) ? new URL(value).protocol : null
}

function isOrigin(value: string): boolean {
  return /^https?:\/\/[^*]+$/.test(value) && URL.canParse(value) && new URL(value).origin === value
}

function isAddressOrRange(value: string): boolean {
  const [address = '', bits, ...rest] = value.split('/')
  const version = isIP(address)
  return version > 0 && rest.length === 0 && (bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128)))
}

function isAndroidApp(value: string): boolean {
  return /^[A-Za-z]\w*(\.[A-Za-z]\w*)+=[\dA-Fa-f]{2}(:[\dA-Fa-f]{2}){31}$/.test(value)
}

function isIosApp(value: string): boolean {
  return /^[A-Z0-9]{10}(\.[A-Za-z0-9-]+)+$/.test(value)
}

const appPlatforms = ['android', 'ios', 'desktop', 'web'] as const
type AppPlatform = (typeof appPlatforms)[number]

/** The version without a pre-release or build (SemVer 2.0.0, item 2): what stores number releases by. */
function isAppVersion(value: string): boolean {
  const [platform, version = '', ...rest] = value.split('=')
  return appPlatforms.some((one) => one === platform) && rest.length === 0 && /^(0|[1-9]\d{0,8})(\.(0|[1-9]\d{0,8})){2}$/.test(version)
}

function readAndroidApp(value: string): { name: string; fingerprint: string } {
  const [name = '', fingerprint = ''] = value.split('=')
  return { name, fingerprint: fingerprint.toUpperCase() }
}
