import { DrizzlePostgreSQLAdapter } from '@lucia-auth/adapter-drizzle'
import { and, eq, gt, isNull } from 'drizzle-orm'
import { generateIdFromEntropySize, Lucia, TimeSpan, type Adapter, type DatabaseSession } from 'lucia'
import type { Db, Tx } from '../../../db/client.ts'
import { sessions, users } from '../../../db/schema/index.ts'
import { draft, statement } from '../../../db/statements.ts'
import type { Config } from '../../config.ts'
import type { Deps, SignInMethod } from '../../kit/context.ts'
import type { Role } from '../../kit/permissions.ts'
import { tokenHash } from '../../kit/secret-tokens.ts'

// The one place that knows Lucia, which upstream has frozen (docs/decisions/0004).

export type SessionKind = 'app' | 'console'

type Lives = Record<SessionKind, { idle: TimeSpan; absolute: TimeSpan }>

/** Idle and absolute limits, from the settings (control A4). */
export function lifetimes({ sessions: { app, console } }: Pick<Config, 'sessions'>): Lives {
  const span = ({ idleMs, absoluteMs }: typeof app) => ({ idle: new TimeSpan(idleMs, 'ms'), absolute: new TimeSpan(absoluteMs, 'ms') })
  return { app: span(app), console: span(console) }
}

type SessionAttributes = {
  publicId: string
  kind: SessionKind
  createdAt: Date
  absoluteExpiresAt: Date
  authenticatedAt: Date
  methods: SignInMethod[]
  lastSeenAt: Date
  network: string | null
  deviceId: string | null
  deviceName: string | null
  devicePlatform: string | null
}

declare module 'lucia' {
  interface Register {
    Lucia: ReturnType<typeof luciaFor>
    DatabaseSessionAttributes: SessionAttributes
    DatabaseUserAttributes: { role: Role }
  }
}

/** The id in a cookie is random; the id of the row is its hash. */
export const rowIdOf = (cookieId: string): string => Buffer.from(tokenHash(cookieId)).toString('hex')

/** As Lucia makes its ids (200 random bits), for who must know it before the session is stored. */
export const newCookieId = (): string => generateIdFromEntropySize(25)

/** What Lucia's own ids look like; anything else is not looked up. */
export const isCookieId = (value: string): boolean => /^[a-z2-7]{40}$/.test(value)

/**
 * Lucia over our sessions table. `by: 'cookie'` takes the secret id that only its bearer knows; `by: 'row'` the hash,
 * for code that found the row by other means. Never make a cookie from an id that Lucia gives back: it is the hash.
 */
export function luciaFor({ now, config }: Pick<Deps, 'now' | 'config'>, tx: Db | Tx, kind: SessionKind, by: 'cookie' | 'row') {
  return new Lucia(adapterFor(tx, now, by), {
    sessionExpiresIn: lifetimes(config)[kind].idle,
    getSessionAttributes: ({ publicId, kind: sessionKind, absoluteExpiresAt, authenticatedAt, methods, lastSeenAt }) => ({ publicId, kind: sessionKind, absoluteExpiresAt, authenticatedAt, methods, lastSeenAt }),
    getUserAttributes: ({ role }) => ({ role }),
  })
}

/**
 * Lucia's adapter with four differences: ids are hashed at rest; an ended session is a column, not a missing row
 * (the server may not delete); ended sessions and banned users are not found; and Lucia, which reads the wall clock
 * itself, is told times shifted by the difference between that clock and the injected one.
 */
function adapterFor(tx: Db | Tx, now: () => Date, by: 'cookie' | 'row'): Adapter {
  // the stock adapter makes the row; the statement that stores it is not built anew each time (docs/decisions/0030)
  const stock = new DrizzlePostgreSQLAdapter({ insert: () => ({ values: (row: NewRow) => store(tx, row) }) } as unknown as Db, sessions, users)
  const rowId = by === 'cookie' ? rowIdOf : (id: string) => id
  // eslint-disable-next-line house/clock-is-injected -- Lucia reads the wall clock; this is where the injected clock meets it
  const ahead = () => Date.now() - now().getTime()
  const toWall = (date: Date) => new Date(date.getTime() + ahead())
  const fromWall = (date: Date) => new Date(date.getTime() - ahead())
  const live = (id: string) => and(eq(sessions.id, id), isNull(sessions.endedAt))

  return {
    async getSessionAndUser(id) {
      const [row] = await tx
        .select({ session: sessions, role: users.role })
        .from(sessions)
        .innerJoin(users, eq(users.id, sessions.userId))
        .where(and(live(rowId(id)), gt(sessions.absoluteExpiresAt, now()), isNull(users.bannedAt)))
      if (!row) return [null, null]
      const { id: sessionRowId, userId, expiresAt, ...attributes } = row.session
      const session: DatabaseSession = { id: sessionRowId, userId, expiresAt: toWall(expiresAt), attributes }
      return [session, { id: userId, attributes: { role: row.role } }]
    },
    setSession: ({ id, expiresAt, ...session }) => stock.setSession({ ...session, id: rowId(id), expiresAt: fromWall(expiresAt) }),
    async updateSessionExpiration(sessionRowId, expiresAt) {
      await tx.update(sessions).set({ expiresAt: fromWall(expiresAt) }).where(live(sessionRowId))
    },
    // Lucia calls this for what it found expired: nothing to do, an expired row is dead as it is
    deleteSession: () => Promise.resolve(),
    getUserSessions: () => Promise.reject(new Error('sessions are listed by our own query')),
    deleteUserSessions: () => Promise.reject(new Error('sessions are ended by endSessions()')),
    deleteExpiredSessions: () => Promise.reject(new Error('expired rows are purged by maintenance')),
  }
}

type NewRow = SessionAttributes & { id: string; userId: string; expiresAt: Date }
const store = statement<NewRow>(({ id, userId, expiresAt, publicId, kind, createdAt, absoluteExpiresAt, authenticatedAt, methods, lastSeenAt, network, deviceId, deviceName, devicePlatform }) =>
  draft.insert(sessions).values({ id, userId, expiresAt, publicId, kind, createdAt, absoluteExpiresAt, authenticatedAt, methods, lastSeenAt, network, deviceId, deviceName, devicePlatform }),
)
