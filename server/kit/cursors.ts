import { createHmac } from 'node:crypto'
import { Invalid } from './errors.ts'
import type { Keys, MacKey } from './keys.ts'
import { sameBytes } from './secret-tokens.ts'

type CursorValue = string | number | null

/**
 * Keyset cursors: opaque and authenticated, and good only for the list (and its filters) they came from.
 */
export type Cursors = {
  encode(list: string, values: CursorValue[]): string
  /** @throws Invalid for a cursor that was altered or belongs to another list. */
  decode(list: string, cursor: string): CursorValue[]
}

const macLength = 16

export function createCursors(keys: Pick<Keys, 'mac' | 'macs'>): Cursors {
  const mac = ({ secret }: MacKey, list: string, body: Uint8Array) => createHmac('sha256', secret).update(`${list}\0`).update(body).digest().subarray(0, macLength)
  return {
    encode(list, values) {
      const body = Buffer.from(JSON.stringify(values))
      return Buffer.concat([mac(keys.mac('cursor'), list, body), body]).toString('base64url')
    },
    decode(list, cursor) {
      const raw = Buffer.from(cursor, 'base64url')
      const body = raw.subarray(macLength)
      const given = raw.subarray(0, macLength)
      if (raw.length <= macLength || !keys.macs('cursor').some((key) => sameBytes(given, mac(key, list, body)))) {
        throw new Invalid([{ path: 'cursor', message: 'is not a cursor of this list' }])
      }
      return JSON.parse(body.toString('utf8')) as CursorValue[]
    },
  }
}
