import { totpCode, totpStep } from '../features/factors/totp.ts'

export type SecondFactor = { method: 'totp' | 'recovery_code'; code: string }

/**
 * Someone's authenticator app on the test's clock, and their recovery codes. Each answer is good once: where the app has
 * shown every code that the server would take now, a recovery code stands in, so that no test waits for the next half minute.
 */
export function authenticatorApp(secret: Uint8Array, now: () => Date, newRecoveryCodes: () => Promise<string[]>): () => Promise<SecondFactor> {
  let last = 0
  let left: string[] = []
  return async () => {
    // not the step before: it would be too old by the time it is looked at, were the half minute to end in between
    const step = Math.max(totpStep(now()), last + 1)
    if (step <= totpStep(now()) + 1) {
      last = step
      return { method: 'totp', code: await totpCode(secret, step) }
    }
    if (left.length === 0) left = await newRecoveryCodes()
    return { method: 'recovery_code', code: left.shift() ?? '' }
  }
}
