import { and, eq, gt, isNull, or, sql, type SQL } from 'drizzle-orm'
import type { Db, Tx } from '../../../db/client.ts'
import { emailFlows } from '../../../db/schema/index.ts'
import type { Ctx } from '../../kit/context.ts'
import { AppError, RateLimited } from '../../kit/errors.ts'
import { forgetGuesses, mailedCodesTo, takeGuess, type Guess } from '../../kit/guesses.ts'
import { codeClients, forgetCodesTo } from '../../kit/limits.ts'
import { sameBytes } from '../../kit/secret-tokens.ts'
import { lockAddress, lockUser, lookupOf } from '../users/users.ts'
import type { Letter, Locale } from './mails.ts'

/**
 * Mailed codes (control A8). A flow is begun with an address, gets its code by mail, and is opened by that code: once, within
 * minutes, with five tries however often the code was sent. What must not be told is begun like all else, but nothing opens it.
 */
export const codeMinutes = 15
const tries = 5
const resends = 3

export type FlowKind = (typeof emailFlows.$inferSelect)['kind']

type Opening = { kind: FlowKind; flowId: string; code: string; userId?: string; guess: Guess }
type Beginning = {
  kind: FlowKind
  /** In its one spelling. */
  email: string
  locale: Locale
  /** False: the answer is the same, and no code opens the flow. */
  opens: boolean
  letter: (code: string) => Letter
  /** The letter costs what it costs, and nobody gets it. */
  dropped?: boolean
  userId?: string | null
  inviteId?: string | null
  name?: string | null
  passwordHash?: string | null
}

/** Begins a flow and mails its code. `mailable` is what mayMail said: a code that nobody gets opens nothing. @returns its id */
export async function beginFlow(ctx: Ctx, tx: Tx, mailable: boolean, { email, opens, letter, dropped = false, ...flow }: Beginning): Promise<{ flowId: string }> {
  const flowId = ctx.newId()
  const code = makeCode(ctx)
  const codeHash = hashOf(ctx, flowId, code)
  const createdAt = ctx.now()
  await tx.insert(emailFlows).values({
    ...flow,
    id: flowId,
    emailLookup: lookupOf(ctx, email),
    emailSealed: ctx.sealer.seal('column', `email_flows/${flowId}`, email),
    codeHash: opens && mailable ? codeHash : null,
    triesLeft: tries,
    resendsLeft: resends,
    createdAt,
    expiresAt: codeEnd(createdAt),
  })
  await ctx.mailer.queue(tx, { to: email, ...letter(code), dropped: dropped || !mailable })
  return { flowId }
}

/**
 * Puts another code in the place of the flow's; tries are not given back. Where it is not to be mailed (`mailable` is what mayMail
 * said) the one before stays. @returns null where the flow has ended, or was sent too often
 */
export async function renewCode(ctx: Ctx, tx: Tx, flowId: string, mailable: boolean) {
  const now = ctx.now()
  const code = makeCode(ctx)
  const [flow] = await tx
    .update(emailFlows)
    .set({
      // what nothing opens stays so
      codeHash: sql`case when ${emailFlows.codeHash} is null or not ${mailable} then ${emailFlows.codeHash} else ${hashOf(ctx, flowId, code)}::bytea end`,
      resendsLeft: sql`${emailFlows.resendsLeft} - ${mailable ? 1 : 0}::int`,
      expiresAt: sql`case when ${mailable} then ${codeEnd(now).toISOString()}::timestamptz else ${emailFlows.expiresAt} end`,
    })
    .where(and(live(flowId, now), gt(emailFlows.resendsLeft, 0)))
    .returning()
  return flow ? { kind: flow.kind, locale: flow.locale, opens: flow.codeHash !== null, email: emailOf(ctx, flow), code } : null
}

/**
 * Takes a guess at the codes mailed to the address of the flow, in all its flows together: an account is not guessed at by
 * beginning ever more of them (control A6). Before the transaction of openFlow, which says how it went.
 * @throws RateLimited, also where there is no such flow or account, as often as for any other
 */
export const takeCodeGuess = async (ctx: Ctx, flowId: string): Promise<Guess> => takeGuess(ctx, mailedCodesTo(await lookupOfFlow(ctx, flowId)))

/**
 * Takes one of the flow's tries; the right code ends the flow, and with it every other of the same address or person.
 * @param userId of an e-mail change: whose it must be
 * @param guess what takeCodeGuess gave
 * @returns null for a wrong, used or expired code and an unknown flow. The caller answers codeInvalid() once the transaction has
 * ended: thrown within, it would give the try back.
 */
export async function openFlow(ctx: Ctx, tx: Tx, { kind, flowId, code, userId, guess }: Opening) {
  const now = ctx.now()
  const asked = and(eq(emailFlows.kind, kind), userId === undefined ? undefined : eq(emailFlows.userId, userId))
  const [at] = await tx.select({ emailLookup: emailFlows.emailLookup, userId: emailFlows.userId }).from(emailFlows).where(and(eq(emailFlows.id, flowId), asked))
  // flows that end each other are opened one after the other
  if (at) await lockAddress(tx, at.emailLookup)
  // where it is nobody's the same is asked, and finds nobody (control A7)
  if (at) await lockUser(tx, at.userId ?? flowId)
  // taking a try and reading the hash are one statement, so parallel guesses cannot share a try
  const [flow] = await tx
    .update(emailFlows)
    .set({ triesLeft: sql`${emailFlows.triesLeft} - 1` })
    .where(and(live(flowId, now), asked))
    .returning()
  const given = hashOf(ctx, flowId, code)
  if (!flow || !sameBytes(flow.codeHash ?? new Uint8Array(given.length), given)) {
    await guess.wrong(tx)
    await ctx.audit(tx, { action: 'code.refuse', ...(flow?.userId ? { target: { kind: 'user', id: flow.userId } } : {}), details: { kind } })
    return null
  }
  await guess.forgive(tx)
  await endFlows(ctx, tx, flow)
  return { ...flow, email: emailOf(ctx, flow) }
}

/** Ends what was begun for a person, and what strangers began with an address that has no person yet. */
export async function endFlows(ctx: Pick<Ctx, 'now'>, tx: Tx, { userId, emailLookup }: { userId: string | null; emailLookup?: Uint8Array }): Promise<void> {
  const ofPerson = userId === null ? undefined : eq(emailFlows.userId, userId)
  const ofAddress = emailLookup && and(eq(emailFlows.emailLookup, emailLookup), isNull(emailFlows.userId))
  if (!ofPerson && !ofAddress) return
  await tx.update(emailFlows).set({ usedAt: ctx.now() }).where(and(isNull(emailFlows.usedAt), or(ofPerson, ofAddress)))
}

/** Says whose the flow was that made an account; what only the account needs from now on goes from it. */
export async function settleSignUp(tx: Tx, flowId: string, userId: string): Promise<void> {
  await tx.update(emailFlows).set({ userId, name: null, passwordHash: null }).where(eq(emailFlows.id, flowId))
}

/**
 * Forgets an address that its person leaves: what they and strangers began with it until now ends, empty, and nobody's tries at it are
 * kept. From then on it is anybody's, and what is begun with it later has nothing to do with the person: it does not lead to them,
 * and does not go when they are erased (control C7).
 */
export async function leaveAddress(ctx: Pick<Ctx, 'now' | 'sealer'>, tx: Tx, { userId, email }: { userId: string; email: string }): Promise<void> {
  await emptyFlows(ctx, tx, and(eq(emailFlows.emailLookup, lookupOf(ctx, email)), or(eq(emailFlows.userId, userId), isNull(emailFlows.userId))))
  await forgetTriesAt(ctx, tx, email)
}

/** Ends flows and leaves nothing in them: the server may not delete. */
export async function emptyFlows({ now }: Pick<Ctx, 'now'>, tx: Tx | Db, which: SQL | undefined): Promise<void> {
  const nothing = new Uint8Array(0)
  const usedAt = sql`coalesce(${emailFlows.usedAt}, ${now().toISOString()}::timestamptz)`
  await tx.update(emailFlows).set({ userId: null, inviteId: null, emailLookup: nothing, emailSealed: nothing, name: null, passwordHash: null, codeHash: null, usedAt }).where(which)
}

/** Forgets how often an address was signed in to, mailed to and guessed at. */
export async function forgetTriesAt(ctx: Pick<Ctx, 'sealer'>, tx: Tx, email: string): Promise<void> {
  const lookup = lookupOf(ctx, email)
  await forgetGuesses(ctx, tx, { pace: 'account', of: email })
  await forgetGuesses(ctx, tx, mailedCodesTo(lookup))
  await forgetCodesTo(tx, lookup)
}

/** May another code be mailed to the address? Counted alike for every address, and never told (controls A7, B8). */
export async function mayMail(ctx: Ctx, emailLookup: Uint8Array): Promise<boolean> {
  const { all, caller, wide } = codeClients(ctx, emailLookup)
  try {
    // in this order: one client cannot use up what all together have
    await ctx.limits.charge('codesAsked', caller, wide)
    await ctx.limits.charge('codesMailed', all)
    return true
  } catch (error) {
    if (error instanceof RateLimited) return false
    throw error
  }
}

/** Of the address that a flow was begun with; where there is no such flow (any more), of nothing. */
export async function lookupOfFlow(ctx: Ctx, flowId: string): Promise<Uint8Array> {
  const [flow] = await ctx.db.select({ emailLookup: emailFlows.emailLookup }).from(emailFlows).where(and(eq(emailFlows.id, flowId), notEmpty))
  return flow?.emailLookup ?? lookupOf(ctx, flowId)
}

/** The address that a flow was begun with, if there is the flow and it was not emptied. */
export async function addressOfFlow(ctx: Ctx, kind: FlowKind, flowId: string): Promise<string | null> {
  const [flow] = await ctx.db.select({ id: emailFlows.id, emailSealed: emailFlows.emailSealed }).from(emailFlows).where(and(eq(emailFlows.id, flowId), eq(emailFlows.kind, kind), notEmpty))
  return flow ? emailOf(ctx, flow) : null
}

/** 401, the same for a wrong, used or expired code and an unknown flow. */
export const codeInvalid = () => new AppError(401, 'code_invalid', 'The code is wrong, used or too old.')

const live = (flowId: string, now: Date) => and(eq(emailFlows.id, flowId), isNull(emailFlows.usedAt), gt(emailFlows.triesLeft, 0), gt(emailFlows.expiresAt, now))
const notEmpty = sql`length(${emailFlows.emailSealed}) > 0`
const codeEnd = (from: Date) => new Date(from.getTime() + codeMinutes * 60_000)
const emailOf = (ctx: Pick<Ctx, 'sealer'>, { id, emailSealed }: { id: string; emailSealed: Uint8Array }) => ctx.sealer.openText('column', `email_flows/${id}`, emailSealed)

/** A code opens its own flow only: the flow is part of what is hashed. Keyed, since eight digits are soon tried through. */
const hashOf = ({ sealer }: Pick<Ctx, 'sealer'>, flowId: string, code: string) => sealer.lookup('email_flows.code', `${flowId}/${code}`)

/** Eight uniform decimal digits: bytes of 250 and more are passed over. */
function makeCode({ randomBytes }: Pick<Ctx, 'randomBytes'>): string {
  let digits = ''
  while (digits.length < 8) for (const byte of randomBytes(8)) if (byte < 250 && digits.length < 8) digits += String(byte % 10)
  return digits
}
