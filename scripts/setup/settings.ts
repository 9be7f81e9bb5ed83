import { readConfig, type Config, type Secrets } from '../../server/config.ts'
import { demandSafeSecrets } from '../../server/kit/safe-secrets.ts'

export type Settings = { config: Config; secrets: Secrets }

/**
 * The settings of a start or of an operator's command. What production must not run with is refused here, before anything is
 * made or connected to: the server never sees the addresses of the owner and of maintenance (control C4). @throws ConfigError
 */
export async function readSafeSettings(env: NodeJS.ProcessEnv): Promise<Settings> {
  const { config, secrets } = readConfig(env)
  await demandSafeSecrets(config, secrets)
  return { config, secrets }
}
