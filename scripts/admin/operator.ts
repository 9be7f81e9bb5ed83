import { SetUpFault } from '../../db/set-up-fault.ts'
import { ConfigError, type Config, type Secrets } from '../../server/config.ts'
import { createDeps } from '../../server/deps.ts'
import type { EngineClient } from '../../server/engine/client.ts'
import { EngineError } from '../../server/engine/contract.ts'
import { auditFor } from '../../server/kit/audit.ts'
import type { Ctx } from '../../server/kit/context.ts'
import { AppError } from '../../server/kit/errors.ts'
import { createLog } from '../../server/kit/log.ts'
import { withDatabase } from '../setup/database.ts'
import { CommandFault } from './faults.ts'

/**
 * Runs work as the operator at a terminal, over the same rules as everybody: every change is an audit row of the actor `operator`.
 * The database is that of the running service, or one started for as long as it takes.
 * @throws CommandFault
 */
export async function asOperator<T>(env: NodeJS.ProcessEnv, work: (ctx: Ctx) => Promise<T>): Promise<T> {
  try {
    return await withDatabase(env, (line) => process.stderr.write(`${line}\n`), async ({ config, secrets, urls, instanceUrl }) => {
      await using ctx = await openContext(config, { ...secrets, databaseUrl: urls.app }, instanceUrl)
      return await work(ctx)
    })
  } catch (error) {
    throw faultOf(error)
  }
}

async function openContext(config: Config, secrets: Secrets, instanceUrl: string | undefined): Promise<Ctx & AsyncDisposable> {
  // standard output belongs to the answer
  const log = createLog('error', { write: (line) => void process.stderr.write(line) })
  const deps = await createDeps(config, secrets, { log, engine: noEngine })
  if (instanceUrl !== undefined) deps.setPublicUrl(instanceUrl)
  const actor = { kind: 'operator' } as const
  const request = { id: `terminal-${process.pid}`, ip: '127.0.0.1', headers: {}, idempotencyKey: null }
  return { ...deps, actor, request, audit: auditFor(deps, actor, request) }
}

/** Never a query's values: drizzle puts them into its messages, and they may be hashes and addresses. */
function faultOf(error: unknown): CommandFault {
  if (error instanceof CommandFault) return error
  if (error instanceof AppError) return new CommandFault(error.code, error.message)
  if (error instanceof ConfigError) return new CommandFault('settings', error.message)
  if (error instanceof SetUpFault) return new CommandFault('set_up', error.message)
  const { cause } = error as Error
  const said = cause instanceof Error ? cause.message : (error as Error).message
  return new CommandFault('failed', `It did not work: ${said.split('\nparams:')[0]}`)
}

const refused = () => Promise.reject(new EngineError('unavailable', 'The engine runs with the service only.'))
const noEngine: EngineClient = {
  dataDir: '',
  alive: () => false,
  listening: () => null,
  open: refused,
  metadata: refused,
  warm: refused,
  buffered: refused,
  stage: refused,
  publish: refused,
  discard: refused,
  seed: refused,
  remove: refused,
  evict: refused,
  stats: refused,
  reader: () => {
    throw new EngineError('unavailable', 'The engine runs with the service only.')
  },
  [Symbol.asyncDispose]: () => Promise.resolve(),
}
