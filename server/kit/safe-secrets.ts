import { stat } from 'node:fs/promises'
import { ConfigError, type Config, type Secrets } from '../config.ts'
import { operatorFile, operatorSecrets } from './operator-secret.ts'
import { examples } from './weak-secrets.ts'

const shortestPassword = 12

/**
 * Names every secret that production must not run with: missing, weak, an example, readable by others (control C4).
 * @throws ConfigError
 */
export async function demandSafeSecrets({ production, tls, keysDir }: Config, { databaseUrl, databaseOwnerUrl, databaseMaintenanceUrl, smtpUrl }: Secrets): Promise<void> {
  if (!production) return
  const faults = [
    passwordFault('DATABASE_URL', databaseUrl, shortestPassword),
    // set-up has these, the server does not
    passwordFault('DATABASE_OWNER_URL', databaseOwnerUrl, shortestPassword),
    passwordFault('DATABASE_MAINTENANCE_URL', databaseMaintenanceUrl, shortestPassword),
    // its length is the mail provider's business
    passwordFault('SMTP_URL', smtpUrl, 1),
    ...(await operatorFaults(keysDir)),
    await modeFault('KEYS_DIR', operatorFile(keysDir), 0o077),
    // systems have a group for those who may read such keys
    tls ? await modeFault('TLS_KEY_FILE', tls.keyFile, 0o007) : null,
  ].filter((fault) => fault !== null)
  if (faults.length > 0) throw new ConfigError(faults)
}

const operatorFaults = (keysDir: string): Promise<string[]> =>
  operatorSecrets(keysDir, true).then(
    () => [],
    (error: unknown) => {
      if (error instanceof ConfigError) return error.faults
      throw error
    },
  )

function passwordFault(setting: string, url: string | null, shortest: number): string | null {
  if (url === null) return null
  const { username, password: encoded } = new URL(url)
  // none: a socket or a certificate speaks for the login
  if (encoded === '') return null
  const password = decodeURIComponent(encoded)
  if (examples.includes(password.toLowerCase()) || password === decodeURIComponent(username)) return `${setting} has a password that is a known example; set a random one`
  return password.length < shortest ? `${setting} has a password of fewer than ${shortest} characters; set a random one` : null
}

/** A file that others on the machine may read is no secret. Windows has no such modes, and a missing file is told where it is read. */
async function modeFault(setting: string, file: string, others: number): Promise<string | null> {
  if (process.platform === 'win32') return null
  const mode = await stat(file).then((found) => found.mode & 0o777, () => 0)
  return (mode & others) === 0 ? null : `${setting}: ${file} can be read by others (mode ${mode.toString(8).padStart(4, '0')}); chmod 600 ${file}`
}
