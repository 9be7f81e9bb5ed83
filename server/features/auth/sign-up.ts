import { and, eq, gt, isNotNull, isNull, sql } from 'drizzle-orm'
import type { z } from 'zod'
import { emailFlows, users } from '../../../db/schema/index.ts'
import type { Ctx } from '../../kit/context.ts'
import { AppError } from '../../kit/errors.ts'
import { sameBytes, sha256 } from '../../kit/secret-tokens.ts'
import { insertUser, lookupOf, normaliseEmail, userById } from '../users/users.ts'
import type { Session, SignUp, VerifyEmail } from './contract.ts'
import { demandStrongPassword } from './password-rules.ts'
import { openSession } from './sessions.ts'
import { issueTokens } from './tokens.ts'

const codeMinutes = 15
const tries = 5

/**
 * Begins an account: a code goes out by mail. A known address gets the same answer after the same work,
 * and a mail that says so instead of a code (control A7).
 */
export async function signUp(ctx: Ctx, input: z.infer<typeof SignUp>): Promise<{ flowId: string }> {
  await demandStrongPassword(input.password, input)
  const email = normaliseEmail(input.email)
  const emailLookup = lookupOf(ctx, email)
  const passwordHash = await ctx.passwords.hash(input.password)
  const code = randomDigits(ctx.randomBytes, 8)
  const flowId = ctx.newId()
  const now = ctx.now()

  await ctx.db.transaction(async (tx) => {
    const [known] = await tx.select({ id: users.id }).from(users).where(eq(users.emailLookup, emailLookup))
    await tx.insert(emailFlows).values({
      id: flowId,
      kind: 'sign_up',
      emailLookup,
      emailSealed: ctx.sealer.seal('column', `email_flows/${flowId}`, email),
      name: input.name ?? null,
      locale: input.locale ?? 'en',
      passwordHash,
      codeHash: known ? null : codeHash(flowId, code),
      triesLeft: tries,
      createdAt: now,
      expiresAt: new Date(now.getTime() + codeMinutes * 60_000),
    })
    await ctx.mailer.queue(tx, {
      to: email,
      subject: known ? 'You already have an account' : 'Your sign-up code',
      text: known
        ? 'Someone, perhaps you, tried to sign up with this address. It already has an account: sign in instead.\n\nIf it was not you, nothing needs to be done.\n'
        : `Your code is ${code}\n\nEnter it in the app within ${codeMinutes} minutes. If you did not sign up, ignore this mail: nothing happens without the code.\n`,
    })
  })
  return { flowId }
}

/**
 * Opens the account of one flow by its code: five tries, once.
 * @throws AppError 401 code_invalid, the same for a wrong, used or expired code and an unknown flow.
 */
export async function verifyEmail(ctx: Ctx, { flowId, code, device }: z.infer<typeof VerifyEmail>): Promise<z.infer<typeof Session>> {
  const session = await ctx.db.transaction(async (tx) => {
    const now = ctx.now()
    // taking a try and reading the hash are one statement, so parallel guesses cannot share a try
    const [flow] = await tx
      .update(emailFlows)
      .set({ triesLeft: sql`${emailFlows.triesLeft} - 1` })
      .where(and(eq(emailFlows.id, flowId), eq(emailFlows.kind, 'sign_up'), isNull(emailFlows.usedAt), isNotNull(emailFlows.codeHash), gt(emailFlows.triesLeft, 0), gt(emailFlows.expiresAt, now)))
      .returning()
    if (!flow?.codeHash || !flow.passwordHash || !sameBytes(flow.codeHash, codeHash(flowId, code))) return null
    await tx.update(emailFlows).set({ usedAt: now }).where(eq(emailFlows.id, flowId))

    const email = ctx.sealer.openText('column', `email_flows/${flowId}`, flow.emailSealed)
    const userId = await insertUser(ctx, tx, { email, name: flow.name, locale: flow.locale, role: 'user', passwordHash: flow.passwordHash })
    // someone finished another flow of this address first
    if (!userId) return null
    await ctx.audit(tx, { action: 'user.sign_up', target: { kind: 'user', id: userId } })
    const opened = await openSession(ctx, tx, { userId, kind: 'app', methods: ['password'], device })
    const tokens = await issueTokens(ctx, tx, { role: 'user', session: opened })
    return { status: 'signed_in' as const, user: await userById(ctx, tx, userId), tokens, mfa: null }
  })
  if (!session) throw new AppError(401, 'code_invalid', 'The code is wrong, used or too old.')
  return session
}

/** A code opens its own flow only: the flow is part of what is hashed (control A8). */
const codeHash = (flowId: string, code: string) => sha256(`${flowId}/${code}`)

/** Uniform decimal digits: bytes of 250 and more are passed over. */
function randomDigits(randomBytes: (n: number) => Uint8Array, count: number): string {
  let digits = ''
  while (digits.length < count) for (const byte of randomBytes(count)) if (byte < 250 && digits.length < count) digits += String(byte % 10)
  return digits
}
