import { buildApp } from './app.ts'
import { ConfigError, readConfig } from './config.ts'
import { createDeps } from './deps.ts'
import { hasAdmin, makeSetupLink } from './features/auth/set-up.ts'
import { resumePublications } from './features/publishing/publishing.ts'
import { jobHandlers, schedule } from './jobs.ts'
import { startJobs } from './kit/jobs.ts'
import { logError } from './kit/log.ts'
import { demandSafeRole } from './kit/database-role.ts'

// The process that serves. scripts/start.ts starts it with a database and watches it; alone it needs DATABASE_URL.

const { config, secrets } = await orExplain(() => readConfig(process.env))
const deps = await orExplain(() => createDeps(config, secrets))
await orExplain(() => demandSafeRole(deps))
const app = await orExplain(() => buildApp(deps))
const address = await orExplain(() => app.listen({ host: config.host, port: config.port }))
deps.setPublicUrl(`${config.tls ? 'https' : 'http'}://localhost:${new URL(address).port}`)
const jobs = await orExplain(() => startJobs(deps, jobHandlers, schedule))
await orExplain(() => resumePublications(deps))
const setupLink = (await hasAdmin(deps)) ? undefined : (await makeSetupLink(deps)).url
const origin = deps.publicUrl()
process.send?.({ ready: true, urls: { console: origin, api: `${origin}/api/v1`, docs: `${origin}/api/v1/openapi.json` }, setupLink })
deps.log.info({ address }, 'listening')

let stopping = false
async function stop(why: string): Promise<void> {
  if (stopping) return
  stopping = true
  deps.log.info({ why }, 'stopping')
  // whatever hangs, the process ends within a bound
  setTimeout(() => process.exit(1), 10_000).unref()
  // one part that fails to stop must not keep the others, the engine above all, from being stopped
  for (const part of [() => jobs.stop(), () => app.close(), () => deps[Symbol.asyncDispose]()]) {
    await Promise.resolve(part()).catch((error: unknown) => logError(deps.log, error, 'a part of the server did not stop well'))
  }
  process.exit(0)
}
process.once('SIGTERM', () => void stop('SIGTERM'))
process.once('SIGINT', () => void stop('SIGINT'))
process.once('disconnect', () => void stop('the process that started this one has gone'))
process.on('unhandledRejection', (error) => logError(deps.log, error, 'a promise failed unheard'))

async function orExplain<T>(step: () => T | Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (error) {
    const { code, message, port } = error as NodeJS.ErrnoException & { port?: number }
    const sentence =
      code === 'EADDRINUSE' ? `Port ${port} is in use: stop what uses it, or set PORT to another.`
      : code === 'EACCES' && port ? `Port ${port} needs more rights: set PORT to 1024 or more.`
      : error instanceof ConfigError ? message
      : `The server could not start: ${message}`
    if (process.send) await new Promise((sent) => process.send?.({ failed: sentence }, sent))
    else process.stderr.write(`${sentence}\n`)
    process.exit(1)
  }
}
