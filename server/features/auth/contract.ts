import { z } from 'zod'
import { Id, line, Time } from '../../kit/zod.ts'
import { canonicalEmail } from '../../lib/email-addresses.ts'

export const passwordLength = { min: 12, max: 128 }

/** Taken exactly as received: nothing is trimmed or normalised (control A5). Characters are counted, an emoji is one. */
const characters = (text: string): number => [...text].length
export const Password = z
  .string()
  .min(1)
  .max(2 * passwordLength.max)
  .refine((v) => characters(v) <= passwordLength.max, { error: `must have at most ${passwordLength.max} characters`, params: { code: 'too_long' } })
  .meta({ maxLength: passwordLength.max })
export const NewPassword = Password.refine((v) => characters(v) >= passwordLength.min, {
  error: `must have at least ${passwordLength.min} characters`,
  params: { code: 'too_short' },
}).meta({ minLength: passwordLength.min, maxLength: passwordLength.max })
export const Email = z
  .string()
  .max(254)
  .refine((text) => canonicalEmail(text) !== null, 'must be an e-mail address')
  .meta({ format: 'email' })
const Code = z.string().regex(/^\d{8}$/, 'must be 8 digits')
export const Locale = z.enum(['en', 'fr']).meta({ id: 'UserLocale' })
export const Role = z.enum(['user', 'moderator', 'admin']).meta({ id: 'Role' })

export const Device = z
  .strictObject({
    name: line(80),
    platform: z.enum(['android', 'ios', 'web', 'desktop', 'other']).meta({ id: 'DevicePlatform' }),
    token: z.string().min(1).max(200).optional().describe('The deviceToken of an earlier sign-in: strangers who guess cannot lock this device out.'),
  })
  .meta({ id: 'Device' })

export const SignUp = z
  .strictObject({
    email: Email,
    password: NewPassword,
    name: line(80).optional(),
    locale: Locale.optional(),
    inviteCode: z.string().min(1).max(200).optional().describe('Needed where GET /server says that the policy is invite.'),
  })
  .meta({ id: 'SignUp' })
export const Flow = z.object({ flowId: Id }).meta({ id: 'Flow' })
export const VerifyEmail = z.strictObject({ flowId: Id, code: Code, device: Device.optional() }).meta({ id: 'VerifyEmail' })
export const ResendCode = z.strictObject({ flowId: Id }).meta({ id: 'ResendCode' })
export const ForgotPassword = z.strictObject({ email: Email }).meta({ id: 'ForgotPassword' })
export const ResetPassword = z.strictObject({ flowId: Id, code: Code, newPassword: NewPassword }).meta({ id: 'ResetPassword' })
export const ChangeEmail = z.strictObject({ newEmail: Email }).meta({ id: 'ChangeEmail' })
export const ConfirmEmailChange = z.strictObject({ flowId: Id, code: Code }).meta({ id: 'ConfirmEmailChange' })
export const SignIn = z.strictObject({ email: Email, password: Password, device: Device.optional() }).meta({ id: 'SignIn' })
export const Refresh = z.strictObject({ refreshToken: z.string().min(1).max(200) }).meta({ id: 'Refresh' })
export const ChangePassword = z.strictObject({ currentPassword: Password, newPassword: NewPassword }).meta({ id: 'ChangePassword' })
export const SetUp = z.strictObject({ token: z.string().min(1).max(200), email: Email, password: NewPassword, name: line(80).optional() })

export const User = z
  .object({ id: Id, email: z.string(), name: z.string().nullable(), locale: Locale, role: Role, createdAt: Time })
  .meta({ id: 'User' })

export const Tokens = z
  .object({
    accessToken: z.string(),
    accessTokenExpiresAt: Time,
    refreshToken: z.string().nullable().describe('Null after a step-up: the one you have stays good.'),
    refreshTokenExpiresAt: Time.nullable(),
    tokenType: z.enum(['Bearer']).meta({ id: 'TokenType' }),
  })
  .meta({ id: 'Tokens' })

const DeviceToken = z
  .string()
  .nullable()
  .describe('On a device that was not known: keep it beside the refresh token, through sign-out, and send it as device.token at the next sign-in to this account.')

/** A second factor is to be proved, by one of the methods. */
export const MfaChallenge = z
  .object({
    challengeId: Id,
    methods: z.array(z.enum(['totp', 'recovery_code', 'passkey']).meta({ id: 'FactorMethod' })),
    passkeyOptions: z.string().nullable().describe('JSON text for navigator.credentials.get(), where a passkey would do.'),
    expiresAt: Time,
  })
  .meta({ id: 'MfaChallenge' })

export const Session = z
  .object({ status: z.enum(['signed_in', 'mfa_required']).meta({ id: 'SessionStatus' }), user: User.nullable(), tokens: Tokens.nullable(), mfa: MfaChallenge.nullable(), deviceToken: DeviceToken })
  .meta({ id: 'Session' })
