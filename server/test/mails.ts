import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import PostalMime, { type Email } from 'postal-mime'
import { expect, vi } from 'vitest'
import type { TestApp } from './app.ts'

/** The newest mail in the outbox to an address, once it is there. Works with real files, as an operator would. */
export async function mailTo(dataDir: string, address: string, subject?: string): Promise<string> {
  const outbox = join(dataDir, 'outbox')
  return vi.waitFor(
    async () => {
      for (const name of (await readdir(outbox)).filter((file) => file.endsWith('.eml')).sort().reverse()) {
        const mail = await readFile(join(outbox, name), 'utf8')
        if (mail.includes(`To: ${address}`) && (!subject || mail.includes(`Subject: ${subject}`))) return mail
      }
      return expect.fail(`no mail to ${address} yet`)
    },
    { timeout: 15_000, interval: 25 },
  )
}

export const codeIn = (mail: string): string => /\b(\d{8})\b/.exec(mail.slice(mail.indexOf('\r\n\r\n')))?.[1] ?? expect.fail('the mail holds no code')

export type Outbox = {
  /** The next mail to an address, once it is there; `about` passes over those with another subject. */
  next(address: string, about?: string): Promise<Email>
  /** The code that stands in it. */
  code(address: string, about?: string): Promise<string>
  /** How many more an address has, once every mail that was queued is sent or dropped. */
  left(address: string): Promise<number>
}

/** The outbox as one person after another reads it: each mail is handed out once, the oldest first. */
export function openOutbox({ dataDir, deps }: Pick<TestApp, 'dataDir' | 'deps'>): Outbox {
  const outbox = join(dataDir, 'outbox')
  const seen = new Set<string>()
  const unread = async (address: string): Promise<{ name: string; mail: string }[]> => {
    const names = (await readdir(outbox).catch(() => [])).filter((name) => name.endsWith('.eml') && !seen.has(name)).sort()
    const mails = await Promise.all(names.map(async (name) => ({ name, mail: await readFile(join(outbox, name), 'utf8') })))
    return mails.filter(({ mail }) => mail.includes(`To: ${address}\r\n`))
  }
  const next: Outbox['next'] = async (address, about = '') => {
    const { name, mail } = await vi.waitFor(async () => (await unread(address)).find((one) => one.mail.includes(`Subject: ${about}`)) ?? expect.fail(`no mail to ${address} yet`), { timeout: 15_000, interval: 25 })
    seen.add(name)
    return PostalMime.parse(mail)
  }
  return {
    next,
    code: async (address, about) => codeOf(await next(address, about)),
    async left(address) {
      await vi.waitFor(async () => expect(await deps.sql`select 1 from graphile_worker.jobs where task_identifier = 'mail.send'`).toHaveLength(0), { timeout: 15_000, interval: 25 })
      return (await unread(address)).length
    },
  }
}

export const codeOf = ({ text }: Email): string => /^ {4}(\d{8})$/m.exec(text ?? '')?.[1] ?? expect.fail('the mail holds no code')

/** A code that is none of these. */
export const wrongCode = (...right: string[]): string => (right.includes('00000000') ? '00000001' : '00000000')
