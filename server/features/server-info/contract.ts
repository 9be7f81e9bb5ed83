import { z } from 'zod'

/** What a new password must be; that it must also be hard to guess, only the server can tell. */
const PasswordRules = z
  .object({ minLength: z.int(), maxLength: z.int(), mixedCase: z.boolean(), symbol: z.boolean(), breachedRefused: z.boolean().describe('Those known from breaches of other services are refused.') })
  .meta({ id: 'PasswordRules' })

export const ServerInfo = z
  .object({
    name: z.string(),
    version: z.string(),
    apiVersion: z.string(),
    signUpPolicy: z.enum(['verified', 'invite', 'closed']).meta({ id: 'SignUpPolicy' }),
    cataloguePublic: z.boolean(),
    passwordRules: PasswordRules,
  })
  .meta({ id: 'ServerInfo' })
