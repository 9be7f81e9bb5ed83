import { execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import { SetUpFault } from '../set-up-fault.ts'

/** What the programs run here get to see of our environment: nothing of ours. */
export const plainEnvironment = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  TZ: 'UTC',
  NODE_ENV: 'production',
} as const

const run = (file: string, args: string[]) => promisify(execFile)(file, args, { env: plainEnvironment, cwd: '/' })

/** As whom the database runs: Postgres refuses root, so root hands it to the user `postgres`. Empty means "as we are". */
export type Account = { uid?: number; gid?: number }

const ids = async (): Promise<Account | undefined> => {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', 'postgres']), run('id', ['-g', 'postgres'])])
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
  } catch {
    return undefined
  }
}

/** Finds or makes the user that runs Postgres. Two of these at once are fine: whoever comes second finds the first's user. */
export async function postgresAccount(report: (line: string) => void): Promise<Account> {
  if (process.platform === 'win32') {
    throw new SetUpFault('The embedded Postgres runs on Linux and macOS; give DATABASE_URL on this system.')
  }
  if (process.getuid?.() !== 0) return {}
  const found = await ids()
  if (found) return found
  report('Making the system user postgres, because Postgres refuses to run as root.')
  const made = await run('useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', 'postgres']).then(
    () => undefined,
    (error: Error) => error,
  )
  const account = await ids()
  if (account) return account
  throw new SetUpFault(
    'Postgres refuses to run as root and the system user postgres could not be made; start as an ordinary user or give DATABASE_URL.',
    { cause: made },
  )
}

/** Runs a program to its end as the account, from a folder and with an environment that any account can use. */
export function runAs(account: Account, file: string, args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { ...account, cwd: '/', env: plainEnvironment, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.once('error', (error) =>
      reject(new SetUpFault(`The database's programs could not be run as the user it needs: ${error.message}.`, { cause: error })),
    )
    child.once('close', (code) => resolve({ code: code ?? 1, output: output.trim() }))
  })
}

/** Whether the account can enter the folder: a parent that is 0700 and someone else's stops it. */
export async function canEnter(account: Account, folder: string): Promise<boolean> {
  if (account.uid === undefined) return true
  const { code } = await runAs(account, '/bin/sh', ['-c', 'cd -- "$1"', 'sh', folder])
  return code === 0
}
