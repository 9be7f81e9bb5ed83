import { z } from 'zod'

export const ServerInfo = z
  .object({
    name: z.string(),
    version: z.string(),
    apiVersion: z.string(),
    signUpPolicy: z.enum(['verified', 'invite', 'closed']).meta({ id: 'SignUpPolicy' }),
    cataloguePublic: z.boolean(),
    passwordMinLength: z.int(),
    passwordMaxLength: z.int(),
  })
  .meta({ id: 'ServerInfo' })
