import { setTimeout as pause } from 'node:timers/promises'
import postgres from 'postgres'
import { insertUser } from '../../server/features/users/users.ts'
import { createPasswords } from '../../server/kit/passwords.ts'
import { asOperator } from '../admin/operator.ts'
import type { BenchInstance } from './accounts.ts'
import { latency, median, ms, type Figure } from './figures.ts'
import { benchMailedCodes } from './mailed-codes.ts'
import { openPosts } from './posts.ts'

const password = 'correct horse battery staple 7'
const accounts = 20
const rounds = 60
const parallelRounds = 12
const guessedAt = 60
/** Fewer than would bring a delay. */
const guessesEach = 4

type SignIn = (who: { email: string; password?: string; token?: string | undefined }) => Promise<{ status: number; deviceToken: string | null; took: number }>

/** What a sign-in costs beside the one Argon2id hash that it must cost, and whether its time tells known addresses from unknown. */
export async function benchSignIn({ instance, env }: BenchInstance, report: (line: string) => void): Promise<Figure[]> {
  const known = await makeAccounts(env, accounts + guessedAt)
  const people = known.slice(0, accounts)
  using client = connect(instance.baseUrl)
  const { signIn } = client
  const passwords = createPasswords()
  const bare = async () => timed(() => passwords.hash(password))

  const tokens = new Map<string, string>()
  for (const email of people) {
    const { status, deviceToken } = await signIn({ email })
    if (status !== 200 || deviceToken === null) throw new Error(`the first sign-in answered ${status}`)
    tokens.set(email, deviceToken)
  }
  const one = { bare: [] as number[], again: [] as number[], fresh: [] as number[] }
  for (let round = 0; round < rounds; round += 1) {
    const email = people[round % accounts] ?? ''
    one.bare.push(await bare())
    one.again.push((await signIn({ email, token: tokens.get(email) })).took)
    one.fresh.push((await signIn({ email })).took)
  }
  report(`one at a time: bare hash ${latency(one.bare)}; on a known device ${latency(one.again)}; on a new one ${latency(one.fresh)}`)

  const many = { bare: [] as number[], again: [] as number[], fresh: [] as number[] }
  await using mails = mailsOf(instance)
  for (let round = 0; round < parallelRounds; round += 1) {
    // those of the round before, which would be paid for by this one
    await mails.sent()
    many.bare.push(await timed(() => Promise.all(people.map(bare))))
    many.again.push(await timed(() => Promise.all(people.map((email) => signIn({ email, token: tokens.get(email) })))))
    many.fresh.push(await timed(() => Promise.all(people.map((email) => signIn({ email })))))
  }
  report(`${accounts} at once: bare hashes ${ms(median(many.bare))}; on known devices ${ms(median(many.again))}; on new ones ${ms(median(many.fresh))}`)

  const guesses = { known: [] as number[], unknown: [] as number[] }
  for (let guess = 0; guess < guessesEach; guess += 1) {
    for (const email of known.slice(accounts)) {
      guesses.known.push((await signIn({ email, password: 'not the password' })).took)
      guesses.unknown.push((await signIn({ email: `un${email}`, password: 'not the password' })).took)
    }
  }
  report(`wrong passwords: known addresses ${latency(guesses.known)}; unknown ${latency(guesses.unknown)}`)
  const codes = await benchMailedCodes(instance.baseUrl, people, report)

  const ratio = (samples: number[], beside: number[]) => (median(samples) / median(beside)).toFixed(2)
  return [
    { what: 'one sign-in, known device', value: latency(one.again), beside: `one Argon2id hash: ${latency(one.bare)}`, ratio: ratio(one.again, one.bare) },
    { what: 'one sign-in, new device', value: latency(one.fresh), beside: `one Argon2id hash: ${latency(one.bare)}`, ratio: ratio(one.fresh, one.bare) },
    { what: `${accounts} sign-ins at once, known devices`, value: ms(median(many.again)), beside: `${accounts} hashes, 2 at a time: ${ms(median(many.bare))}`, ratio: ratio(many.again, many.bare) },
    { what: `${accounts} sign-ins at once, new devices`, value: ms(median(many.fresh)), beside: `${accounts} hashes, 2 at a time: ${ms(median(many.bare))}`, ratio: ratio(many.fresh, many.bare) },
    { what: 'wrong password, known address', value: latency(guesses.known), beside: `unknown address: ${latency(guesses.unknown)}`, ratio: ratio(guesses.known, guesses.unknown) },
    ...codes,
  ]
}

/** Accounts with one password between them: it is hashed once. */
function makeAccounts(env: NodeJS.ProcessEnv, count: number): Promise<string[]> {
  return asOperator(env, async (ctx) => {
    const passwordHash = await ctx.passwords.hash(password)
    const emails = Array.from({ length: count }, () => `${Buffer.from(ctx.randomBytes(6)).toString('hex')}@example.org`)
    await ctx.db.transaction(async (tx) => {
      for (const email of emails) await insertUser(ctx, tx, { email, name: null, locale: 'en', role: 'user', passwordHash })
    })
    return emails
  })
}

/** Sign-ins over kept connections. */
function connect(baseUrl: string): { signIn: SignIn } & Disposable {
  const posts = openPosts(baseUrl)
  const signIn: SignIn = async ({ email, password: given = password, token }) => {
    const start = performance.now()
    const { status, body } = await posts.post('/api/v1/auth/sign-in', { email, password: given, ...(token ? { device: { name: 'bench', platform: 'other', token } } : {}) })
    const took = performance.now() - start
    const { deviceToken = null } = JSON.parse(body) as { deviceToken?: string | null }
    return { status, deviceToken, took }
  }
  return { signIn, [Symbol.dispose]: () => posts[Symbol.dispose]() }
}

/** The announcements of new devices, which are worked a second later: a round by itself would otherwise meet those of the one before. */
function mailsOf({ databaseUrls }: BenchInstance['instance']): AsyncDisposable & { sent(): Promise<void> } {
  const sql = postgres(databaseUrls.app, { max: 1, onnotice: () => undefined })
  return {
    async sent() {
      while ((await sql`select 1 from graphile_worker._private_jobs limit 1`).length > 0) await pause(200)
    },
    [Symbol.asyncDispose]: () => sql.end(),
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}
