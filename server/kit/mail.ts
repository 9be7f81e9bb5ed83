import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createTransport, type SendMailOptions } from 'nodemailer'
import { z } from 'zod'
import { isLoopbackHost } from '../config.ts'
import type { Tx } from '../../db/client.ts'
import { auditFor } from './audit.ts'
import type { Deps } from './context.ts'
import type { JobHandler, Jobs } from './jobs.ts'
import type { Sealer } from './seal.ts'

/**
 * `dropped`: goes all the way, and is then not sent. What somebody must not get costs what a mail costs, so that the time
 * of an answer does not tell whether there was one (control A7).
 */
export type Mail = { to: string; subject: string; text: string; html?: string; dropped?: boolean }
/** A mail without its address: what it says. */
export type Letter = Pick<Mail, 'subject' | 'text' | 'html'>

/** Mails leave by a job, sealed while they wait: neither the address nor a code in them stands in the job table. */
export type Mailer = {
  /** `hurry: false`: nobody waits for it, it goes seconds later. */
  queue(tx: Tx, mail: Mail, options?: { hurry: boolean }): Promise<void>
}

const Payload = z.object({ id: z.uuid(), sealed: z.base64() })

export function createMailer({ sealer, jobs, newId }: { sealer: Sealer; jobs: Jobs; newId: () => string }): Mailer {
  return {
    async queue(tx, mail, { hurry } = { hurry: true }) {
      const id = newId()
      const payload = { id, sealed: Buffer.from(sealer.seal('mail', id, JSON.stringify(mail))).toString('base64') }
      await (hurry ? jobs.add(tx, 'mail.send', payload) : jobs.addLater(tx, 'mail.send', payload))
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

/** Sends one mail over SMTP_URL, or writes it to DATA_DIR/outbox. A mail server that is away is tried again; one that refuses for good is not. */
export const sendMail: JobHandler = async (deps, payload) => {
  const { config, secrets, sealer, now } = deps
  const { id, sealed } = Payload.parse(payload)
  const { to, subject, text, html, dropped } = JSON.parse(sealer.openText('mail', id, Buffer.from(sealed, 'base64'))) as Mail
  if (dropped) return
  const message: SendMailOptions = {
    from: config.mailFrom,
    // as an object it is taken as it is: nothing in it can name a second recipient
    to: { name: '', address: to },
    subject,
    text,
    ...(html === undefined ? {} : { html }),
    date: now(),
    messageId: `<${id}@torrent-streamer>`,
    // RFC 3834: holiday notices need not answer
    headers: { 'Auto-Submitted': 'auto-generated' },
    disableUrlAccess: true,
    disableFileAccess: true,
  }
  if (secrets.smtpUrl) return handOver(deps, secrets.smtpUrl, id, message)
  const outbox = join(config.dataDir, 'outbox')
  await mkdir(outbox, { recursive: true, mode: 0o700 })
  const { message: eml } = await createTransport({ streamTransport: true, buffer: true }).sendMail(message)
  const file = join(outbox, `${now().toISOString().replaceAll(':', '-')}-${id}.eml`)
  // under its name only when whole: people and tests read this folder
  await writeFile(`${file}.part`, eml as Buffer, { mode: 0o600 })
  await rename(`${file}.part`, file)
}

async function handOver(deps: Pick<Deps, 'db' | 'now' | 'log'>, smtpUrl: string, id: string, message: SendMailOptions): Promise<void> {
  const fault = await createTransport(smtpOptions(smtpUrl)).sendMail(message).then(() => null, faultOf)
  if (!fault) return
  if (!fault.final) throw new Error(`the mail server did not take the mail: ${fault.what}`)
  const details = { mail: id, response: fault.response }
  await deps.db.transaction((tx) => auditFor(deps, { kind: 'system' }, null)(tx, { action: 'mail.refuse', details }))
  deps.log.warn(details, 'the mail server refuses a mail for good; it is not tried again')
}

/**
 * What went wrong, without what the server said: that may hold the address, and would stand in the log and the job table.
 * Final (RFC 5321 section 4.2.1) is a 5xx to this recipient or this message; to anything else, such as the sign-in or the
 * sender, it is a fault of the settings that somebody can mend.
 */
function faultOf(error: unknown): { what: string; response: number | null; final: boolean } {
  const { code, command, responseCode, message } = error as Error & { code?: string; command?: string; responseCode?: number }
  const response = responseCode ?? null
  if (response === null) return { what: `${code ?? 'failed'}: ${message.split(' ').map((word) => (word.includes('@') ? '[address]' : word)).join(' ')}`, response, final: false }
  const final = response >= 500 && (command === 'RCPT TO' || command === 'DATA')
  return { what: `${code ?? 'refused'} after ${command ?? 'its greeting'}: ${response}`, response, final }
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
