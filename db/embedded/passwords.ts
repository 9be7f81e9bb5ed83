import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { SetUpFault } from '../set-up-fault.ts'

const Password = z.string().min(32)
const Passwords = z.strictObject({ superuser: Password, owner: Password, app: Password, maintenance: Password })

/** The passwords of the database's logins, kept apart from the data (control C9). */
export type Passwords = z.infer<typeof Passwords>

const fileIn = (keysDir: string) => join(keysDir, 'postgres.json')
const random = () => randomBytes(32).toString('base64url')

export async function readPasswords(keysDir: string): Promise<Passwords | undefined> {
  if (!existsSync(fileIn(keysDir))) return undefined
  try {
    return Passwords.parse(JSON.parse(await readFile(fileIn(keysDir), 'utf8')))
  } catch (error) {
    throw new SetUpFault(`The file ${fileIn(keysDir)} does not hold the database's passwords; restore it from a backup.`, { cause: error })
  }
}

/** Makes the passwords and has them on disk before anything uses them, so that a killed start loses none. */
export async function makePasswords(keysDir: string): Promise<Passwords> {
  const passwords = { superuser: random(), owner: random(), app: random(), maintenance: random() }
  await mkdir(keysDir, { recursive: true, mode: 0o700 })
  const draft = `${fileIn(keysDir)}.draft-${process.pid}`
  await writeFile(draft, `${JSON.stringify(passwords, null, 2)}\n`, { mode: 0o600, flush: true })
  await rename(draft, fileIn(keysDir))
  return passwords
}
