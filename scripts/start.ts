/** `npm start`: starts an instance with the settings of the environment and keeps it running until it is told to stop. */
import { once } from 'node:events'
import { SetUpFault } from '../db/set-up-fault.ts'
import { ConfigError } from '../server/config.ts'
import { type Instance, startInstance } from './setup/instance.ts'

const report = (line: string) => console.error(line)
const began = performance.now()
// Where somebody watches, the log would drown the lines that matter.
const log = process.stdout.isTTY ? 'file' : 'inherit'

const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // npm passes a terminal's Ctrl-C on, so it may come twice.
    if (!stopping.signal.aborted) report('Stopping.')
    stopping.abort()
  })
}

try {
  const instance = await startInstance({ env: process.env, report, log, signal: stopping.signal })
  announce(instance)
  const told = stopping.signal.aborted ? undefined : once(stopping.signal, 'abort').then(() => undefined)
  const failed = await Promise.race([instance.failed, told])
  await instance.stop()
  if (failed) throw failed
} catch (error) {
  if (!stopping.signal.aborted) {
    if (!(error instanceof SetUpFault || error instanceof ConfigError)) throw error
    report(error.message)
    process.exitCode = 1
  }
}

function announce({ urls, setupLink, dataDir }: Instance) {
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  const rows = [
    `Ready after ${seconds} s.`,
    `  Console       ${urls.console}`,
    `  API           ${urls.api}`,
    `  API document  ${urls.docs}`,
    `  Data folder   ${dataDir}`,
    ...(log === 'file' ? [`  Log           ${dataDir}/server.log`] : []),
    ...(setupLink ? ['', 'There is no admin yet. This link makes the first one; it works once, within the hour:', `  ${setupLink}`] : []),
    '',
    'Ctrl-C stops it.',
  ]
  for (const row of rows) report(row)
}
