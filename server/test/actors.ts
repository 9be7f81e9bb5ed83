import { createApiKey } from '../features/api-keys/api-keys.ts'
import { insertUser } from '../features/users/users.ts'
import { auditFor } from '../kit/audit.ts'
import type { Ctx, Deps } from '../kit/context.ts'
import type { Role } from '../kit/permissions.ts'
import type { TestApp } from './app.ts'

export type Person = { userId: string; email: string; password: string; token: string; refreshToken: string }

/** People and machines for tests: each call makes a new one, signed in through the API. */
export type Actors = {
  user(): Promise<Person>
  moderator(): Promise<Person>
  admin(): Promise<Person>
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
  const person = async (role: Role): Promise<Person> => {
    count += 1
    const email = `${role}${count}@example.org`
    const hash = await (passwordHash ??= deps.passwords.hash(testPassword))
    const userId = await deps.db.transaction((tx) => insertUser(deps, tx, { email, name: null, locale: 'en', role, passwordHash: hash }))
    if (!userId) throw new Error(`${email} exists already`)
    return signIn({ userId, email, password: testPassword })
  }
  const signIn = async ({ userId, email, password }: Pick<Person, 'userId' | 'email' | 'password'>): Promise<Person> => {
    const { status, body } = await call('POST', '/auth/sign-in', { body: { email, password } })
    if (status !== 200) throw new Error(`${email} could not sign in: ${status} ${JSON.stringify(body)}`)
    return { userId, email, password, token: body.tokens.accessToken, refreshToken: body.tokens.refreshToken }
  }
  const operator = (): Ctx => {
    const actor = { kind: 'operator' } as const
    return { ...deps, actor, request: { id: 'test', ip: '127.0.0.1', headers: {}, idempotencyKey: null }, audit: auditFor(deps, actor, null) }
  }
  return {
    operator,
    userAgain: signIn,
    user: () => person('user'),
    moderator: () => person('moderator'),
    admin: () => person('admin'),
    apiKey: async ({ trusted = false } = {}) => {
      const { key } = await createApiKey(operator(), { name: 'test', scopes: ['ingest:write'], trusted, expiresAt: new Date(deps.now().getTime() + 86_400_000) })
      return key
    },
  }
}
