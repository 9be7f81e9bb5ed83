import { totpCode, totpStep } from '../features/factors/totp.ts'

export type SecondFactor = { method: 'totp' | 'recovery_code'; code: string }

/**
 * Someone's authenticator app on the test's clock, and their recovery codes. Each answer is good once: where the app has
 * shown every code that the server would take now, a recovery code stands in, so that no test waits for the next half minute.
 */
export function authenticatorApp(secret: Uint8Array, recoveryCodes: readonly string[], now: () => Date): () => Promise<SecondFactor> {
  let last = 0
  const left = [...recoveryCodes]
  return async () => {
    const step = Math.max(totpStep(now()) - 1, last + 1)
    if (step <= totpStep(now()) + 1) {
      last = step
      return { method: 'totp', code: await totpCode(secret, step) }
    }
    const code = left.shift()
    if (code === undefined) throw new Error('this person has no recovery code left')
    return { method: 'recovery_code', code }
  }
}
