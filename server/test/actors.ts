import { createApiKey } from '../features/api-keys/api-keys.ts'
import { makeRecoveryCodes } from '../features/factors/recovery-codes.ts'
import { insertTotp } from '../features/factors/totp-factor.ts'
import { insertUser } from '../features/users/users.ts'
import { auditFor } from '../kit/audit.ts'
import type { Ctx, Deps } from '../kit/context.ts'
import type { Role } from '../kit/permissions.ts'
import type { TestApp } from './app.ts'
import { authenticatorApp, type SecondFactor } from './authenticator-app.ts'

export type Person = {
  userId: string
  email: string
  password: string
  token: string
  refreshToken: string
  /** Of staff: the key of their authenticator app. */
  totpSecret: Uint8Array | null
  /** Of staff: what proves their second factor now, another at each call. */
  secondFactor: (() => Promise<SecondFactor>) | null
}

/** People and machines for tests: each call makes a new one, signed in through the API. */
export type Actors = {
  user(): Promise<Person>
  /** Staff have a second factor, and have proved it. */
  moderator(): Promise<Person>
  admin(): Promise<Person>
  /** Without a second factor: may do nothing but add one. */
  unenrolledModerator(): Promise<Person>
  /** A second sign-in of the same person. */
  userAgain(person: Person): Promise<Person>
  apiKey(options?: { trusted?: boolean }): Promise<string>
  /** The context of the operator at the terminal. */
  operator(): Ctx
}

export const testPassword = 'correct horse battery staple 7'

export function createActors(deps: Deps, call: TestApp['call']): Actors {
  let count = 0
  // a sign-in costs a hash; the account can be made with one that is there already
  let passwordHash: Promise<string> | null = null
  const person = async (role: Role, { enrolled }: { enrolled: boolean }): Promise<Person> => {
    count += 1
    const email = `${role}${count}@example.org`
    const hash = await (passwordHash ??= deps.passwords.hash(testPassword))
    const made = await deps.db.transaction(async (tx) => {
      const userId = await insertUser(deps, tx, { email, name: null, locale: 'en', role, passwordHash: hash })
      if (!userId) throw new Error(`${email} exists already`)
      if (!enrolled) return { userId, totpSecret: null, secondFactor: null }
      const totpSecret = await insertTotp(deps, tx, { userId, confirmedAt: deps.now() })
      const newCodes = () => deps.db.transaction((later) => makeRecoveryCodes(deps, later, userId))
      return { userId, totpSecret, secondFactor: authenticatorApp(totpSecret, deps.now, newCodes) }
    })
    return signIn({ ...made, email, password: testPassword })
  }
  const signIn = async (someone: Omit<Person, 'token' | 'refreshToken'>): Promise<Person> => {
    const { email, password, secondFactor } = someone
    let answer = await call('POST', '/auth/sign-in', { body: { email, password } })
    if (answer.body.mfa && secondFactor) answer = await call('POST', '/auth/mfa/verify', { body: { challengeId: answer.body.mfa.challengeId, ...(await secondFactor()) } })
    const { status, body } = answer
    if (status !== 200 || !body.tokens) throw new Error(`${email} could not sign in: ${status} ${JSON.stringify(body)}`)
    return { ...someone, token: body.tokens.accessToken, refreshToken: body.tokens.refreshToken }
  }
  const operator = (): Ctx => {
    const actor = { kind: 'operator' } as const
    return { ...deps, actor, request: { id: 'test', ip: '127.0.0.1', headers: {}, idempotencyKey: null }, audit: auditFor(deps, actor, null) }
  }
  return {
    operator,
    userAgain: signIn,
    user: () => person('user', { enrolled: false }),
    moderator: () => person('moderator', { enrolled: true }),
    admin: () => person('admin', { enrolled: true }),
    unenrolledModerator: () => person('moderator', { enrolled: false }),
    apiKey: async ({ trusted = false } = {}) => {
      const { key } = await createApiKey(operator(), { name: 'test', scopes: ['ingest:write'], trusted, expiresAt: new Date(deps.now().getTime() + 86_400_000) })
      return key
    },
  }
}
