import { and, asc, eq, isNull, sql } from 'drizzle-orm'
import { exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from 'jose'
import { keys as keyTable } from '../../db/schema/index.ts'
import type { Db } from '../../db/client.ts'
import type { Sealer } from './seal.ts'

type MacKind = 'playback_ticket' | 'cursor' | 'csrf'
type Kind = 'access_token' | MacKind
export type SigningKey = { id: string; privateKey: CryptoKey; publicKey: CryptoKey; publicJwk: JWK }
export type MacKey = { id: string; secret: Uint8Array }
type Retirable<T> = { key: T; retired: boolean }

/** The keys of this deployment: in Postgres, sealed by the operator secret, the same on every node (controls A1, A2). */
export type Keys = {
  /** The newest ES256 key that is not retired: what access tokens are signed with. */
  signing(): SigningKey
  /** A key that verifies, also a retired one; null for an unknown id. */
  verifying(id: string): Promise<SigningKey | null>
  mac(kind: MacKind): MacKey
  /** All of a kind, the newest last: what was made with a retired one still verifies. */
  macs(kind: MacKind): MacKey[]
  /** Public keys of every access-token key that still verifies (RFC 7517). */
  publicKeys(): JWK[]
}

type Ring = { signing: Retirable<SigningKey>[]; macs: Record<MacKind, Retirable<MacKey>[]> }
const macKinds: MacKind[] = ['playback_ticket', 'cursor', 'csrf']
const reloadAtMostEveryMs = 2_000

type KeyDeps = { db: Db; sealer: Sealer; now: () => Date; newId: () => string; randomBytes: (n: number) => Uint8Array }

/** Loads the keys, making those that are missing; nodes that start together end up with the same. */
export async function loadKeys(deps: KeyDeps): Promise<Keys> {
  for (const kind of ['access_token', ...macKinds] as Kind[]) await ensureKey(deps, kind)
  let ring = await readRing(deps)
  let loadedAt = deps.now().getTime()

  const newest = <T>(list: Retirable<T>[], kind: string): T => {
    const found = list.findLast(({ retired }) => !retired)
    if (!found) throw new Error(`there is no ${kind} key`)
    return found.key
  }
  return {
    signing: () => newest(ring.signing, 'access_token'),
    async verifying(id) {
      const known = () => ring.signing.find(({ key }) => key.id === id)?.key ?? null
      // another node may have rotated; strangers' ids must not make us ask at every request
      if (!known() && deps.now().getTime() - loadedAt > reloadAtMostEveryMs) {
        loadedAt = deps.now().getTime()
        ring = await readRing(deps)
      }
      return known()
    },
    mac: (kind) => newest(ring.macs[kind], kind),
    macs: (kind) => ring.macs[kind].map(({ key }) => key),
    publicKeys: () => ring.signing.map(({ key }) => key.publicJwk),
  }
}

async function ensureKey(deps: KeyDeps, kind: Kind): Promise<void> {
  await deps.db.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(hashtext('torrent-streamer keys'))`)
    const [found] = await tx.select({ id: keyTable.id }).from(keyTable).where(and(eq(keyTable.kind, kind), isNull(keyTable.retiredAt))).limit(1)
    if (found) return
    const id = deps.newId()
    const plain = kind === 'access_token' ? JSON.stringify(await exportJWK((await generateKeyPair('ES256', { extractable: true })).privateKey)) : deps.randomBytes(32)
    await tx.insert(keyTable).values({ id, kind, sealed: deps.sealer.seal('key', `${kind}/${id}`, plain), createdAt: deps.now() })
  })
}

async function readRing({ db, sealer }: KeyDeps): Promise<Ring> {
  const rows = await db.select().from(keyTable).orderBy(asc(keyTable.createdAt))
  const ring: Ring = { signing: [], macs: { playback_ticket: [], cursor: [], csrf: [] } }
  for (const row of rows) {
    const plain = sealer.open('key', `${row.kind}/${row.id}`, row.sealed)
    const retired = row.retiredAt !== null
    if (row.kind === 'access_token') ring.signing.push({ key: await signingKey(row.id, JSON.parse(Buffer.from(plain).toString('utf8')) as JWK), retired })
    else if (row.kind !== 'column' && row.kind !== 'lookup') ring.macs[row.kind].push({ key: { id: row.id, secret: plain }, retired })
  }
  return ring
}

async function signingKey(id: string, jwk: JWK): Promise<SigningKey> {
  const { d: _private, ...open } = jwk
  const publicJwk: JWK = { ...open, kid: id, alg: 'ES256', use: 'sig' }
  return { id, publicJwk, privateKey: (await importJWK(jwk, 'ES256')) as CryptoKey, publicKey: (await importJWK(publicJwk, 'ES256')) as CryptoKey }
}
