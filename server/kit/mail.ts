import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createTransport } from 'nodemailer'
import { z } from 'zod'
import { isLoopbackHost } from '../config.ts'
import type { Tx } from '../../db/client.ts'
import type { JobHandler, Jobs } from './jobs.ts'
import type { Sealer } from './seal.ts'

export type Mail = { to: string; subject: string; text: string }

/** Mails leave by a job, sealed while they wait: neither the address nor a code in them stands in the job table. */
export type Mailer = { queue(tx: Tx, mail: Mail): Promise<void> }

const Payload = z.object({ id: z.uuid(), sealed: z.base64() })

export function createMailer({ sealer, jobs, newId }: { sealer: Sealer; jobs: Jobs; newId: () => string }): Mailer {
  return {
    async queue(tx, mail) {
      const id = newId()
      await jobs.add(tx, 'mail.send', { id, sealed: Buffer.from(sealer.seal('mail', id, JSON.stringify(mail))).toString('base64') })
    },
  }
}

/** Whom a waiting mail goes to; null for one that was sealed by another secret. */
export function opensTo(sealer: Sealer, payload: unknown): string | null {
  const waiting = Payload.safeParse(payload)
  if (!waiting.success) return null
  try {
    return (JSON.parse(sealer.openText('mail', waiting.data.id, Buffer.from(waiting.data.sealed, 'base64'))) as Mail).to
  } catch {
    return null
  }
}

/** Sends one mail over SMTP_URL, or writes it to DATA_DIR/outbox. */
export const sendMail: JobHandler = async ({ config, secrets, sealer, now }, payload) => {
  const { id, sealed } = Payload.parse(payload)
  const mail = JSON.parse(sealer.openText('mail', id, Buffer.from(sealed, 'base64'))) as Mail
  const message = { from: config.mailFrom, to: mail.to, subject: mail.subject, text: mail.text, date: now(), messageId: `<${id}@torrent-streamer>` }
  if (secrets.smtpUrl) return void (await createTransport(smtpOptions(secrets.smtpUrl)).sendMail(message))
  const outbox = join(config.dataDir, 'outbox')
  await mkdir(outbox, { recursive: true, mode: 0o700 })
  const { message: eml } = await createTransport({ streamTransport: true, buffer: true }).sendMail(message)
  const file = join(outbox, `${now().toISOString().replaceAll(':', '-')}-${id}.eml`)
  // under its name only when whole: people and tests read this folder
  await writeFile(`${file}.part`, eml as Buffer, { mode: 0o600 })
  await rename(`${file}.part`, file)
}

/** Outside loopback a mail server must speak TLS with a certificate that verifies, and no part of the URL can turn that off (control C1). */
export function smtpOptions(smtpUrl: string) {
  const { protocol, hostname, port, username, password } = new URL(smtpUrl)
  const secure = protocol === 'smtps:'
  const local = isLoopbackHost(hostname)
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port ? Number(port) : secure ? 465 : 587,
    secure,
    requireTLS: !secure && !local,
    ignoreTLS: !secure && local,
    tls: { minVersion: 'TLSv1.2' as const, rejectUnauthorized: true },
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
    socketTimeout: 30_000,
    ...(username ? { auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) } } : {}),
  }
}
