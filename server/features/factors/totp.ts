import { TimeSpan } from 'oslo'
import { generateHOTP, createTOTPKeyURI } from 'oslo/otp'
import { base32 } from 'oslo/encoding'
import { renderSVG } from 'uqr'
import { sameBytes } from '../../kit/secret-tokens.ts'

// The one place that knows oslo, which upstream has frozen (docs/decisions/0008): RFC 4226 and 6238 with what every
// authenticator app takes: SHA-1, 6 digits, 30 seconds.

const periodSeconds = 30
const digits = 6
/** Length of the HMAC's output, as RFC 4226 section 4 asks for. */
export const totpSecretBytes = 20
const issuer = 'torrent-streamer'

/** The time step of a moment. */
export const totpStep = (at: Date): number => Math.floor(at.getTime() / 1000 / periodSeconds)

/** The code of a time step. */
export const totpCode = (secret: Uint8Array, step: number): Promise<string> => generateHOTP(secret, step, digits)

/** The step whose code it is, one before and one after the present included (RFC 6238 section 5.2), or null. */
export async function matchingStep(secret: Uint8Array, code: string, at: Date): Promise<number | null> {
  const given = Buffer.from(code)
  let found: number | null = null
  // all three, whichever it is: no time tells which
  for (const step of [-1, 0, 1].map((offset) => totpStep(at) + offset)) {
    if (sameBytes(given, Buffer.from(await totpCode(secret, step)))) found = step
  }
  return found
}

/** What an authenticator app is told: to type, to open, to scan. */
export function totpKey(secret: Uint8Array, account: string): { secret: string; otpauthUri: string; qrSvg: string } {
  // all parameters are said, though they are what the format assumes: some apps keep assumptions of their own
  const otpauthUri = `${createTOTPKeyURI(issuer, account, secret, { digits, period: new TimeSpan(periodSeconds, 's') })}&algorithm=SHA1`
  return { secret: base32.encode(secret, { includePadding: false }), otpauthUri, qrSvg: renderSVG(otpauthUri, { ecc: 'M', border: 2 }) }
}
