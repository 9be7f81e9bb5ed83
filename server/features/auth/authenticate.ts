import { and, eq } from 'drizzle-orm'
import type { z } from 'zod'
import type { Tx } from '../../../db/client.ts'
import { users } from '../../../db/schema/index.ts'
import type { Ctx } from '../../kit/context.ts'
import { PermissionDenied, Unauthenticated, Unavailable } from '../../kit/errors.ts'
import { takeGuess, type Guess } from '../../kit/guesses.ts'
import type { Role } from '../../kit/permissions.ts'
import { secondFactorsOf, type FactorMethod } from '../../kit/proofs.ts'
import { normaliseEmail } from '../users/users.ts'
import type { SignIn } from './contract.ts'
import { findAccount } from './devices.ts'
import { lockAccount, type LockedAccount } from './standing.ts'

/**
 * Who has just proved a first factor; `deviceId` where they did on a device that is known, `passwordHash` what they proved it by.
 * Their `guess` still counts: demandUnchanged forgives it, or whoever turns them away.
 */
export type Known = { id: string; role: Role; deviceId: string | null; passwordHash: string; guess: Guess }

/**
 * The account of an address and its password. A try is taken before the password is looked at: by the account, or by the
 * device where it is known. Known and unknown addresses cost the same and answer alike (controls A6, A7).
 * @throws Unauthenticated invalid_credentials for everything; PermissionDenied account_banned after a right password;
 * RateLimited while there is a delay; Unavailable when too many passwords are being hashed.
 */
export async function authenticate(ctx: Ctx, { email, password, device }: Pick<z.infer<typeof SignIn>, 'email' | 'password' | 'device'>): Promise<Known> {
  const address = normaliseEmail(email)
  const finding = findAccount(ctx, { email, token: device?.token })
  // whose try it is hangs on the device; without one that is named, nothing has to be waited for
  const deviceId = device?.token ? (await finding).deviceId : null
  const [guess, { account: user }] = await Promise.all([takeGuess(ctx, deviceId ? { pace: 'device', of: deviceId } : { pace: 'account', of: address }), finding])
  if (!(await compare(ctx, guess, user?.passwordHash ?? null, password)) || !user?.passwordHash) {
    await ctx.db.transaction(async (tx) => {
      await guess.wrong(tx)
      await ctx.audit(tx, { action: 'session.refused', ...(user ? { target: { kind: 'user', id: user.id } } : {}) })
    })
    throw wrong()
  }
  if (user.banned) {
    await guess.forgive(ctx.db)
    throw new PermissionDenied('account_banned', 'This account has been banned.')
  }
  const { id, role, passwordHash } = user
  return { id, role, deviceId, guess, passwordHash: ctx.passwords.outdated(passwordHash) ? await rehash(ctx, { id, passwordHash }, password) : passwordHash }
}

const wrong = () => new Unauthenticated('invalid_credentials', 'The e-mail address or the password is wrong.')

/**
 * First in the transaction that goes on from a password: a change of it, another role, or a ban, that came in between wins; one
 * that comes later waits, and then ends what is made here (control A4). The guess is forgiven if what follows is committed.
 * @returns the account, locked, and what its person has to prove besides
 * @throws Unauthenticated invalid_credentials
 */
export async function demandUnchanged(tx: Tx, { id, role, passwordHash, guess }: Known): Promise<{ account: LockedAccount; factors: FactorMethod[] }> {
  // one statement each, on one connection: sent together, done in this order. The factors are asked for after the lock, by a
  // statement of their own: within that of the lock they would be read as they were before it was waited for
  const [account, factors] = await Promise.all([lockAccount(tx, id), secondFactorsOf(tx, id), guess.forgive(tx)])
  if (account?.role !== role || account.passwordHash !== passwordHash || account.banned) throw wrong()
  return { account, factors }
}

/** A password that was not looked at, because the machine is busy, is no guess. */
export async function compare({ db, passwords }: Ctx, guess: Guess, stored: string | null, password: string): Promise<boolean> {
  try {
    return await passwords.matches(stored, password)
  } catch (error) {
    await guess.forgive(db)
    throw error
  }
}

/**
 * By today's parameters. A password that was changed meanwhile stays as it was changed; a busy machine does it another time.
 * @returns the hash that the password now has, as far as we know
 */
async function rehash({ db, passwords }: Ctx, { id, passwordHash: old }: Pick<Known, 'id' | 'passwordHash'>, password: string): Promise<string> {
  try {
    const passwordHash = await passwords.hash(password)
    const [risen] = await db.update(users).set({ passwordHash }).where(and(eq(users.id, id), eq(users.passwordHash, old))).returning({ id: users.id })
    return risen ? passwordHash : old
  } catch (error) {
    if (error instanceof Unavailable) return old
    throw error
  }
}
