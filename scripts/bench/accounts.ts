import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { Session } from '../../server/features/auth/contract.ts'
import { runAdmin } from '../demo/admin-command.ts'
import { PublicApi } from '../demo/public-api.ts'
import type { Instance } from '../setup/instance.ts'

export type BenchInstance = { instance: Instance; env: NodeJS.ProcessEnv }

/** The tokens of a new viewer: the access token is good for a quarter of an hour, longer than any bench. */
export async function viewerTokens({ instance, env }: BenchInstance): Promise<{ accessToken: string; refreshToken: string }> {
  const email = `${randomBytes(6).toString('hex')}@example.org`
  const { password } = await runAdmin(['create-user', '--email', email, '--role', 'user'], { env, answer: z.object({ password: z.string() }) })
  const { tokens } = await new PublicApi(instance.baseUrl).call('POST', '/auth/sign-in', { body: { email, password }, answer: Session })
  if (!tokens?.refreshToken) throw new Error('the sign-in gave no tokens')
  return { accessToken: tokens.accessToken, refreshToken: tokens.refreshToken }
}

export const viewerToken = async (bench: BenchInstance): Promise<string> => (await viewerTokens(bench)).accessToken
