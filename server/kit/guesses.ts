import { sql, type Placeholder, type SQL } from 'drizzle-orm'
import type { Db, Tx } from '../../db/client.ts'
import { statement } from '../../db/statements.ts'
import { networkOf, wideNetworkOf } from '../lib/addresses.ts'
import type { Ctx } from './context.ts'
import { RateLimited } from './errors.ts'

type Pace = {
  /** Wrong tries before there is any delay. */
  free: number
  /** The first delay; each further wrong try doubles it. */
  firstSeconds: number
  mostSeconds: number
  /** One wrong try is forgotten in so long. */
  forgetSeconds: number
}

/** How fast one may guess (control A6): what a person mistypes costs nothing, what a machine tries soon costs hours. */
export const guessPaces = {
  /** A password, by the address that was typed. */
  account: { free: 5, firstSeconds: 15, mostSeconds: 3_600, forgetSeconds: 3_600 },
  /** A password, on a device that has been signed in to this account: strangers cannot use its tries up. */
  device: { free: 10, firstSeconds: 15, mostSeconds: 900, forgetSeconds: 900 },
  /** A code of few digits, by the account. */
  code: { free: 5, firstSeconds: 30, mostSeconds: 21_600, forgetSeconds: 21_600 },
  /** A mailed code, by the address it went to. Strangers can begin flows and guess, so it begins late and lets its owner try within the life of a code. */
  mailedCode: { free: 25, firstSeconds: 15, mostSeconds: 300, forgetSeconds: 300 },
  /** Anything, by an IPv4 address or IPv6 /64, and by an IPv6 /48: many people may share one. */
  address: { free: 100, firstSeconds: 30, mostSeconds: 900, forgetSeconds: 36 },
  wideNetwork: { free: 400, firstSeconds: 30, mostSeconds: 900, forgetSeconds: 9 },
} as const satisfies Record<string, Pace>

/** What is guessed at: `{ pace: 'code', of: `totp/${userId}` }`. It need not exist. */
export type GuessSubject = { pace: 'account' | 'device' | 'code' | 'mailedCode'; of: string }
/** Codes of all flows that were begun with an address, which need not be anybody's. */
export const mailedCodesTo = (emailLookup: Uint8Array): GuessSubject => ({ pace: 'mailedCode', of: `flow/${Buffer.from(emailLookup).toString('base64url')}` })

/** A try that was taken. Say how it went: unsaid, it counts as wrong. */
export type Guess = {
  /** It was wrong: the address is charged as well. */
  wrong(tx: Tx): Promise<void>
  /** It was right, or never looked at: it does not count. */
  forgive(tx: Tx | Db): Promise<void>
}

type GuessCtx = Pick<Ctx, 'db' | 'now' | 'sealer' | 'request' | 'config'>
type Counter = Pace & { key: Uint8Array }

/**
 * Takes a try before the secret is looked at, committed at once and in one statement, so that of many at the same time only
 * those that are allowed get to look (control A6). Not inside a transaction that may be rolled back.
 * @throws RateLimited while the subject or, but for a known device, the caller's address has to wait.
 */
export async function takeGuess(ctx: GuessCtx, { pace, of }: GuessSubject): Promise<Guess> {
  const subject: Counter = { ...guessPaces[pace], key: keyOf(ctx, pace, of) }
  const addresses = pace === 'device' ? [] : addressesOf(ctx)
  const now = ctx.now()
  const [key, address = key, wide = key] = [subject, ...addresses].map((counter) => counter.key) as [Uint8Array, Uint8Array?, Uint8Array?]
  const [taken] = await countUnlessBlocked(ctx.db, { ...subject, now, address, wide })
  if (!taken) {
    const [wait] = await blockedUntil(ctx.db, { key, address, wide, now })
    const left = wait?.until ? new Date(wait.until).getTime() - ctx.now().getTime() : 0
    throw new RateLimited(Math.max(1, Math.ceil(left / 1000)))
  }
  const { until } = taken
  return {
    async wrong(tx) {
      for (const counter of addresses) await count(tx, { ...counter, now })
    },
    async forgive(tx) {
      await forgiveOne(tx, { key, until })
    },
  }
}

type Counting = Counter & { now: Date }
type Until = { until: string | null }

/** Counts one, less what has been forgotten since the last; not while there is a delay. Returns the delay's end, or no row. */
function counting({ key, now, free, firstSeconds, mostSeconds, forgetSeconds }: Record<keyof Counting, Placeholder>, condition: SQL) {
  const forgotten = sql`floor(greatest(0, extract(epoch from excluded.last_failure_at - g.last_failure_at)) / ${forgetSeconds}::int)`
  const failures = sql`(greatest(0, g.failures - ${forgotten}) + 1)::int`
  const delay = sql`make_interval(secs => least(${mostSeconds}::int, ${firstSeconds}::int * power(2, least(${failures} - ${free}::int, 20))))`
  return sql`
    insert into guess_throttles as g (key, failures, last_failure_at)
    select ${key}::bytea, 1, ${now}::timestamptz ${condition}
    on conflict (key) do update
    set failures = ${failures}, last_failure_at = excluded.last_failure_at,
      blocked_until = case when ${failures} >= ${free}::int then excluded.last_failure_at + ${delay} end
    where g.blocked_until is null or g.blocked_until <= excluded.last_failure_at
    returning blocked_until as until`
}

/** A subject without an address, or with one that has no wider network, is asked for more than once. */
type Blocked = { key: Uint8Array; address: Uint8Array; wide: Uint8Array; now: Date }
const blocked = ({ key, address, wide, now }: Record<keyof Blocked, Placeholder>) =>
  sql`select max(blocked_until) as until from guess_throttles where key in (${key}, ${address}, ${wide}) and blocked_until > ${now}::timestamptz`

const count = statement<Counting, Until>((given) => counting(given, sql``))
const countUnlessBlocked = statement<Counting & Blocked, Until>((given) => counting(given, sql`where not exists (${blocked(given)} having max(blocked_until) is not null)`))
const blockedUntil = statement<Blocked, Until>(blocked)

/** A delay that another try has set since stays. */
const forgiveOne = statement<Until & { key: Uint8Array }>(
  ({ key, until }) => sql`
    update guess_throttles
    set failures = greatest(0, failures - 1), blocked_until = case when blocked_until = ${until}::timestamptz then null else blocked_until end
    where key = ${key}`,
)

/** Forgets what was tried at something: it has a new secret now, or its person is to be forgotten. */
export async function forgetGuesses({ sealer }: Pick<Ctx, 'sealer'>, tx: Tx, { pace, of }: GuessSubject): Promise<void> {
  // the row stays, since the server may not delete; emptied, it says nothing and is found by nothing
  await tx.execute(sql`update guess_throttles set key = sha256(convert_to(gen_random_uuid()::text, 'UTF8')), failures = 0, blocked_until = null where key = ${keyOf({ sealer }, pace, of)}`)
}

/** Hashed under a key: the table tells neither whose account nor which address it counts (control C5). */
const keyOf = ({ sealer }: Pick<Ctx, 'sealer'>, kind: string, of: string): Uint8Array => sealer.lookup(`guesses/${kind}`, of)

/** RATE_LIMIT_FACTOR is for sites whose users share one address: it gives the address more, and no account. */
function addressesOf(ctx: GuessCtx): Counter[] {
  const { ip } = ctx.request
  const counter = (pace: 'address' | 'wideNetwork', network: string): Counter => ({ ...guessPaces[pace], free: guessPaces[pace].free * ctx.config.rateLimitFactor, key: keyOf(ctx, pace, network) })
  const wide = wideNetworkOf(ip)
  return [counter('address', networkOf(ip)), ...(wide === null ? [] : [counter('wideNetwork', wide)])]
}
