import { Session } from '../../server/features/auth/contract.ts'
import { RecoveryCodes, TotpEnrolment } from '../../server/features/factors/contract.ts'
import { totpCode, totpStep } from '../../server/features/factors/totp.ts'
import type { PublicApi } from './public-api.ts'

/** Someone's authenticator app and recovery codes. Each answer is good once. */
export class Authenticator {
  readonly #secret: Uint8Array
  readonly recoveryCodes: string[] = []
  #last = 0
  /** @param secret base32, as the page and the API show it */
  constructor(secret: string) {
    this.#secret = base32(secret)
  }

  /** A code that was not used yet; the server takes those of the half minutes before and after the present one too. @throws Error when all three are used */
  async code(): Promise<string> {
    const now = totpStep(new Date())
    this.#last = Math.max(now - 1, this.#last + 1)
    if (this.#last > now + 1) throw new Error('every code of this half minute and of its neighbours is used')
    return totpCode(this.#secret, this.#last)
  }
}

/** Sets an authenticator app up through the public API, as an app would. */
export async function enrolAuthenticator(api: PublicApi, token: string): Promise<Authenticator> {
  const { secret } = await api.call('POST', '/users/me/mfa/totp', { token, answer: TotpEnrolment })
  const authenticator = new Authenticator(secret)
  const { recoveryCodes } = await api.call('POST', '/users/me/mfa/totp/confirm', { token, body: { code: await authenticator.code() }, answer: RecoveryCodes })
  authenticator.recoveryCodes.push(...recoveryCodes)
  return authenticator
}

/** Signs in by password and, where it is asked for, by the app. @returns an access token */
export async function signIn(api: PublicApi, { email, password, authenticator }: { email: string; password: string; authenticator?: Authenticator }): Promise<string> {
  let session = await api.call('POST', '/auth/sign-in', { body: { email, password }, answer: Session })
  if (session.mfa && authenticator) {
    const { challengeId } = session.mfa
    session = await api.call('POST', '/auth/mfa/verify', { body: { challengeId, method: 'totp', code: await authenticator.code() }, answer: Session })
  }
  if (!session.tokens) throw new Error('the sign-in gave no tokens')
  return session.tokens.accessToken
}

/** RFC 4648 section 6, without padding. */
function base32(text: string): Uint8Array {
  const bits = [...text].map((sign) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(sign).toString(2).padStart(5, '0')).join('')
  return Uint8Array.from(bits.match(/.{8}/g) ?? [], (byte) => Number.parseInt(byte, 2))
}
