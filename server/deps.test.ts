import { randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readConfig } from './config.ts'
import { createDeps } from './deps.ts'

test('a server in production opens nothing with bad secrets: all are named at once (control C4)', async () => {
  const home = await mkdtemp(join(tmpdir(), 'deps-'))
  try {
    await mkdir(join(home, 'keys'))
    await writeFile(join(home, 'keys', 'operator.key'), randomBytes(32).toString('hex'))
    await writeFile(join(home, 'key.pem'), 'a private key')
    // whatever the umask
    for (const file of ['keys/operator.key', 'key.pem']) await chmod(join(home, file), 0o604)
    const { config, secrets } = readConfig({
      PUBLIC_URL: 'https://tv.example.org', DATA_DIR: home, TLS_CERT_FILE: join(home, 'cert.pem'), TLS_KEY_FILE: join(home, 'key.pem'),
      // nobody listens there: a connection would be another error
      DATABASE_URL: 'postgres://ts_app:ts_app@127.0.0.1:1/tv', SMTP_URL: 'smtps://tv:changeme@mail.example.org',
    })
    await expect(createDeps(config, secrets)).rejects.toMatchObject({
      faults: ['DATABASE_URL', 'SMTP_URL', 'KEYS_DIR', 'TLS_KEY_FILE'].map((name) => expect.stringMatching(new RegExp(`^${name}\\b`))),
    })
  } finally {
    await rm(home, { recursive: true, force: true })
  }
})
