/** secretlint with the project's settings: planted secrets are found, the made-up ones of tests and documents are not. */
import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'

const project = fileURLToPath(new URL('../..', import.meta.url))

async function scan(text: string): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'secrets-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'notes.txt'), text)
  const args = [join(project, 'node_modules/secretlint/bin/secretlint.js'), '--no-glob', '--secretlintrc', join(project, '.secretlintrc.json'), 'notes.txt']
  return new Promise((done) => execFile(process.execPath, args, { cwd: folder }, (error) => done(error ? Number(error.code) : 0)))
}

// made here, so that this file holds none
const ecKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const rsaKey = () => generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()

test.each([
  ['an RSA key', rsaKey],
  ['a key of P-256', ecKey],
  ['a GitHub token', () => `token: ${'ghp_'}${'wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx'}`],
  ['a database with its password', () => `DATABASE_URL=postgres://torrents:${'Xk29vLq8TzRw'}@db.internal.net:5432/torrents`],
])('%s is found', async (_, text) => {
  expect(await scan(text())).toBe(1)
})

test.each([
  ['nothing', 'DATABASE_URL is a secret.'],
  ['a database on loopback', `postgres://app:pa55word@127.0.0.1:5432/x`],
  ['a database of an example', `postgres://app:pa55word@db.example.org/x`],
  ['the user of a hostile tracker', 'http://user:secret@tracker.invalid/'],
])('%s is let pass', async (_, text) => {
  expect(await scan(text)).toBe(0)
})
