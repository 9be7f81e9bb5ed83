import { randomBytes } from 'node:crypto'
import { chmod, link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError } from '../config.ts'
import { weaknessOf } from './weak-secrets.ts'

export const operatorFile = (keysDir: string): string => join(keysDir, 'operator.key')
const nextFile = (keysDir: string): string => `${operatorFile(keysDir)}.next`
const previousFile = (keysDir: string): string => `${operatorFile(keysDir)}.previous`

/**
 * The operator secret (32 bytes, hex) from KEYS_DIR/operator.key, and behind it the one that a rotation is about to put in its
 * place. Outside production the first is made at the first start; in production it must already exist (control C4).
 * @throws ConfigError
 */
export async function operatorSecrets(keysDir: string, production: boolean): Promise<Uint8Array[]> {
  const secret = await readSecret(operatorFile(keysDir))
  const next = await readSecret(nextFile(keysDir))
  if (secret) return next ? [secret, next] : [secret]
  if (production) throw new ConfigError([`KEYS_DIR: ${operatorFile(keysDir)} is missing; in production it must exist before the start (npm run keys -- make-operator-secret)`])
  await makeOperatorSecret(keysDir)
  return operatorSecrets(keysDir, true)
}

/** Makes the secret, unless there is one. Two who do it at once agree on one. @returns whether it was made here */
export async function makeOperatorSecret(keysDir: string): Promise<boolean> {
  await mkdir(keysDir, { recursive: true, mode: 0o700 })
  await chmod(keysDir, 0o700)
  // not the process id, which is the same at every start of a container
  const draft = `${operatorFile(keysDir)}.${randomBytes(6).toString('hex')}`
  await write(draft, randomBytes(32))
  // link() fails where the file exists, so the first of two starts wins and both read the same
  const made = await link(draft, operatorFile(keysDir)).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
      return false
    },
  )
  await rm(draft)
  return made
}

/** Lays the secret ready that will take the place of the present one: on disk before anything is sealed under it. */
export async function layReady(keysDir: string, secret: Uint8Array): Promise<void> {
  const draft = `${nextFile(keysDir)}.${randomBytes(6).toString('hex')}`
  await write(draft, secret)
  await rename(draft, nextFile(keysDir))
}

/** Puts the secret that lay ready in its place and keeps the one before it as operator.key.previous. Each step leaves both at hand. @returns where that is */
export async function takePlace(keysDir: string): Promise<string> {
  await rm(previousFile(keysDir), { force: true })
  await link(operatorFile(keysDir), previousFile(keysDir))
  await rename(nextFile(keysDir), operatorFile(keysDir))
  return previousFile(keysDir)
}

/** When the secret was made, as far as its file tells. */
export const operatorSecretDate = async (keysDir: string): Promise<Date> => (await stat(operatorFile(keysDir))).mtime

async function write(file: string, secret: Uint8Array): Promise<void> {
  await using handle = await open(file, 'wx', 0o600)
  await handle.writeFile(`${Buffer.from(secret).toString('hex')}\n`)
  await handle.sync()
}

async function readSecret(file: string): Promise<Uint8Array | null> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw new ConfigError([`KEYS_DIR: ${file} cannot be read (${error.code ?? error.message})`])
  })
  if (text === null) return null
  const hex = text.trim()
  if (!/^[0-9a-f]{64}$/i.test(hex)) throw new ConfigError([`KEYS_DIR: ${file} must hold 64 hex digits`])
  const secret = Buffer.from(hex, 'hex')
  const weakness = weaknessOf(secret)
  if (weakness) throw new ConfigError([`KEYS_DIR: ${file} holds a secret that ${weakness}`])
  return secret
}
