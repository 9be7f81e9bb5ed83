import { join } from 'node:path'
import { connect } from '../db/client.ts'
import type { Config, Secrets } from './config.ts'
import { startEngine, type EngineClient } from './engine/client.ts'
import { openBreachedPasswords } from './kit/breached-passwords.ts'
import { clock } from './kit/clock.ts'
import type { Deps } from './kit/context.ts'
import { createCursors } from './kit/cursors.ts'
import { jobs } from './kit/jobs.ts'
import { loadKeys } from './kit/keys.ts'
import { createLimits } from './kit/limits.ts'
import { createLog } from './kit/log.ts'
import { createMailer } from './kit/mail.ts'
import { readNodeId } from './kit/node-id.ts'
import { operatorSecrets } from './kit/operator-secret.ts'
import { createPasswords } from './kit/passwords.ts'
import { hearOwnCommits, listenForRevocations } from './kit/revocations.ts'
import { demandSafeSecrets } from './kit/safe-secrets.ts'
import { createKeyedSealer } from './kit/seal.ts'

export type Overrides = Partial<Pick<Deps, 'now' | 'log' | 'engine' | 'limits' | 'passwords'>>

/** Everything that is made once and closed at the end, in the order of need. Disposing closes it in reverse. */
export async function createDeps(config: Config, secrets: Secrets, overrides: Overrides = {}): Promise<Deps & AsyncDisposable & { setPublicUrl(url: string): void }> {
  await using made = new AsyncDisposableStack()
  if (!secrets.databaseUrl) throw new Error('DATABASE_URL is missing: start with "npm start", which brings a Postgres of its own')
  const breached = made.use(await openBreachedPasswords(config.breachedPasswordsFile))
  const log = overrides.log ?? createLog(config.logLevel)
  const { newId, randomBytes } = clock
  const now = overrides.now ?? clock.now
  await demandSafeSecrets(config, secrets)
  const nodeId = await readNodeId(config.dataDir, newId)
  const { db, sql, close } = connect(secrets.databaseUrl)
  made.defer(close)

  const revocations = made.use(await listenForRevocations({ db, sql, now, newId, log }))
  hearOwnCommits(db, revocations)
  const keys = made.use(await loadKeys({ db, log, now, newId, randomBytes, revocations, operatorSecrets: () => operatorSecrets(config.keysDir, config.production) }))
  const sealer = createKeyedSealer(keys)
  const engine = overrides.engine ?? made.use(await startOwnEngine(config, log))
  let publicUrl = config.publicUrl
  const closing = made.move()

  return {
    config,
    secrets,
    publicUrl: () => publicUrl ?? `http://127.0.0.1:${config.port}`,
    setPublicUrl: (url) => (publicUrl ??= url),
    db,
    sql,
    now,
    newId,
    nodeId,
    randomBytes,
    log,
    sealer,
    keys,
    cursors: createCursors(keys),
    breached,
    passwords: overrides.passwords ?? createPasswords(),
    limits: overrides.limits ?? createLimits({ sql, sealer }, config.rateLimitFactor),
    jobs,
    mailer: createMailer({ sealer, jobs, newId }),
    engine,
    revocations,
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  }
}

function startOwnEngine({ dataDir, torrent }: Config, log: Deps['log']): Promise<EngineClient> {
  return startEngine({
    settings: {
      dataDir: join(dataDir, 'torrents'),
      host: torrent.host,
      port: torrent.port,
      allowPrivateAddresses: torrent.allowPrivate,
      cacheBytes: torrent.cacheBytes,
      publishedBytes: torrent.publishedBytes,
      freeSpaceBytes: torrent.freeSpaceBytes,
      windowBytes: 32 * 1024 * 1024,
      idleMs: 60_000,
      connectionsPerTorrent: torrent.connectionsPerTitle,
      connections: torrent.connections,
      connectsPerAddress: torrent.connectsPerAddress,
      allowServicePorts: torrent.allowServicePorts,
      uploadBytesPerSecond: torrent.uploadBytesPerSecond,
      downloadBytesPerSecond: torrent.downloadBytesPerSecond,
      sharePercent: torrent.sharePercent,
      discovery: torrent.discovery,
      memoryBytes: torrent.memoryBytes,
    },
    onEvent: (event) => log.info(event, 'engine'),
  })
}
