import * as argon2 from '@node-rs/argon2'
import { Unavailable } from './errors.ts'

// Argon2id (the library's default) with OWASP's parameters: 19 MiB, 2 passes, 1 lane; about 10 ms a hash.
const owasp = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }

export type Passwords = {
  hash(password: string): Promise<string>
  /** With a null hash (no such account) the same work is done and the answer is false (control A7). */
  matches(hash: string | null, password: string): Promise<boolean>
  /** Was the hash made with less than today's parameters? It is then made anew when its password comes by (control A5). */
  outdated(hash: string): boolean
}

/** What is used of the library; a test counts the calls. */
export type Argon = Pick<typeof argon2, 'hash' | 'verify'>

/**
 * Argon2id behind a gate: at most `atOnce` hashes run, `waiting` more wait, the rest get 503,
 * so that guesses cannot exhaust CPU or memory (control A6).
 */
export function createPasswords({ atOnce = 2, waiting = 256, parameters = owasp } = {}, { hash, verify }: Argon = argon2): Passwords {
  const queue: (() => void)[] = []
  let running = 0
  const gated = async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= atOnce) {
      if (queue.length >= waiting) throw new Unavailable('too many passwords are being hashed')
      await new Promise<void>((resolve) => queue.push(resolve))
    } else running += 1
    try {
      return await work()
    } finally {
      const next = queue.shift()
      if (next) next()
      else running -= 1
    }
  }
  let decoy: Promise<string> | null = null
  const makeDecoy = () =>
    gated(() => hash('no account has this password', parameters)).catch((error: unknown) => {
      decoy = null
      throw error
    })
  return {
    hash: (password) => gated(() => hash(password, parameters)),
    async matches(stored, password) {
      const against = stored ?? (await (decoy ??= makeDecoy()))
      const right = await gated(() => verify(against, password))
      return stored !== null && right
    },
    outdated(stored) {
      const [, m = 0, t = 0, p = 0] = (/^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$/.exec(stored) ?? []).map(Number)
      return m < parameters.memoryCost || t < parameters.timeCost || p < parameters.parallelism
    },
  }
}
