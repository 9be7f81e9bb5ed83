import { chown, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { type Account, runAs } from './account.ts'
import type { Binaries } from './binaries.ts'
import { SetUpFault } from '../set-up-fault.ts'

// Only loopback, only with a password; no entry for replication.
const HOST_RULES = 'host all all 127.0.0.1/32 scram-sha-256\n'

// The builtin provider sorts alike on every system. The character types still come from the system's locale: pg_trgm asks them
// what a letter is, and under "C" it drops every letter beyond ASCII.
const LOCALE = [
  '--encoding=UTF8',
  '--locale-provider=builtin',
  '--builtin-locale=C.UTF-8',
  '--locale=C',
  `--lc-ctype=${process.platform === 'darwin' ? 'en_US.UTF-8' : 'C.UTF-8'}`,
]

/** `durable`: on disk for certain before it is used. */
type New = { superuserPassword: string; durable: boolean }

/** Makes a cluster at `folder`. It gets that name only when it is whole, so a killed start leaves nothing that looks like one. */
export async function makeCluster(folder: string, account: Account, binaries: Binaries, { superuserPassword, durable }: New): Promise<void> {
  await removeDrafts(folder)
  const draft = `${folder}.draft-${process.pid}`
  const secrets = await mkdtemp(join(tmpdir(), 'torrent-streamer-'))
  const own = (path: string) => (account.uid === undefined ? undefined : chown(path, account.uid, account.gid ?? account.uid))
  try {
    await mkdir(draft, { mode: 0o700 })
    await own(draft)
    const passwordFile = join(secrets, 'password')
    await writeFile(passwordFile, `${superuserPassword}\n`, { mode: 0o600 })
    await own(passwordFile)
    await own(secrets)
    const made = await runAs(account, binaries.initdb, [
      `--pgdata=${draft}`,
      '--username=postgres',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--data-checksums',
      '--no-instructions',
      ...(durable ? [] : ['--no-sync']),
      ...LOCALE,
    ])
    if (made.code !== 0) throw new SetUpFault(`The database could not be made: ${reasonIn(made.output)}`, { cause: made.output })
    await writeFile(join(draft, 'pg_hba.conf'), HOST_RULES, { mode: 0o600 })
    await rename(draft, folder)
  } finally {
    await rm(secrets, { recursive: true, force: true })
    await rm(draft, { recursive: true, force: true })
  }
}

async function removeDrafts(folder: string) {
  const drafts = (await readdir(dirname(folder))).filter((name) => name.startsWith(`${basename(folder)}.draft-`))
  for (const name of drafts) await rm(join(dirname(folder), name), { recursive: true, force: true })
}

/** Where initdb says why: what comes last is what it cleans up. */
const reasonIn = (output: string) => output.split('\n').findLast((line) => /error|fatal|panic|signal|could not/i.test(line)) ?? output
