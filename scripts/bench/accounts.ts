import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { Session } from '../../server/features/auth/contract.ts'
import { runAdmin } from '../demo/admin-command.ts'
import { PublicApi } from '../demo/public-api.ts'
import type { Instance } from '../setup/instance.ts'

export type BenchInstance = { instance: Instance; env: NodeJS.ProcessEnv }

export type Viewer = { email: string; password: string }
export type Tokens = { accessToken: string; refreshToken: string }

export async function makeViewer({ env }: Pick<BenchInstance, 'env'>): Promise<Viewer> {
  const email = `${randomBytes(6).toString('hex')}@example.org`
  const { password } = await runAdmin(['create-user', '--email', email, '--role', 'user'], { env, answer: z.object({ password: z.string() }) })
  return { email, password }
}

/** The access token is good for a quarter of an hour, longer than any bench. */
export async function signIn({ instance }: Pick<BenchInstance, 'instance'>, { email, password }: Viewer): Promise<Tokens> {
  const { tokens } = await new PublicApi(instance.baseUrl).call('POST', '/auth/sign-in', { body: { email, password }, answer: Session })
  if (!tokens?.refreshToken) throw new Error('the sign-in gave no tokens')
  return { accessToken: tokens.accessToken, refreshToken: tokens.refreshToken }
}

export const viewerTokens = async (bench: BenchInstance): Promise<Tokens> => signIn(bench, await makeViewer(bench))
export const viewerToken = async (bench: BenchInstance): Promise<string> => (await viewerTokens(bench)).accessToken
