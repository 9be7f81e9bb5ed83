/** What was typed makes no sense: exit code 2. The message names options, never their values, which may be secrets. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/** It was understood and could not be done: exit code 1. */
export class CommandFault extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** Says on standard error what an operator's command could not do, as JSON where that was asked for. @returns its exit code; throws what is a bug */
export function tellFault(error: unknown, { json, usage }: { json: boolean; usage: () => string }): 1 | 2 {
  if (error instanceof UsageError) {
    console.error(json ? JSON.stringify({ error: { code: 'usage', message: error.message } }) : `${error.message}\n\n${usage()}`)
    return 2
  }
  if (!(error instanceof CommandFault)) throw error
  console.error(json ? JSON.stringify({ error: { code: error.code, message: error.message } }) : error.message)
  return 1
}
