import { sql } from 'drizzle-orm'
import { LRUCache } from 'lru-cache'
import { RateLimiterMemory, RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible'
import type { Sql, Tx } from '../../db/client.ts'
import { networkOf, wideNetworkOf } from '../lib/addresses.ts'
import type { Ctx } from './context.ts'
import { RateLimited } from './errors.ts'
import type { Sealer } from './seal.ts'

/** Requests per client (user, API key or address) in a window; each class is counted by itself (control B8). */
export const limitClasses = {
  read: { points: 600, seconds: 60 },
  search: { points: 120, seconds: 60 },
  write: { points: 120, seconds: 60 },
  /** Sign-up, sign-in, refresh and codes: per address. */
  credentials: { points: 30, seconds: 60 },
  /** Mails with a code that one client causes to one address, and those that all together do: nobody is flooded through us. */
  codesAsked: { points: 5, seconds: 3_600 },
  codesMailed: { points: 20, seconds: 3_600 },
  ingest: { points: 600, seconds: 60 },
  playback: { points: 60, seconds: 60 },
  stream: { points: 3_000, seconds: 60 },
  /** A BitTorrent client asks piece by piece. */
  webSeed: { points: 1_200, seconds: 60 },
} as const

/** An IPv6 /48 may take so many times what one address may. */
const wideFactor = 4
/** Less than all together may, so that one site cannot use up the mails with codes of somebody elsewhere. */
const wideFactors: Partial<Record<LimitClass, number>> = { codesAsked: 2 }

/** The client that an address stands for, where nobody is signed in. */
export const addressKey = (ip: string): string => `a:${networkOf(ip)}`

/** What a client is called in the table: an address is hashed under a key, so that nobody reads who was here (control C5). */
export const storedClient = (sealer: Pick<Sealer, 'lookup'>, client: string): string =>
  client.replace(/(?<=^|:)a:.+$/, (address) => `a:${Buffer.from(sealer.lookup('rate_limits', address)).toString('base64url')}`)

/** The wider network that counts as well: whoever has an IPv6 /48 can come from 65 536 /64 (control A6). */
function wideKey(client: string): string | null {
  const wide = client.startsWith('a:') && client.endsWith('::/64') ? wideNetworkOf(client.slice('a:'.length, -'/64'.length)) : null
  return wide && `a:${wide}`
}

/**
 * The counters of mails with codes to an address (`all`), and to it from the caller and their IPv6 /48: what they count can be
 * read from none (control C5).
 */
export function codeClients({ sealer, request }: Pick<Ctx, 'sealer' | 'request'>, emailLookup: Uint8Array): { all: string; caller: string; wide: string | null } {
  const all = base64url(emailLookup)
  const from = (network: string) => `${all}:${base64url(sealer.lookup(`limits/codes/${all}`, network))}`
  const wide = wideNetworkOf(request.ip)
  return { all, caller: from(networkOf(request.ip)), wide: wide && from(wide) }
}

/** Removes every counter of mails with codes to an address: its person is to be forgotten. */
export async function forgetCodesTo(tx: Tx, emailLookup: Uint8Array): Promise<void> {
  const [asked, mailed] = [`codesAsked:${base64url(emailLookup)}:`, `codesMailed:${base64url(emailLookup)}`]
  await tx.execute(sql`delete from rate_limits where starts_with(key, ${asked}) or key = ${mailed}`)
}

const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url')

export type LimitClass = keyof typeof limitClasses
export type Limits = {
  /**
   * Takes one point from the client's budget in a class; for an IPv6 address also from that of its /48. Where `client` is no
   * addressKey, `wide` is the /48 that counts as well.
   * @returns the RateLimit headers (draft-ietf-httpapi-ratelimit-headers) to answer with.
   * @throws RateLimited when it is used up.
   */
  charge(limitClass: LimitClass, client: string, wide?: string | null): Promise<Record<string, string>>
  /** As `charge`, from the budget that an API key has of its own, whatever it asks for. */
  chargeKey(keyId: string, perMinute: number): Promise<Record<string, string>>
}

type LimitsDeps = { sql: Sql; sealer: Pick<Sealer, 'lookup'> }

/** Counts in Postgres, so that nodes share; `factor` multiplies every limit. While Postgres does not answer, a stricter count in memory stands in. */
export function createLimits({ sql, sealer }: LimitsDeps, factor: number): Limits {
  const storeClient = postgresJsClient(sql)
  const forAll = (times: (name: LimitClass) => number) =>
    Object.fromEntries(
      Object.entries(limitClasses).map(([name, { points, seconds }]) => [name, createLimiter(storeClient, name, points * times(name as LimitClass), seconds)]),
    ) as Record<LimitClass, RateLimiterPostgres>
  const narrow = forAll(() => factor)
  const wide = forAll((name) => factor * (wideFactors[name] ?? wideFactor))

  /** By what they allow: few, as operators use round numbers. */
  const ofKeys = new LRUCache<number, RateLimiterPostgres>({ max: 100 })
  const limiterOfKeys = (perMinute: number): RateLimiterPostgres => {
    const known = ofKeys.get(perMinute) ?? createLimiter(storeClient, 'apiKey', perMinute * factor, 60)
    ofKeys.set(perMinute, known)
    return known
  }

  const consume = async (limiter: RateLimiterPostgres, client: string): Promise<Record<string, string>> => {
    const { points, duration: seconds } = limiter
    try {
      const result = await limiter.consume(storedClient(sealer, client))
      return rateLimitHeaders(points, seconds, result.remainingPoints, result.msBeforeNext)
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal
      throw new RateLimited(Math.max(1, Math.ceil(refusal.msBeforeNext / 1000)), rateLimitHeaders(points, seconds, 0, refusal.msBeforeNext))
    }
  }
  return {
    async charge(limitClass, client, wider = wideKey(client)) {
      const headers = await consume(narrow[limitClass], client)
      if (wider) await consume(wide[limitClass], wider)
      return headers
    },
    chargeKey: (keyId, perMinute) => consume(limiterOfKeys(perMinute), `k:${keyId}`),
  }
}

function createLimiter(storeClient: ReturnType<typeof postgresJsClient>, name: string, points: number, seconds: number): RateLimiterPostgres {
  return new RateLimiterPostgres({
    storeClient,
    storeType: 'client',
    tableName: 'rate_limits',
    tableCreated: true,
    keyPrefix: name,
    points,
    duration: seconds,
    inMemoryBlockOnConsumed: points + 1,
    clearExpiredByTimeout: false,
    insuranceLimiter: new RateLimiterMemory({ keyPrefix: name, points: Math.ceil(points / 2), duration: seconds }),
  })
}

function rateLimitHeaders(points: number, seconds: number, remaining: number, msBeforeNext: number): Record<string, string> {
  return { 'ratelimit-policy': `${points};w=${seconds}`, ratelimit: `limit=${points}, remaining=${Math.max(0, remaining)}, reset=${Math.ceil(msBeforeNext / 1000)}` }
}

/** How long a count in Postgres may take before memory stands in, and for how long it then does without asking again. */
const patienceMs = 500
const restMs = 1_000

/** The limiter speaks node-postgres; this is the one call of it that it makes. Its texts are its own, its values are bound. */
function postgresJsClient(sql: Sql) {
  let restUntil = Number.NEGATIVE_INFINITY
  return {
    query: async ({ text, values }: { text: string; values: (string | number)[] }) => {
      if (performance.now() < restUntil) throw new Error('the counts in Postgres are not reachable')
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(new Error('the counts in Postgres did not answer in time')), patienceMs)
      })
      try {
        return { rows: await Promise.race([sql.unsafe(text, values, { prepare: true }), late]) }
      } catch (error) {
        restUntil = performance.now() + restMs
        throw error
      } finally {
        clearTimeout(timer)
      }
    },
  }
}
