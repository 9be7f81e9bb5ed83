import { randomBytes } from 'node:crypto'
import { chmod, link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError } from '../config.ts'

/**
 * The operator secret (32 bytes, hex) from KEYS_DIR/operator.key. Outside production it is made at the first start;
 * in production it must already exist (control C4). Two starts at once agree on one.
 */
export async function readOperatorSecret(keysDir: string, production: boolean): Promise<Uint8Array> {
  const file = join(keysDir, 'operator.key')
  const found = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw new ConfigError([`KEYS_DIR: ${file} cannot be read (${error.code ?? error.message})`])
  })
  if (found !== null) return decode(found, file)
  if (production) throw new ConfigError([`KEYS_DIR: ${file} is missing; in production it must exist before the start (openssl rand -hex 32 > ${file}; chmod 600 ${file})`])

  await mkdir(keysDir, { recursive: true, mode: 0o700 })
  await chmod(keysDir, 0o700)
  // not the process id, which is the same at every start of a container
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  await writeFile(draft, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flag: 'wx' })
  // link() fails where the file exists, so the first of two starts wins and both read the same
  await link(draft, file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  await rm(draft)
  return decode(await readFile(file, 'utf8'), file)
}

function decode(text: string, file: string): Uint8Array {
  const hex = text.trim()
  if (!/^[0-9a-f]{64}$/i.test(hex)) throw new ConfigError([`KEYS_DIR: ${file} must hold 64 hex digits`])
  if (new Set(hex.toLowerCase()).size < 8) throw new ConfigError([`KEYS_DIR: ${file} holds a secret that is not random`])
  return Buffer.from(hex, 'hex')
}
