import { customType, timestamp } from 'drizzle-orm/pg-core'

/** Bytes: a hash, a sealed value, a .torrent. */
export const bytes = customType<{ data: Uint8Array; driverData: Buffer }>({
  dataType: () => 'bytea',
  toDriver: (value) => Buffer.from(value.buffer, value.byteOffset, value.byteLength),
})

/** A search vector; Postgres makes it itself from other columns. */
export const searchVector = customType<{ data: string }>({ dataType: () => 'tsvector' })

/** A moment, millisecond precision: what JavaScript dates can hold, so that a keyset cursor compares exactly. */
export const moment = (name: string) => timestamp(name, { withTimezone: true, precision: 3, mode: 'date' })
