import { createPrivateKey, type KeyObject } from 'node:crypto'
import { importJWK, type CryptoKey, type JWK } from 'jose'
import type { Logger } from 'pino'
import type { Db } from '../../db/client.ts'
import { counts, isCurrent, keyKinds, type KeyKind } from './key-kinds.ts'
import { insertFirstKey, isDropped, lockKeys, openerOf, openKey, readRows, type KeyRow, type Making } from './key-rows.ts'
import { logError } from './log.ts'
import type { Revocations } from './revocations.ts'
import { createSealer, type Sealer, type SealingKeys } from './seal.ts'

type MacKind = 'playback_ticket' | 'cursor' | 'csrf'
export type SigningKey = { id: string; privateKey: KeyObject; publicKey: CryptoKey; publicJwk: JWK }
export type MacKey = { id: string; secret: Uint8Array }

/** The keys of this deployment: in Postgres, sealed by the operator secret, the same on every node (controls A1, A2, C5). */
export type Keys = SealingKeys & {
  /** Tells this deployment from others on its host, on every node and whatever is rotated or dropped: the id of its first csrf key, whose row stays. */
  deployment: string
  /** The ES256 key that signs access tokens. */
  signing(): SigningKey
  /** A key that verifies, also a retired one until its last token ran out; null for an unknown id and for one that was dropped. Throws while it cannot be read what was dropped. */
  verifying(id: string): Promise<SigningKey | null>
  mac(kind: MacKind): MacKey
  /** All of a kind whose work still counts, the newest last. */
  macs(kind: MacKind): MacKey[]
  /** Public keys of every access-token key that verifies (RFC 7517). */
  publicKeys(): JWK[]
  [Symbol.asyncDispose](): Promise<void>
}

/** `work`: of a signing key its pair, of the others their secret. */
type Held = { id: string; kind: KeyKind; retiredAt: Date | null; work: SigningKey | { secret: Uint8Array; sealer: Sealer } }
const unknownIdsAtMostEveryMs = 2_000
const withoutChannelEveryMs = 500

type KeyDeps = Making & { db: Db; log: Logger; revocations: Pick<Revocations, 'live' | 'subscribe'>; operatorSecrets: () => Promise<Uint8Array[]> }

/** Loads the keys, making those that are missing; nodes that start together end up with the same. @throws ConfigError */
export async function loadKeys(deps: KeyDeps): Promise<Keys> {
  await makeMissing(deps)
  const first = (await readRows(deps.db)).find(({ kind }) => kind === 'csrf')
  if (!first) throw new Error('there is no csrf key')
  let { ring, whole } = await readRing(deps, null)
  // changes that this node was told of, and those that it has read; between them nothing is verified by what is held
  let told = 0
  let taken = 0
  let loadedAt = deps.now().getTime()
  let readAt = performance.now()

  // one after the other, so that none overwrites what a later one has read
  let reading = Promise.resolve()
  const reload = () => {
    loadedAt = deps.now().getTime()
    const next = reading.then(async () => {
      const before = told
      ;({ ring, whole } = await readRing(deps, ring))
      taken = before
      readAt = performance.now()
    })
    reading = next.catch((error: unknown) => logError(deps.log, error, 'the keys could not be read again'))
    return next
  }
  // those who wait for a read share it
  let again: Promise<void> | null = null
  const readAgain = () => (again ??= reload().finally(() => (again = null)))
  const unsubscribe = deps.revocations.subscribe(({ kind }) => {
    if (kind !== 'keys') return
    told += 1
    void reload().catch(() => undefined)
  })

  const valid = (kind: KeyKind) => ring.filter((held) => held.kind === kind && counts(held, deps.now()))
  // the oldest: a new one begins when the one before it is retired
  const current = (kind: KeyKind): Held => {
    const held = valid(kind).find((one) => isCurrent(one, deps.now()))
    if (!held) throw new Error(`there is no ${kind} key`)
    return held
  }
  return {
    deployment: first.id,
    signing: () => signingKeyOf(current('access_token')),
    async verifying(id) {
      if (taken < told) await reading
      // not told of a drop, or told and unable to read of it, a node must look
      if (taken < told || (!deps.revocations.live() && performance.now() - readAt > withoutChannelEveryMs)) await readAgain()
      const known = () => valid('access_token').find((held) => held.id === id)
      // another node may have rotated; strangers' ids must not make us ask at every request
      if (!(known() && whole) && deps.now().getTime() - loadedAt > unknownIdsAtMostEveryMs) await readAgain()
      const held = known()
      return held ? signingKeyOf(held) : null
    },
    mac: (kind) => macKeyOf(current(kind)),
    macs: (kind) => valid(kind).map(macKeyOf),
    publicKeys: () => valid('access_token').map((held) => signingKeyOf(held).publicJwk),
    current: () => ({ id: current('column').id, sealer: sealerOf(current('column')) }),
    opening: (id) => ring.filter((held) => held.kind === 'column' && held.id === id).map(sealerOf)[0] ?? null,
    lookup: () => sealerOf(current('lookup')),
    async [Symbol.asyncDispose]() {
      unsubscribe()
      // what has been begun is read to its end, while the database is still there
      await reading
    },
  }
}

async function makeMissing(deps: KeyDeps): Promise<void> {
  await deps.db.transaction(async (tx) => {
    await lockKeys(tx)
    const rows = await readRows(tx)
    const opener = openerOf(rows, await deps.operatorSecrets())
    const missing = (Object.keys(keyKinds) as KeyKind[]).filter((kind) => !rows.some((row) => row.kind === kind && row.retiredAt === null))
    for (const kind of missing) await insertFirstKey(deps, tx, opener, kind)
  })
}

type Ring = { ring: Held[]; whole: boolean }

/**
 * What is held already is not opened again: a node that has not been given a new operator secret yet goes on with the keys it
 * has, obeys what was retired and dropped, and logs what it cannot open; then `whole` is false. At the start (`held` null)
 * everything has to open. @throws ConfigError
 */
async function readRing(deps: KeyDeps, held: Held[] | null): Promise<Ring> {
  const rows = (await readRows(deps.db)).filter((row) => !isDropped(row))
  let secrets: Uint8Array[] | null = null
  const open = async (row: KeyRow) => {
    secrets ??= await deps.operatorSecrets()
    return workOf(row, openKey(openerOf(held ? [row] : rows, secrets).sealer, row))
  }
  const ring: Held[] = []
  for (const row of rows) {
    const known = held?.find(({ id }) => id === row.id)
    try {
      ring.push({ ...row, work: known?.work ?? (await open(row)) })
    } catch (error) {
      if (!held) throw error
      logError(deps.log, error, `the ${row.kind} key ${row.id} does not open here`)
    }
  }
  return { ring, whole: ring.length === rows.length }
}

async function workOf({ kind, id }: KeyRow, plain: Uint8Array): Promise<Held['work']> {
  if (kind !== 'access_token') return { secret: plain, sealer: createSealer(plain) }
  const jwk = JSON.parse(Buffer.from(plain).toString('utf8')) as JWK
  const { d: _private, ...open } = jwk
  const publicJwk: JWK = { ...open, kid: id, alg: 'ES256', use: 'sig' }
  return { id, publicJwk, privateKey: createPrivateKey({ key: jwk, format: 'jwk' }), publicKey: (await importJWK(publicJwk, 'ES256')) as CryptoKey }
}

function signingKeyOf({ id, work }: Held): SigningKey {
  if (!('publicJwk' in work)) throw new Error(`the key ${id} does not sign`)
  return work
}

function secretOf({ id, work }: Held) {
  if (!('secret' in work)) throw new Error(`the key ${id} has no secret`)
  return work
}
const macKeyOf = (held: Held): MacKey => ({ id: held.id, secret: secretOf(held).secret })
const sealerOf = (held: Held): Sealer => secretOf(held).sealer
