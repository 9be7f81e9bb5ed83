/** `npm run --silent keys -- <verb>`: the keys of this deployment, listed, replaced and destroyed by an operator at a terminal. */
import { parseArgs } from 'node:util'
import { tellFault, UsageError } from './admin/faults.ts'
import { usage, verbs } from './keys/verbs.ts'

const args = process.argv.slice(2)
const json = args.includes('--json')

if (args[0] === 'help' || args[0] === '--help') console.log(usage())
else process.exitCode = await run()

async function run(): Promise<number> {
  try {
    const [name = '', ...words] = read(args)
    const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined
    if (!verb) throw new UsageError(name === '' ? 'A verb is missing.' : 'There is no such verb.')
    const answer = await verb.prepare(words)(process.env)
    console.log(json ? JSON.stringify(answer.json) : answer.text)
    // as JSON they are in the answer
    for (const warning of (json ? [] : answer.warnings) ?? []) console.error(warning)
    return 0
  } catch (error) {
    return tellFault(error, { json, usage })
  }
}

function read(given: string[]): string[] {
  try {
    return parseArgs({ args: given, options: { json: { type: 'boolean' } }, strict: true, allowPositionals: true }).positionals
  } catch {
    throw new UsageError('The options cannot be read.')
  }
}
