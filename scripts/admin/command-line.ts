import { parseArgs, type ParseArgsOptionsConfig } from 'node:util'
import { UsageError } from './faults.ts'
import type { Input, Verb } from './verb.ts'
import { verbs } from './verbs.ts'

export type Command = { verb: Verb; values: Input['values']; json: boolean; wantsPassword: boolean }

/** Reads the arguments after `admin`. @throws UsageError, which repeats no value that was typed */
export function readCommandLine(args: string[]): Command {
  const [name, ...rest] = args
  const verb = name === undefined ? undefined : Object.hasOwn(verbs, name) ? verbs[name] : undefined
  if (!verb) throw new UsageError(name === undefined || name.startsWith('-') ? 'A verb is missing.' : 'There is no such verb.')
  try {
    const options: ParseArgsOptionsConfig = { ...verb.options, json: { type: 'boolean' } }
    const values: Input['values'] = parseArgs({ args: rest, options, strict: true, allowPositionals: false }).values as Input['values']
    return { verb, values, json: values['json'] === true, wantsPassword: values['password-stdin'] === true }
  } catch (error) {
    // node's own messages repeat positional arguments, and somebody may have typed a password there
    const option = /^Unknown option '(--?[a-z-]+)/i.exec((error as Error).message)?.[1]
    throw new UsageError(option ? `${name} has no option ${option}.` : `The options of ${name} cannot be read.`)
  }
}

export function usage(): string {
  const lines = Object.entries(verbs).flatMap(([name, { usage: options, about }]) => [`  ${name} ${options}`.trimEnd(), `      ${about}`])
  return ['Usage: npm run --silent admin -- <verb> [options] [--json]', '', ...lines].join('\n')
}
