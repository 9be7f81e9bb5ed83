import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, vi } from 'vitest'

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
