import { text } from 'node:stream/consumers'
import type { ReadStream } from 'node:tty'
import { UsageError } from './faults.ts'

/** A password from a pipe, less the line end that `echo` adds: never from the arguments, which everybody on the machine can read. */
export async function readPassword(input: NodeJS.ReadStream | ReadStream): Promise<string> {
  if (input.isTTY) throw new UsageError('Give the password through a pipe: typed here it would be shown.')
  const password = (await text(input)).replace(/\r?\n$/, '')
  if (!password) throw new UsageError('There was no password on standard input.')
  if (/[\r\n]/.test(password)) throw new UsageError('Standard input must hold the password alone, on one line.')
  return password
}
