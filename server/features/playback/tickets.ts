import { createHmac } from 'node:crypto'
import type { Keys, MacKey } from '../../kit/keys.ts'
import { sameBytes } from '../../kit/secret-tokens.ts'

/** What a ticket says: a link, and which file of its title; null for the one the link was made for. */
export type Ticket = { linkId: string; fileIndex: number | null }

// The link's id (16 bytes), for another file than the link's own its index (4 bytes), and a MAC over both (16 bytes): 43 or 48
// characters of base64url. What the MAC covers differs in length, so that neither form can stand for the other.
const idLength = 16
const indexLength = 4
const macLength = 16

export function ticketFor(keys: Keys, { linkId, fileIndex }: Ticket): string {
  const said = Buffer.concat([Buffer.from(linkId.replaceAll('-', ''), 'hex'), indexBytes(fileIndex)])
  return Buffer.concat([said, mac(keys.mac('playback_ticket'), said)]).toString('base64url')
}

/** What a ticket says, or null for one that was cut or altered; forged ones never reach the database. */
export function readTicket(keys: Keys, ticket: string): Ticket | null {
  if (!/^([\w-]{43}|[\w-]{48})$/.test(ticket)) return null
  const raw = Buffer.from(ticket, 'base64url')
  // base64url of 32 bytes leaves two bits over: only one spelling of a ticket is the ticket
  if (raw.toString('base64url') !== ticket) return null
  const said = raw.subarray(0, raw.length - macLength)
  if (!keys.macs('playback_ticket').some((key) => sameBytes(raw.subarray(said.length), mac(key, said)))) return null
  const linkId = said.toString('hex', 0, idLength).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  return { linkId, fileIndex: said.length > idLength ? said.readUInt32BE(idLength) : null }
}

function indexBytes(fileIndex: number | null): Buffer {
  if (fileIndex === null) return Buffer.alloc(0)
  const bytes = Buffer.alloc(indexLength)
  bytes.writeUInt32BE(fileIndex)
  return bytes
}

const mac = (key: MacKey, said: Uint8Array) => createHmac('sha256', key.secret).update(said).digest().subarray(0, macLength)
