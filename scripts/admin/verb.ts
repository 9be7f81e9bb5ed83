import type { ParseArgsOptionsConfig } from 'node:util'
import type { z } from 'zod'
import type { Ctx } from '../../server/kit/context.ts'
import { UsageError } from './faults.ts'

/** `json` is the whole answer for programs, `text` the same for people. */
export type Answer = { json: unknown; text: string }
/** `password` is what came on standard input, if the verb takes one. */
export type Input = { values: Record<string, string | boolean | string[] | undefined>; password: string | null; now: Date }
export type Verb = {
  usage: string
  about: string
  options: ParseArgsOptionsConfig
  /** Reads the options, before the database is opened. @throws UsageError @returns what does the work */
  prepare(input: Input): (ctx: Ctx) => Promise<Answer>
}

export const text = { type: 'string' } as const
export const flag = { type: 'boolean' } as const

/** One option by its schema. @throws UsageError that names the option, not its value */
export function read<T extends z.ZodType>(schema: T, option: string, values: Input['values']): z.output<T> {
  const result = schema.safeParse(values[option])
  if (result.success) return result.data
  if (values[option] === undefined) throw new UsageError(`--${option} is missing.`)
  const [issue] = result.error.issues
  const allowed = issue?.code === 'invalid_value' ? `: one of ${issue.values.join(', ')}` : ''
  throw new UsageError(`--${option} is not valid${allowed}.`)
}
