import type { Logger } from 'pino'
import type { Db, Sql } from '../../db/client.ts'
import type { signInMethods } from '../../db/schema/index.ts'
import type { Config, Secrets } from '../config.ts'
import type { EngineClient } from '../engine/client.ts'
import type { Audit } from './audit.ts'
import type { BreachedPasswords } from './breached-passwords.ts'
import type { Cursors } from './cursors.ts'
import type { AppError } from './errors.ts'
import type { Jobs } from './jobs.ts'
import type { Keys } from './keys.ts'
import type { Limits } from './limits.ts'
import type { Mailer } from './mail.ts'
import type { Passwords } from './passwords.ts'
import type { Role, Scope } from './permissions.ts'
import type { Revocations } from './revocations.ts'
import type { Sealer } from './seal.ts'

/** Everything the features stand on. Made once by createDeps; a test overrides what it wants to see. */
export type Deps = {
  config: Config
  secrets: Secrets
  /** The origin people use, known once the server listens. */
  publicUrl: () => string
  db: Db
  sql: Sql
  now: () => Date
  newId: () => string
  /** Of the data folder: what lies on one node alone bears it. */
  nodeId: string
  randomBytes: (length: number) => Uint8Array
  log: Logger
  sealer: Sealer
  keys: Keys
  cursors: Cursors
  passwords: Passwords
  breached: BreachedPasswords
  limits: Limits
  jobs: Jobs
  mailer: Mailer
  engine: EngineClient
  revocations: Revocations
}

/** How someone proved who they are. A passkey counts as two factors by itself: it is held, and unlocked. */
export type SignInMethod = (typeof signInMethods)[number]
export type UserActor = {
  kind: 'user'
  userId: string
  sessionId: string
  role: Role
  /** When they last proved who they are, and by what (control A10). */
  authenticatedAt: Date
  methods: readonly SignInMethod[]
}
export type ApiKeyActor = { kind: 'api_key'; keyId: string; scopes: Scope[]; trusted: boolean; /** The only names under which it may offer titles. */ sources: string[] | null; /** In place of what its limit class allows. */ requestsPerMinute: number | null }
/** `refusal`: what was wrong with the credentials that came along; told only by what needs them. */
export type Anonymous = { kind: 'anonymous'; refusal?: AppError }
export type Actor = Anonymous | UserActor | ApiKeyActor | { kind: 'operator' } | { kind: 'system' }

export type RequestInfo = {
  id: string
  /** The client's address, from a trusted proxy's header where one stands in front. */
  ip: string
  /** The rate-limit headers of the last charge; the edge that answers copies them. */
  headers: Record<string, string>
  idempotencyKey: string | null
}

export type Ctx = Deps & { actor: Actor; request: RequestInfo; audit: Audit }
export type Authed = Ctx & { actor: UserActor }
export type WithApiKey = Ctx & { actor: ApiKeyActor }
