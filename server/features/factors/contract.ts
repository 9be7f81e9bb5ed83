import { z } from 'zod'
import { Id, line, SignInMethod, Time } from '../../kit/zod.ts'
import { Device, Password } from '../auth/contract.ts'

/** Six digits of an authenticator app, or a recovery code as a person types it. */
const Code = z.string().min(6).max(40)
/** What navigator.credentials gave, as JSON text (WebAuthn level 3, 5.1): `RegistrationResponseJSON`, `AuthenticationResponseJSON`. */
const CredentialJson = z.string().min(2).max(20_000)

export const VerifyMfa = z
  .strictObject({ challengeId: Id, method: z.enum(['totp', 'recovery_code', 'passkey']).meta({ id: 'MfaMethod' }), code: Code.optional(), assertion: CredentialJson.optional() })
  .meta({ id: 'VerifyMfa' })

export const PasskeyChallenge = z
  .object({ challengeId: Id, options: z.string().describe('JSON text for navigator.credentials: of create() to add a passkey, of get() to sign in with one.'), expiresAt: Time })
  .meta({ id: 'PasskeyChallenge' })
export const FinishPasskeySignIn = z.strictObject({ challengeId: Id, assertion: CredentialJson, device: Device.optional() }).meta({ id: 'FinishPasskeySignIn' })

export const BeginStepUp = z.strictObject({ method: SignInMethod }).meta({ id: 'BeginStepUp' })
export const StepUpChallenge = z
  .object({
    challengeId: Id,
    method: SignInMethod,
    needsPassword: z.boolean().describe('The proof must hold the password: alone, or beside the code.'),
    passkeyOptions: z.string().nullable(),
    expiresAt: Time,
  })
  .meta({ id: 'StepUpChallenge' })
export const FinishStepUp = z
  .strictObject({ challengeId: Id, password: Password.optional(), code: Code.optional(), assertion: CredentialJson.optional() })
  .meta({ id: 'FinishStepUp' })

export const TotpEnrolment = z
  .object({ secret: z.string().describe('Base32, for typing.'), otpauthUri: z.string(), qrSvg: z.string(), expiresAt: Time })
  .meta({ id: 'TotpEnrolment' })
export const ConfirmTotp = z.strictObject({ code: z.string().regex(/^\d{6}$/, 'must be 6 digits') }).meta({ id: 'ConfirmTotp' })
export const RecoveryCodes = z
  .object({ recoveryCodes: z.array(z.string()).describe('Shown this once. Empty where the ones made before stay good.') })
  .meta({ id: 'RecoveryCodes' })

export const Passkey = z.object({ id: Id, name: z.string(), createdAt: Time, lastUsedAt: Time.nullable(), backedUp: z.boolean() }).meta({ id: 'Passkey' })
export const Passkeys = z.object({ items: z.array(Passkey) }).meta({ id: 'Passkeys' })
export const PasskeyRef = z.strictObject({ passkeyId: Id })
export const FinishPasskey = z.strictObject({ challengeId: Id, name: line(80), attestation: CredentialJson }).meta({ id: 'FinishPasskey' })
export const NewPasskey = z
  .object({ passkey: Passkey, recoveryCodes: z.array(z.string()).describe('Of someone’s first factor, shown this once; else empty.') })
  .meta({ id: 'NewPasskey' })

export const FactorState = z
  .object({
    totpConfirmedAt: Time.nullable(),
    recoveryCodesLeft: z.int().min(0).max(10),
    passkeys: z.array(Passkey),
    required: z.boolean().describe('This account may not be without a second factor.'),
  })
  .meta({ id: 'FactorState' })

export const ResetFactors = z.strictObject({ userId: Id })
