import { z } from 'zod'
import { Id, line, Time } from '../../kit/zod.ts'

/** Verified exactly as received: nothing is trimmed or normalised (control A5). */
export const NewPassword = z.string().min(12).max(128)
const Password = z.string().min(1).max(128)
export const Email = z.email().max(254)
export const Locale = z.enum(['en', 'fr']).meta({ id: 'UserLocale' })
export const Role = z.enum(['user', 'moderator', 'admin']).meta({ id: 'Role' })

export const Device = z.strictObject({ name: line(80), platform: z.enum(['android', 'ios', 'web', 'desktop', 'other']).meta({ id: 'DevicePlatform' }) }).meta({ id: 'Device' })

export const SignUp = z.strictObject({ email: Email, password: NewPassword, name: line(80).optional(), locale: Locale.optional() }).meta({ id: 'SignUp' })
export const Flow = z.object({ flowId: Id }).meta({ id: 'Flow' })
export const VerifyEmail = z.strictObject({ flowId: Id, code: z.string().regex(/^\d{8}$/, 'must be 8 digits'), device: Device.optional() }).meta({ id: 'VerifyEmail' })
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
    refreshToken: z.string(),
    refreshTokenExpiresAt: Time,
    tokenType: z.enum(['Bearer']).meta({ id: 'TokenType' }),
  })
  .meta({ id: 'Tokens' })

export const Session = z
  .object({ status: z.enum(['signed_in', 'mfa_required']).meta({ id: 'SessionStatus' }), user: User.nullable(), tokens: Tokens.nullable() })
  .meta({ id: 'Session' })
