import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ConfigError, readConfig } from '../config.ts'
import { demandSafeSecrets } from './safe-secrets.ts'

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'safe-secrets-'))
  await writeFile(join(home, 'operator.key'), randomBytes(32).toString('hex'), { mode: 0o600 })
  await writeFile(join(home, 'key.pem'), 'a private key', { mode: 0o640 })
})
afterEach(() => rm(home, { recursive: true, force: true }))

const production = (over: Record<string, string> = {}) => ({
  PUBLIC_URL: 'https://tv.example.org', KEYS_DIR: home, TLS_CERT_FILE: join(home, 'cert.pem'), TLS_KEY_FILE: join(home, 'key.pem'),
  DATABASE_URL: 'postgres://ts_app:vG7qk2Zp9wXr4@db.example.org/tv', SMTP_URL: 'smtps://tv:x8Qz@mail.example.org', ...over,
})
async function faults(env: Record<string, string>): Promise<string[]> {
  const { config, secrets } = readConfig(env)
  try {
    await demandSafeSecrets(config, secrets)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
}

test('sound secrets pass, also without passwords where a socket or a certificate speaks for the login', async () => {
  expect(await faults(production())).toEqual([])
  expect(await faults(production({ DATABASE_URL: 'postgres://ts_app@db.example.org/tv', SMTP_URL: 'smtps://mail.example.org' }))).toEqual([])
})

test('every bad one is named at once, and none is repeated', async () => {
  await writeFile(join(home, 'operator.key'), '0'.repeat(64))
  await chmod(join(home, 'operator.key'), 0o644)
  await chmod(join(home, 'key.pem'), 0o644)
  const found = await faults(production({
    DATABASE_URL: 'postgres://ts_app:hunter2@db.example.org/tv', DATABASE_OWNER_URL: 'postgres://ts_owner:ts_owner@db.example.org/tv',
    DATABASE_MAINTENANCE_URL: 'postgres://ts_maintenance:hunter3@db.example.org/tv', SMTP_URL: 'smtps://tv:ChangeMe@mail.example.org',
  }))
  expect(found).toEqual([
    expect.stringMatching(/^DATABASE_URL has a password of fewer than 12 characters/),
    expect.stringMatching(/^DATABASE_OWNER_URL has a password that is a known example/),
    expect.stringMatching(/^DATABASE_MAINTENANCE_URL has a password of fewer than 12 characters/),
    expect.stringMatching(/^SMTP_URL has a password that is a known example/),
    expect.stringMatching(/^KEYS_DIR: .*operator\.key holds a secret that is not random$/),
    expect.stringMatching(/^KEYS_DIR: .*operator\.key can be read by others \(mode 0644\)/),
    expect.stringMatching(/^TLS_KEY_FILE: .*key\.pem can be read by others \(mode 0644\)/),
  ])
  expect(found.join()).not.toMatch(/hunter|ChangeMe|000000/)
})

test.each([
  ['the login itself', 'postgres://torrentstreamer:torrentstreamer@db.example.org/tv'],
  ['an example', 'postgres://ts_app:mysecretpassword@db.example.org/tv'],
  ['an example, percent-encoded', 'postgres://ts_app:%63hangeme@db.example.org/tv'],
])('a database password that is %s is refused', async (_what, DATABASE_URL) => {
  expect(await faults(production({ DATABASE_URL }))).toEqual([expect.stringMatching(/^DATABASE_URL has a password that is a known example/)])
})

test('a missing operator secret is named', async () => {
  await rm(join(home, 'operator.key'))
  expect(await faults(production())).toEqual([expect.stringMatching(/operator\.key is missing; in production it must exist before the start \(npm run keys -- make-operator-secret\)/)])
})

test('on a loopback address nothing of this is asked', async () => {
  expect(await faults({ KEYS_DIR: join(home, 'none'), DATABASE_URL: 'postgres://a:a@db/tv' })).toEqual([])
})
