import { asc, sql } from 'drizzle-orm'
import { exportJWK, generateKeyPair } from 'jose'
import type { Db, Tx } from '../../db/client.ts'
import { keys, users } from '../../db/schema/index.ts'
import { ConfigError } from '../config.ts'
import type { KeyKind } from './key-kinds.ts'
import { createSealer, firstKeyId, type Sealer } from './seal.ts'

export type KeyRow = typeof keys.$inferSelect
export type Opener = { secret: Uint8Array; sealer: Sealer }
export type Making = { now: () => Date; newId: () => string; randomBytes: (n: number) => Uint8Array }

/** Whoever changes keys does it alone, so that what was read stays true until the transaction ends. */
export const lockKeys = (tx: Tx) => tx.execute(sql`select pg_advisory_xact_lock(hashtext('torrent-streamer keys'))`)

/** All keys, the oldest of a kind first; of two made in one millisecond, the one that is to be retired. A dropped one has nothing in `sealed`. */
export const readRows = (db: Db | Tx): Promise<KeyRow[]> => db.select().from(keys).orderBy(asc(keys.createdAt), asc(keys.retiredAt), asc(keys.id))
export const isDropped = ({ sealed }: Pick<KeyRow, 'sealed'>): boolean => sealed.length === 0

export const sealKey = (sealer: Sealer, { kind, id }: Pick<KeyRow, 'kind' | 'id'>, plain: string | Uint8Array) => sealer.seal('key', `${kind}/${id}`, plain)
export const openKey = (sealer: Sealer, { kind, id, sealed }: Pick<KeyRow, 'kind' | 'id' | 'sealed'>) => sealer.open('key', `${kind}/${id}`, sealed)

/** Of the operator secrets at hand, the one under which the keys are sealed. @throws ConfigError where it is none of them */
export function openerOf(rows: KeyRow[], secrets: Uint8Array[]): Opener {
  const openers = secrets.map((secret) => ({ secret, sealer: createSealer(secret) }))
  const sample = rows.find((row) => !isDropped(row))
  const opener = openers.find(({ sealer }) => !sample || opens(sealer, sample))
  if (!opener) throw new ConfigError(['KEYS_DIR: operator.key is not the secret under which the keys in the database are sealed'])
  return opener
}

function opens(sealer: Sealer, row: KeyRow): boolean {
  try {
    openKey(sealer, row)
    return true
  } catch {
    return false
  }
}

/** Adds a key of the kind. @returns its id */
export async function insertKey(deps: Making, tx: Tx, { sealer }: Opener, kind: KeyKind, given: { id?: string; plain?: Uint8Array; retiredAt?: Date } = {}): Promise<string> {
  const id = given.id ?? deps.newId()
  const plain = given.plain ?? (kind === 'access_token' ? await newSigningKey() : deps.randomBytes(32))
  await tx.insert(keys).values({ id, kind, sealed: sealKey(sealer, { kind, id }, plain), createdAt: deps.now(), retiredAt: given.retiredAt ?? null })
  return id
}

const newSigningKey = async () => JSON.stringify(await exportJWK((await generateKeyPair('ES256', { extractable: true })).privateKey))

/**
 * Makes the first key of a kind. Where there are people already, their addresses were sealed and hashed with the operator
 * secret itself: it becomes the first key, so that they still open and are still found.
 */
export async function insertFirstKey(deps: Making, tx: Tx, opener: Opener, kind: KeyKind): Promise<void> {
  const [someone] = kind === 'column' || kind === 'lookup' ? await tx.select({ id: users.id }).from(users).limit(1) : []
  if (someone && kind === 'lookup') return void (await insertKey(deps, tx, opener, kind, { plain: opener.secret }))
  if (someone) await insertKey(deps, tx, opener, kind, { id: firstKeyId, plain: opener.secret, retiredAt: deps.now() })
  await insertKey(deps, tx, opener, kind)
}
