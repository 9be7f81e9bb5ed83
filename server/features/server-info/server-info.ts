import type { z } from 'zod'
import manifest from '../../../package.json' with { type: 'json' }
import type { Ctx } from '../../kit/context.ts'
import type { ServerInfo } from './contract.ts'

/** What an app reads when its user enters the server's address. */
export function serverInfo({ config }: Ctx): z.infer<typeof ServerInfo> {
  return {
    name: manifest.name,
    version: manifest.version,
    apiVersion: 'v1',
    signUpPolicy: config.signUpPolicy,
    cataloguePublic: config.cataloguePublic,
    passwordMinLength: 12,
    passwordMaxLength: 128,
  }
}
