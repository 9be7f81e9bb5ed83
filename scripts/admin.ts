/** `npm run --silent admin -- <verb>`: what an operator does at a terminal, against the configured database or the embedded one. */
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'
import { readCommandLine, usage } from './admin/command-line.ts'
import { tellFault } from './admin/faults.ts'
import { readPassword } from './admin/password-stdin.ts'

const args = process.argv.slice(2)
const json = args.includes('--json')

if (args[0] === 'help' || args[0] === '--help') console.log(usage())
else process.exitCode = await run()

async function run(): Promise<number> {
  try {
    const { verb, values, wantsPassword } = readCommandLine(args)
    const password = wantsPassword ? await readPassword(process.stdin) : null
    const work = verb.prepare({ values, password, now: new Date() })
    // the server's modules take a second to load, a quarter less from the cache: not for what was mistyped
    enableCompileCache(fileURLToPath(new URL('../.cache/compiled', import.meta.url)))
    const { asOperator } = await import('./admin/operator.ts')
    const answer = await asOperator(process.env, work)
    console.log(json ? JSON.stringify(answer.json) : answer.text)
    return 0
  } catch (error) {
    return tellFault(error, { json, usage })
  }
}
