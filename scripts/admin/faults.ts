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
