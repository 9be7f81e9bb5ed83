import { and, eq, isNull } from 'drizzle-orm'
import type { Tx } from '../../db/client.ts'
import { keys } from '../../db/schema/index.ts'
import type { Ctx } from './context.ts'
import { Conflict, NotFound } from './errors.ts'
import { counts, handoverMs, isCurrent, keyKinds, operatorDueAfterDays, type KeyKind } from './key-kinds.ts'
import { insertKey, isDropped, lockKeys, openerOf, openKey, readRows, sealKey, type KeyRow, type Opener } from './key-rows.ts'
import { layReady, operatorSecretDate, operatorSecrets, takePlace } from './operator-secret.ts'
import { recomputeLookups, sealedWith } from './reseal.ts'
import { announce } from './revocations.ts'
import { createSealer } from './seal.ts'

/** `current` makes; `next` will, when every node has it; `old` makes no more, what it made counts; `retired`: not even that; `dropped`: gone. */
export type KeyState = 'current' | 'next' | 'old' | 'retired' | 'dropped'
export type ListedKey = { kind: KeyKind | 'operator'; id: string; createdAt: Date; ageDays: number; state: KeyState; overdue: boolean }

const ageInDays = (from: Date, now: Date) => Math.floor((now.getTime() - from.getTime()) / 86_400_000)

/** Every key without its secret, and the operator secret by the date of its file. */
export async function listKeys(ctx: Ctx): Promise<ListedKey[]> {
  const now = ctx.now()
  const rows = await ctx.db.transaction(async (tx) => {
    await ctx.audit(tx, { action: 'key.list' })
    return readRows(tx)
  })
  const listed = rows.map((row): ListedKey => {
    const [state, ageDays] = [stateOf(row, rows, now), ageInDays(row.createdAt, now)]
    return { kind: row.kind, id: row.id, createdAt: row.createdAt, ageDays, state, overdue: state === 'current' && ageDays >= keyKinds[row.kind].dueAfterDays }
  })
  const createdAt = await operatorSecretDate(ctx.config.keysDir)
  const ageDays = ageInDays(createdAt, now)
  return [...listed, { kind: 'operator', id: 'operator.key', createdAt, ageDays, state: 'current', overdue: ageDays >= operatorDueAfterDays }]
}

function stateOf(row: KeyRow, rows: KeyRow[], now: Date): KeyState {
  if (isDropped(row)) return 'dropped'
  if (!isCurrent(row, now)) return counts(row, now) ? 'old' : 'retired'
  return rows.find((one) => one.kind === row.kind && isCurrent(one, now) && !isDropped(one))?.id === row.id ? 'current' : 'next'
}

/** Changes keys alone, tells every node, and leaves an audit row (control E2). */
function change<T>(ctx: Ctx, action: string, work: (tx: Tx, rows: KeyRow[], opener: Opener) => Promise<{ id: string; answer: T }>): Promise<T> {
  return ctx.db.transaction(async (tx) => {
    await lockKeys(tx)
    const rows = await readRows(tx)
    const opener = openerOf(rows, await operatorSecrets(ctx.config.keysDir, ctx.config.production))
    const { id, answer } = await work(tx, rows, opener)
    await ctx.audit(tx, { action, target: { kind: 'key', id } })
    await announce(tx, { kind: 'keys', id })
    return answer
  })
}

/**
 * Makes a new key of the kind, which takes over in a few seconds, when every node has it. What the old one made still counts:
 * nobody is signed out (control A2). After a column key a job seals the old values again.
 * @returns the new key, and when it takes over
 */
export function rotateKey(ctx: Ctx, kind: Exclude<KeyKind, 'lookup'>): Promise<{ id: string; takesOverAt: Date }> {
  return change(ctx, 'key.rotate', async (tx, _rows, opener) => {
    const takesOverAt = new Date(ctx.now().getTime() + handoverMs)
    await tx.update(keys).set({ retiredAt: takesOverAt }).where(and(eq(keys.kind, kind), isNull(keys.retiredAt)))
    const id = await insertKey(ctx, tx, opener, kind)
    if (kind === 'column') await ctx.jobs.add(tx, 'keys.reseal_columns', { keyId: id }, { key: 'keys.reseal_columns', runAt: takesOverAt })
    return { id, answer: { id, takesOverAt } }
  })
}

/**
 * Makes a new lookup key and hashes every address again, in one transaction: the new key counts from its commit. Codes that
 * were mailed and counts of wrong guesses stand under the old key and are void.
 */
export async function rotateLookup(ctx: Ctx): Promise<{ id: string; takesOverAt: Date }> {
  const plain = ctx.randomBytes(32)
  const sealer = createSealer(plain)
  const recompute = (tx: Tx) => recomputeLookups(ctx, tx, (email) => sealer.lookup('users.email', email))
  const answer = await change(ctx, 'key.rotate', async (tx, _rows, opener) => {
    await recompute(tx)
    const takesOverAt = ctx.now()
    await tx.update(keys).set({ retiredAt: takesOverAt }).where(and(eq(keys.kind, 'lookup'), isNull(keys.retiredAt)))
    const id = await insertKey(ctx, tx, opener, 'lookup', { plain })
    return { id, answer: { id, takesOverAt } }
  })
  // who had hashed with the old key and waited for the table's lock has written by now
  await ctx.db.transaction(recompute)
  return answer
}

/** Has a key make nothing more. @throws NotFound; Conflict key_in_use where no other could take over */
export function retireKey(ctx: Ctx, id: string): Promise<{ retiredAt: Date }> {
  return change(ctx, 'key.retire', async (tx, rows) => {
    const key = find(rows, id)
    const now = ctx.now()
    if (key.retiredAt && key.retiredAt <= now) return { id, answer: { retiredAt: key.retiredAt } }
    if (!anotherIsReady(rows, key)) throw new Conflict(`It is the only ${key.kind} key in use: rotate first.`, 'key_in_use')
    await tx.update(keys).set({ retiredAt: now }).where(eq(keys.id, id))
    return { id, answer: { retiredAt: now } }
  })
}

/**
 * Destroys a key. What it made is refused at once, on every node; where it was in use a new one takes its place in the same
 * transaction. @throws NotFound; Conflict key_in_use where what it sealed or hashed would be lost
 */
export function dropKey(ctx: Ctx, id: string): Promise<{ replacedBy: string | null }> {
  return change(ctx, 'key.drop', async (tx, rows, opener) => {
    const key = find(rows, id)
    const inUse = key.retiredAt === null && !anotherIsReady(rows, key)
    if (inUse && (key.kind === 'lookup' || key.kind === 'column')) throw new Conflict(`It is the only ${key.kind} key in use: rotate first.`, 'key_in_use')
    const values = key.kind === 'column' ? await sealedWith(tx, id) : 0
    if (values > 0) throw new Conflict(`${values} values are sealed with it and would be lost; they are sealed again by a job of the running service.`, 'key_in_use')
    const now = ctx.now()
    const retiredAt = key.retiredAt && key.retiredAt < now ? key.retiredAt : now
    await tx.update(keys).set({ sealed: new Uint8Array(), retiredAt }).where(eq(keys.id, id))
    const replacedBy = inUse ? await insertKey(ctx, tx, opener, key.kind) : null
    return { id, answer: { replacedBy } }
  })
}

/**
 * Replaces the operator secret: every key is sealed again under a new one, in one transaction. The new secret is on disk before
 * the commit and takes the old one's place after it; whenever this is interrupted both are at hand, and the right one is found.
 * @returns where the old secret is kept
 */
export async function rotateOperatorSecret(ctx: Ctx): Promise<{ previous: string }> {
  const { keysDir } = ctx.config
  const present = await operatorSecrets(keysDir, true)
  // an earlier rotation may have been interrupted after its commit
  if (openerOf(await readRows(ctx.db), present).secret !== present[0]) await takePlace(keysDir)
  const secret = ctx.randomBytes(32)
  await change(ctx, 'key.rotate', async (tx, rows, opener) => {
    await layReady(keysDir, secret)
    const next = createSealer(secret)
    for (const row of rows.filter((one) => !isDropped(one))) {
      await tx.update(keys).set({ sealed: sealKey(next, row, openKey(opener.sealer, row)) }).where(eq(keys.id, row.id))
    }
    return { id: 'operator', answer: null }
  })
  return { previous: await takePlace(keysDir) }
}

function find(rows: KeyRow[], id: string): KeyRow {
  const key = rows.find((row) => row.id === id && !isDropped(row))
  if (!key) throw new NotFound('key')
  return key
}

const anotherIsReady = (rows: KeyRow[], { id, kind }: KeyRow): boolean => rows.some((row) => row.kind === kind && row.id !== id && row.retiredAt === null && !isDropped(row))
