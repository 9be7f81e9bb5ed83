import { randomBytes, randomUUID } from 'node:crypto'

/** Time, ids and randomness of the running system; a test passes its own. */
export const clock = {
  now: () => new Date(),
  newId: () => randomUUID() as string,
  randomBytes: (length: number): Uint8Array => randomBytes(length),
}
