import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { until } from './public-api.ts'

/** The code in the newest mail to an address that has one, once it lies in the outbox: files there are named for their time. */
export async function codeFor(dataDir: string, address: string): Promise<string> {
  const outbox = join(dataDir, 'outbox')
  return until(`The mail to ${address}`, 15, async () => {
    const names = (await readdir(outbox).catch(() => [])).filter((name) => name.endsWith('.eml')).sort().reverse()
    for (const name of names) {
      const mail = await readFile(join(outbox, name), 'utf8')
      const code = /\b(\d{8})\b/.exec(mail.slice(mail.indexOf('\r\n\r\n')))?.[1]
      if (code && mail.includes(`To: ${address}`)) return code
    }
    return undefined
  })
}
