import { createHmac } from 'node:crypto'
import type { Keys, MacKey } from '../../kit/keys.ts'
import { sameBytes } from '../../kit/secret-tokens.ts'

// A ticket is the link's id (16 bytes) and a MAC over it (16 bytes): 43 characters of base64url.
const idLength = 16
const macLength = 16

export function ticketFor(keys: Keys, linkId: string): string {
  const id = Buffer.from(linkId.replaceAll('-', ''), 'hex')
  return Buffer.concat([id, mac(keys.mac('playback_ticket'), id)]).toString('base64url')
}

/** The link of a ticket, or null for one that was cut or altered; forged ones never reach the database. */
export function linkOfTicket(keys: Keys, ticket: string): string | null {
  if (!/^[\w-]{43}$/.test(ticket)) return null
  const raw = Buffer.from(ticket, 'base64url')
  const id = raw.subarray(0, idLength)
  // base64url of 32 bytes leaves two bits over: only one spelling of a ticket is the ticket
  if (raw.length !== idLength + macLength || raw.toString('base64url') !== ticket) return null
  if (!keys.macs('playback_ticket').some((key) => sameBytes(raw.subarray(idLength), mac(key, id)))) return null
  return id.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

const mac = (key: MacKey, id: Uint8Array) => createHmac('sha256', key.secret).update(id).digest().subarray(0, macLength)
