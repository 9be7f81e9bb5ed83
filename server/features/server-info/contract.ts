import { z } from 'zod'

/** What a new password must be; that it must also be hard to guess, only the server can tell. */
const PasswordRules = z
  .object({ minLength: z.int(), maxLength: z.int(), mixedCase: z.boolean(), symbol: z.boolean(), breachedRefused: z.boolean().describe('Those known from breaches of other services are refused.') })
  .meta({ id: 'PasswordRules' })

/** What a client has to know before it offers something. Grows by a field for each thing that servers may lack. */
const ServerFeatures = z
  .object({
    androidPasskeys: z.boolean().describe('Android apps are named in /.well-known/assetlinks.json: passkeys work in those.'),
    iosPasskeys: z.boolean().describe('iOS apps are named in /.well-known/apple-app-site-association: passkeys work in those.'),
  })
  .meta({ id: 'ServerFeatures' })

const version = z.string().nullable()
/** The oldest versions of the app that the server works with, MAJOR.MINOR.PATCH; null for any. */
const MinAppVersions = z.object({ android: version, ios: version, desktop: version, web: version }).meta({ id: 'MinAppVersions' })

export const ServerInfo = z
  .object({
    name: z.string(),
    version: z.string(),
    apiVersion: z.string(),
    signUpPolicy: z.enum(['verified', 'invite', 'closed']).meta({ id: 'SignUpPolicy' }),
    cataloguePublic: z.boolean(),
    features: ServerFeatures,
    passwordRules: PasswordRules,
    minAppVersions: MinAppVersions,
    privacyUrl: z.string().nullable().describe('https, for people.'),
    termsUrl: z.string().nullable().describe('https, for people.'),
  })
  .meta({ id: 'ServerInfo' })
