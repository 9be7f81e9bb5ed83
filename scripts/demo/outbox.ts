import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { until } from './public-api.ts'

/** The code in the mail to an address, once the mail lies in the outbox. */
export async function codeFor(dataDir: string, address: string): Promise<string> {
  const outbox = join(dataDir, 'outbox')
  return until(`The mail to ${address}`, 15, async () => {
    for (const name of await readdir(outbox).catch(() => [])) {
      if (!name.endsWith('.eml')) continue
      const mail = await readFile(join(outbox, name), 'utf8')
      const code = /\b(\d{8})\b/.exec(mail.slice(mail.indexOf('\r\n\r\n')))?.[1]
      if (code && mail.includes(`To: ${address}`)) return code
    }
    return undefined
  })
}
