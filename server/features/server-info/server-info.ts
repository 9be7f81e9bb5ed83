import type { z } from 'zod'
import manifest from '../../../package.json' with { type: 'json' }
import type { Ctx } from '../../kit/context.ts'
import { passwordLength } from '../auth/contract.ts'
import type { ServerInfo } from './contract.ts'

/** What an app reads when its user enters the server's address. */
export function serverInfo({ config }: Ctx): z.infer<typeof ServerInfo> {
  return {
    name: manifest.name,
    version: manifest.version,
    apiVersion: 'v1',
    signUpPolicy: config.signUpPolicy,
    cataloguePublic: config.cataloguePublic,
    features: { androidPasskeys: config.androidApps.length > 0, iosPasskeys: config.iosApps.length > 0 },
    passwordRules: {
      minLength: passwordLength.min,
      maxLength: passwordLength.max,
      mixedCase: config.passwordStrict,
      symbol: config.passwordStrict,
      breachedRefused: config.breachedPasswordsFile !== null,
    },
    minAppVersions: { android: null, ios: null, desktop: null, web: null, ...config.minAppVersions },
    privacyUrl: config.privacyUrl,
    termsUrl: config.termsUrl,
  }
}
